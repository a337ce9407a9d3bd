"""Times as Docker's logs have them."""

from __future__ import annotations

import pytest

from lamina.errors import Invalid
from lamina.run.clock import parse_duration, parse_instant, timestamp

SECOND = 1_000_000_000


def test_a_timestamp_has_nine_decimals() -> None:
    assert timestamp(1_700_000_000 * SECOND + 5) == "2023-11-14T22:13:20.000000005Z"
    assert timestamp(None) == "0001-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [("10s", 10 * SECOND), ("1h30m", 5400 * SECOND), ("1.5s", 3 * SECOND // 2), ("5ms", 5_000_000)],
)
def test_a_duration_is_spelled_as_in_go(text: str, nanoseconds: int) -> None:
    assert parse_duration(text) == nanoseconds


@pytest.mark.parametrize("text", ["", "10", "s", "1d", "1h 2m", "-1s"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("1700000000", 1_700_000_000 * SECOND),
        ("1700000000.5", 1_700_000_000 * SECOND + SECOND // 2),
        ("2023-11-14T22:13:20Z", 1_700_000_000 * SECOND),
        ("2023-11-14T23:13:20.000000001+01:00", 1_700_000_000 * SECOND + 1),
        ("10s", 990 * SECOND),
    ],
)
def test_an_instant_is_a_time_or_a_while_ago(text: str, instant: int) -> None:
    assert parse_instant(text, now=1000 * SECOND) == instant


def test_what_a_timestamp_says_is_read_back() -> None:
    instant = 1_234_567_890_123_456_789
    assert parse_instant(timestamp(instant), now=0) == instant


@pytest.mark.parametrize("text", ["yesterday", "2023-13", "12:00"])
def test_what_is_no_instant_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        parse_instant(text, now=0)
