from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from lamina.errors import Conflict, Unsupported
from lamina.store import Store


def test_a_new_store_is_an_empty_image_layout(tmp_path: Path) -> None:
    Store.open(tmp_path / "a" / "store")
    root = tmp_path / "a" / "store"
    assert json.loads((root / "oci-layout").read_bytes()) == {"imageLayoutVersion": "1.0.0"}
    assert json.loads((root / "index.json").read_bytes())["manifests"] == []
    assert (root / "blobs" / "sha256").is_dir()


def test_opening_does_not_touch_the_database(tmp_path: Path) -> None:
    Store.open(tmp_path)
    Store.open(tmp_path)
    assert not (tmp_path / "lamina.db").exists()


def test_a_store_that_was_half_made_is_finished(tmp_path: Path) -> None:
    (tmp_path / "locks").mkdir()
    (tmp_path / "blobs").mkdir()
    store = Store.open(tmp_path)
    store.blobs.put(b"x")
    assert (tmp_path / "oci-layout").exists()


def test_another_tools_layout_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    (tmp_path / "index.json").write_text("theirs")
    with pytest.raises(Conflict, match="another tool"):
        Store.open(tmp_path)
    assert sorted(os.listdir(tmp_path)) == ["index.json", "oci-layout"]


def test_a_store_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    with store.database.transaction() as connection:
        connection.execute("PRAGMA user_version=9999")
    store.close()
    with pytest.raises(Unsupported, match="newer"):
        Store.open(tmp_path).names.list()
