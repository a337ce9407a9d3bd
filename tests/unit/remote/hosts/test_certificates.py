"""certs.d: which certificates belong to a host."""

from __future__ import annotations

from pathlib import Path

import pytest

from lamina.errors import Invalid
from lamina.remote.hosts import certificates


def put(directory: Path, *names: str) -> Path:
    directory.mkdir(parents=True)
    for name in names:
        (directory / name).touch()
    return directory


def test_authorities_and_pairs_are_found(tmp_path: Path) -> None:
    place = put(tmp_path / "r.io:5000", "ca.crt", "more.crt", "client.cert", "client.key", "README")
    trusted, pairs = certificates.find([tmp_path], "r.io:5000")
    assert trusted == (place / "ca.crt", place / "more.crt")
    assert pairs == ((place / "client.cert", place / "client.key"),)
    assert certificates.find([tmp_path], "r.io") == ((), ())


def test_the_first_directory_that_knows_the_host_counts(tmp_path: Path) -> None:
    first = put(tmp_path / "b/r.io", "ca.crt")
    put(tmp_path / "c/r.io", "other.crt")
    trusted, _ = certificates.find([tmp_path / "a", tmp_path / "b", tmp_path / "c"], "r.io")
    assert trusted == (first / "ca.crt",)


@pytest.mark.parametrize(
    ("name", "missing"), [("x.cert", 'expected "x.key"'), ("y.key", 'expected "y.cert"')]
)
def test_half_a_pair_is_refused(tmp_path: Path, name: str, missing: str) -> None:
    put(tmp_path / "r.io", name)
    with pytest.raises(Invalid, match=missing):
        certificates.find([tmp_path], "r.io")
