"""Instants and durations as Docker writes and reads them (RFC 3339 with nanoseconds; Go durations).

An instant is an int: nanoseconds since 1970, UTC.
"""

from __future__ import annotations

import time

from lamina.errors import Invalid
from lamina.late import re

ZERO = "0001-01-01T00:00:00Z"  # Go's zero time: "has not happened"

_UNITS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_PART = r"([0-9]*\.?[0-9]+|[0-9]+\.)(ns|us|µs|ms|s|m|h)"
_INSTANT = (
    r"(\d{4})-(\d\d)-(\d\d)(?:[Tt ](\d\d)(?::(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?)?)?"
    r"([Zz]|[+-]\d\d:?\d\d)?"
)


def timestamp(instant: int | None) -> str:
    """RFC 3339 in UTC with nine decimals, as Docker's logs have; Go's zero time for None."""
    if instant is None:
        return ZERO
    seconds, nanos = divmod(instant, 1_000_000_000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{nanos:09d}Z"


def parse_duration(text: str) -> int:
    """Nanoseconds of a Go duration such as "1h30m" or "1.5s"; Invalid if it is not one."""
    total, position = 0.0, 0
    for part in re.finditer(_PART, text):
        if part.start() != position:
            break
        total += float(part[1]) * _UNITS[part[2]]
        position = part.end()
    if not text or position != len(text):
        raise Invalid(f'"{text}" is not a duration', hint='write it as "1h30m" or "10s"')
    return int(total)


def parse_instant(text: str, *, now: int) -> int:
    """An instant from a Unix time, an RFC 3339 date or time, or a duration before `now`.

    A time without a zone is local, as in `docker logs --since`.
    """
    if re.fullmatch(r"\d+(?:\.\d{1,9})?", text):
        whole, _, fraction = text.partition(".")
        return int(whole) * 1_000_000_000 + int(fraction.ljust(9, "0") or 0)
    match = re.fullmatch(_INSTANT, text)
    if not match:
        try:
            return now - parse_duration(text)
        except Invalid:
            raise Invalid(
                f'"{text}" is neither a time nor a duration',
                hint='write "2026-01-02T13:23:37Z", a Unix time, or "42m"',
            ) from None
    import calendar

    fields = [int(field or 0) for field in match.group(1, 2, 3, 4, 5, 6)]
    year, month, day, hour, minute, second = fields
    broken = (year, month, day, hour, minute, second, 0, 1, -1)
    zone = match[8]
    if zone is None:
        seconds = int(time.mktime(broken))
    else:
        seconds = calendar.timegm(broken) - _zone_seconds(zone)
    return seconds * 1_000_000_000 + int((match[7] or "").ljust(9, "0") or 0)


def _zone_seconds(zone: str) -> int:
    if zone in "Zz":
        return 0
    digits = zone[1:].replace(":", "")
    seconds = int(digits[:2]) * 3600 + int(digits[2:]) * 60
    return -seconds if zone[0] == "-" else seconds
