"""EXPOSE: firing and not firing."""

from __future__ import annotations

import pytest

from unit.lint.advice import lines, mended


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("ExposeProtoCasing", "EXPOSE 80/TCP"),
        ("ExposeInvalidFormat", "EXPOSE 80:80"),
        ("ExposeInvalidFormat", "EXPOSE 127.0.0.1:80:80"),
        ("DL3011", "EXPOSE 70000"),
        ("DL3011", "EXPOSE 80-70000/tcp"),
    ],
)
def test_it_fires(code: str, text: str) -> None:
    assert lines(code, text) == [text.count("\n") + 1]


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("ExposeProtoCasing", "EXPOSE 80/tcp"),
        ("ExposeProtoCasing", "EXPOSE 80"),
        ("ExposeInvalidFormat", "EXPOSE 80"),
        ("DL3011", "EXPOSE 65535"),
        ("DL3011", "EXPOSE $x"),
    ],
)
def test_it_is_silent(code: str, text: str) -> None:
    assert lines(code, text) == []


@pytest.mark.parametrize(
    ("code", "text", "expected"),
    [
        ("ExposeProtoCasing", "EXPOSE 80/TCP", "EXPOSE 80/tcp"),
        ("ExposeInvalidFormat", "EXPOSE 127.0.0.1:80:81/udp", "EXPOSE 81/udp"),
    ],
)
def test_it_is_mended(code: str, text: str, expected: str) -> None:
    assert mended(code, text) == expected
