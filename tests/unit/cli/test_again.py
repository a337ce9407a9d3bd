"""The store in which an answer may be: opened if it is there, and never made."""

from __future__ import annotations

from pathlib import Path

from lamina.cli import again
from lamina.store import Store


def test_nothing_is_made_to_look_into(tmp_path: Path) -> None:
    assert again.opened({}, str(tmp_path / "none")) is None
    assert not (tmp_path / "none").exists()


def test_a_store_that_has_records_is_opened(tmp_path: Path) -> None:
    Store.open(tmp_path).records.put("kind", "key", b"value", now=1)
    store = again.opened({}, str(tmp_path))
    assert store is not None
    assert store.records.get("kind", "key") == b"value"


def test_what_cannot_be_opened_is_left_to_the_command(tmp_path: Path) -> None:
    (tmp_path / "oci-layout").touch()  # of another tool, for there are no locks
    (tmp_path / "lamina.db").touch()
    assert again.opened({}, str(tmp_path)) is None
