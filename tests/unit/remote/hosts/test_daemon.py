"""daemon.json: insecure registries and mirrors."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lamina.errors import Invalid
from lamina.remote.hosts.daemon import Daemon, read


def of(tmp_path: Path, found: object) -> Daemon:
    file = tmp_path / "daemon.json"
    file.write_text(json.dumps(found))
    return read(file)


@pytest.mark.parametrize(
    ("host", "port", "allowed"),
    [
        ("plain.io", None, True),
        ("plain.io", 5000, False),
        ("reg.io", 5000, True),
        ("reg.io", None, False),
        ("10.1.2.3", 5000, True),
        ("11.1.2.3", None, False),
        ("2001:db8::5", 80, True),
        ("old.io", None, True),
    ],
)
def test_a_host_or_its_address_may_be_insecure(
    tmp_path: Path, host: str, port: int | None, allowed: bool
) -> None:
    listed = ["plain.io", "reg.io:5000", "10.0.0.0/8", "2001:db8::/32", "http://old.io/"]
    found = of(tmp_path, {"insecure-registries": listed, "debug": True})
    assert found.allows_insecure(host, port) is allowed


def test_mirrors_keep_their_scheme(tmp_path: Path) -> None:
    found = of(tmp_path, {"registry-mirrors": ["https://m.io/", "http://m.local:5000"]})
    assert found.mirrors == (("https", "m.io"), ("http", "m.local:5000"))


def test_no_file_says_nothing(tmp_path: Path) -> None:
    assert read(None) == read(tmp_path / "none") == Daemon()
    (tmp_path / "empty").write_text("\n")
    assert read(tmp_path / "empty") == Daemon()


@pytest.mark.parametrize(
    ("found", "key"),
    [
        ({"insecure-registries": "plain.io"}, "insecure-registries"),
        ({"insecure-registries": ["a b"]}, "insecure-registries"),
        ({"registry-mirrors": ["m.io"]}, "registry-mirrors"),
        ({"registry-mirrors": ["https://m.io/path"]}, "registry-mirrors"),
        ({"registry-mirrors": ["https://user:pw@m.io"]}, "registry-mirrors"),
        ([], "its content"),
    ],
)
def test_a_wrong_value_is_refused_with_its_file_and_key(
    tmp_path: Path, found: object, key: str
) -> None:
    with pytest.raises(Invalid, match=rf"daemon\.json.*{key}"):
        of(tmp_path, found)
