from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from lamina.cli.units import (
    go_time,
    human_duration,
    human_size,
    parse_moment,
    parse_time,
    rfc3339,
    since,
)
from lamina.errors import Invalid

NOW = datetime(2024, 5, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("size", "digits", "expected"),
    [
        (0, 3, "0B"),
        (999, 3, "999B"),
        (1000, 3, "1kB"),
        (1093, 4, "1.093kB"),
        (1093, 3, "1.09kB"),
        (7_800_000, 3, "7.8MB"),
        (7_804_213, 4, "7.804MB"),
        (999_960, 4, "1MB"),
        (999_500, 3, "1MB"),
        (12_300_000_000, 3, "12.3GB"),
    ],
)
def test_sizes_are_decimal_and_short(size: int, digits: int, expected: str) -> None:
    assert human_size(size, digits) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0.4, "Less than a second"),
        (1, "1 second"),
        (59, "59 seconds"),
        (60, "About a minute"),
        (130, "2 minutes"),
        (3600, "About an hour"),
        (2 * 3600, "2 hours"),
        (47 * 3600, "47 hours"),
        (3 * 86400, "3 days"),
        (15 * 86400, "2 weeks"),
        (70 * 86400, "2 months"),
        (800 * 86400, "2 years"),
    ],
)
def test_durations_are_rough(seconds: float, expected: str) -> None:
    assert human_duration(seconds) == expected


def test_a_time_that_is_not_known_is_not_ago() -> None:
    assert since(None, NOW) == "N/A"
    assert since(NOW - timedelta(hours=2), NOW) == "2 hours ago"


def test_nanoseconds_are_read() -> None:
    assert parse_time("2024-05-01T12:00:00.123456789Z") == NOW.replace(microsecond=123456)


@pytest.mark.parametrize("text", [None, "", "0001-01-01T00:00:00Z", "soon"])
def test_what_is_no_time_is_none(text: str | None) -> None:
    assert parse_time(text) is None


def test_times_are_printed_as_go_does() -> None:
    assert go_time(NOW) == "2024-05-01 12:00:00 +0000 UTC"
    assert go_time(parse_time("2024-05-01T12:00:00+02:00")) == "2024-05-01 12:00:00 +0200 +0200"
    assert rfc3339(NOW) == "2024-05-01T12:00:00Z"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("24h", NOW - timedelta(hours=24)),
        ("1h30m", NOW - timedelta(minutes=90)),
        ("0s", NOW),
        ("2024-04-30T00:00:00Z", datetime(2024, 4, 30, tzinfo=UTC)),
        ("1714564800", NOW),
    ],
)
def test_a_moment_is_a_span_or_a_time(text: str, expected: datetime) -> None:
    assert parse_moment(text, NOW) == expected


def test_a_moment_that_is_neither_is_refused() -> None:
    with pytest.raises(Invalid, match='"yesterday" is not a time'):
        parse_moment("yesterday", NOW)
