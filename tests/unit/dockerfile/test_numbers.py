"""Durations, sizes, truth, ports and git URLs."""

from __future__ import annotations

import pytest

from lamina.dockerfile.git import parse_ref, parse_url
from lamina.dockerfile.numbers import parse_bool, parse_duration, parse_size
from lamina.dockerfile.ports import parse_ports
from lamina.errors import Invalid


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("0", 0),
        ("1ns", 1),
        ("1.5s", 1_500_000_000),
        (".5ms", 500_000),
        ("1h2m3s", 3_723_000_000_000),
        ("-1s", -1_000_000_000),
        ("3µs", 3_000),
    ],
)
def test_a_duration_is_read(text: str, nanoseconds: int) -> None:
    assert parse_duration(text) == nanoseconds


@pytest.mark.parametrize("text", ["", "1", "s", "1x", "1 s", ".s", "1s2", "9999999999h", "+"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "size"), [("1", 1), ("2k", 2048), ("1.5GiB", 3 << 29), ("3 mb", 3 << 20)]
)
def test_a_size_is_read(text: str, size: int) -> None:
    assert parse_size(text) == size


def test_truth_is_spelled_as_in_go() -> None:
    assert parse_bool("T") and not parse_bool("0")
    with pytest.raises(Invalid):
        parse_bool("yes")


@pytest.mark.parametrize(
    ("text", "ports"),
    [
        ("80", ["80/tcp"]),
        ("53/UDP", ["53/udp"]),
        ("7-9/sctp", ["7/sctp", "8/sctp", "9/sctp"]),
        ("127.0.0.1:80:8080", ["8080/tcp"]),
        ("[::1]::1", ["1/tcp"]),
    ],
)
def test_ports_are_read(text: str, ports: list[str]) -> None:
    assert parse_ports(text) == ports


@pytest.mark.parametrize("text", ["", "/tcp", "x", "9-7", "70000", "80/icmp", "x:1:2", "1-2:1-3"])
def test_what_is_no_port_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        parse_ports(text)


def test_a_git_query_says_what_to_fetch() -> None:
    ref = parse_ref("https://h/a/b.git?branch=m&subdir=s&checksum=abc&submodules=0&keep-git-dir")
    assert (ref.remote, ref.short_name) == ("https://h/a/b.git", "b")
    assert (ref.ref, ref.subdir, ref.checksum) == ("refs/heads/m", "s", "abc")
    assert (ref.submodules, ref.keep_git_dir) == (False, True)


@pytest.mark.parametrize(
    "text",
    [
        "https://h/a.git?tag=a&branch=b",
        "https://h/a.git?ref=a#b",
        "https://h/a.git?ref=a&ref=b",
        "https://h/a.git?bogus=1",
        "https://h/a.git?ref=",
        "https://h/a.git?submodules=maybe",
        "https://h/a",
        "./a.git",
        "a.git",
        "ftp://h/a.git",
        "https://h:x/a.git",
        "https://h/%zz.git",
    ],
)
def test_a_git_ref_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        parse_ref(text)


def test_a_git_url_keeps_its_password_apart() -> None:
    url = parse_url("https://u:p%40x@h:8443/a.git#r:d")
    assert (url.user, url.password, url.host) == ("u", "p@x", "h:8443")
    assert (url.ref, url.subdir) == ("r", "d")
