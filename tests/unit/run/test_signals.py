"""Signals and names."""

from __future__ import annotations

import signal

import pytest

from lamina.errors import Invalid
from lamina.run.attach import parse_detach_keys
from lamina.run.names import check_name, random_name
from lamina.run.signals import parse_signal


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("TERM", 15),
        ("sigterm", 15),
        ("9", 9),
        ("SIGRTMIN+3", signal.SIGRTMIN + 3),
        ("RTMAX-1", signal.SIGRTMAX - 1),
    ],
)
def test_a_signal_has_a_name_or_a_number(text: str, number: int) -> None:
    assert parse_signal(text) == number


@pytest.mark.parametrize("text", ["", "0", "65", "NOPE", "SIG_DFL", "RTMIN+99", "-9", "TERM+1"])
def test_what_is_no_signal_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        parse_signal(text)


def test_a_random_name_is_a_name() -> None:
    names = {random_name() for _ in range(50)}
    assert len(names) > 10
    for name in names:
        assert check_name(name) == name
    assert check_name(random_name(7))


@pytest.mark.parametrize("name", ["", "a", "-a", "a b", "a/b", "é1", "_a"])
def test_a_name_that_docker_refuses_is_refused(name: str) -> None:
    with pytest.raises(Invalid):
        check_name(name)


def test_detach_keys_are_what_a_terminal_sends() -> None:
    assert parse_detach_keys("ctrl-p,ctrl-q") == b"\x10\x11"
    assert parse_detach_keys("ctrl-@,x") == b"\x00x"


@pytest.mark.parametrize("text", ["", "ctrl-", "ctrl-1", "alt-x", "ab"])
def test_wrong_detach_keys_are_refused(text: str) -> None:
    with pytest.raises(Invalid):
        parse_detach_keys(text)
