"""Values of run options in Docker's spelling."""

from __future__ import annotations

from pathlib import Path

import pytest

from lamina.errors import Invalid, Unsupported
from lamina.run import words
from lamina.run.words import Ulimit


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("4096", 4096),
        ("1b", 1),
        ("1k", 1024),
        ("512m", 512 << 20),
        ("1.5g", 3 << 29),
        ("2GiB", 2 << 30),
        ("2Gb", 2 << 30),
        ("1 kb", 1024),
    ],
)
def test_a_size_counts_in_powers_of_1024(text: str, size: int) -> None:
    assert words.parse_size(text) == size


@pytest.mark.parametrize("text", ["", "m", "-1", "1x", "1.m", "0x10", "1 2"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        words.parse_size(text)


def test_cpus_are_exact_to_a_billionth() -> None:
    assert words.parse_cpus("1.5") == 1_500_000_000
    assert words.parse_cpus(".25") == 250_000_000
    assert words.parse_cpus("0.000000001") == 1


@pytest.mark.parametrize("text", ["", "-1", "one", "1.0000000001", "1,5", "1e3"])
def test_what_is_no_number_of_cpus_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        words.parse_cpus(text)


def test_one_limit_is_soft_and_hard() -> None:
    assert words.parse_ulimit("nofile=1024") == Ulimit("nofile", 1024, 1024)
    assert words.parse_ulimit("core=0:-1") == Ulimit("core", 0, -1)


@pytest.mark.parametrize(
    "text", ["nofile", "nofile=", "files=1", "nofile=2:1", "nofile=a", "nofile=1:", "nofile=-1:5"]
)
def test_a_wrong_ulimit_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        words.parse_ulimit(text)


@pytest.mark.parametrize(
    ("text", "pair"),
    [
        ("db:10.0.0.1", ("db", "10.0.0.1")),
        ("db=10.0.0.1", ("db", "10.0.0.1")),
        ("db:::1", ("db", "::1")),
        ("db:[::1]", ("db", "::1")),
    ],
)
def test_a_host_has_an_address_of_either_family(text: str, pair: tuple[str, str]) -> None:
    assert words.parse_add_host(text) == pair


@pytest.mark.parametrize("text", ["db", "db:", ":1.2.3.4", "db:1.2.3", "a b:1.2.3.4", "db:host"])
def test_a_host_without_an_address_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        words.parse_add_host(text)


def test_the_host_gateway_is_refused_by_name() -> None:
    with pytest.raises(Unsupported, match="host-gateway"):
        words.parse_add_host("here:host-gateway")


def test_a_bare_variable_takes_the_value_here_or_unsets() -> None:
    environ = {"HERE": "yes"}
    assert words.parse_env("A=1", environ) == "A=1"
    assert words.parse_env("HERE", environ) == "HERE=yes"
    assert words.parse_env("GONE", environ) == "GONE"
    assert words.merge_env(["A=1", "GONE=x", "B=2"], ["GONE", "A=3"]) == ("A=3", "B=2")


def test_an_env_file_has_comments_and_no_quoting(tmp_path: Path) -> None:
    path = tmp_path / "env"
    path.write_bytes(b'\xef\xbb\xbf# note\n\nA=1 2\n  B="q"\r\nHERE\nGONE\nC=\xff\n')
    found = words.read_env_file(str(path), {"HERE": "yes"})
    assert found == ["A=1 2", 'B="q"', "HERE=yes", "C=\udcff"]


@pytest.mark.parametrize("line", ["A B=1", "=1"])
def test_an_env_file_with_a_bad_name_says_which_line(tmp_path: Path, line: str) -> None:
    path = tmp_path / "env"
    path.write_text(f"A=1\n{line}\n")
    with pytest.raises(Invalid, match="line 2"):
        words.read_env_file(str(path), {})


def test_a_missing_env_file_is_refused() -> None:
    with pytest.raises(Invalid, match="cannot read"):
        words.read_env_file("/nowhere/env", {})


@pytest.mark.parametrize(
    ("text", "pair"),
    [
        ("/dev/fuse", ("/dev/fuse", "/dev/fuse")),
        ("/dev/sda:/dev/xvdc", ("/dev/sda", "/dev/xvdc")),
        ("/dev/sda:/dev/xvdc:rwm", ("/dev/sda", "/dev/xvdc")),
        ("/dev/sda:rwm", ("/dev/sda", "/dev/sda")),
    ],
)
def test_a_device_may_have_another_name_inside(text: str, pair: tuple[str, str]) -> None:
    assert words.parse_device(text) == pair


def test_a_device_with_fewer_rights_is_refused_by_name() -> None:
    with pytest.raises(Unsupported, match="rwm"):
        words.parse_device("/dev/sda:/dev/xvdc:r")
