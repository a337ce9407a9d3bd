"""Sizes and times in Docker's words (docker/go-units): `7.8MB`, `2 hours ago`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from lamina.errors import Invalid

_DECIMAL = ("B", "kB", "MB", "GB", "TB", "PB", "EB")
_ZERO_TIME = "0001-01-01T00:00:00Z"  # how Go spells no time at all


def human_size(size: float, digits: int = 4) -> str:
    """`size` bytes in powers of 1000 with at most `digits` significant digits."""
    value, unit = float(size), 0
    # Rounding may carry into the next unit: 999.96 kB is 1 MB, never "1e+03kB".
    while float(f"{value:.{digits}g}") >= 1000 and unit < len(_DECIMAL) - 1:
        value, unit = value / 1000, unit + 1
    return f"{value:.{digits}g}{_DECIMAL[unit]}"


def human_duration(seconds: float) -> str:
    """A span of time in its largest whole unit, roughly."""
    whole = int(seconds)
    if whole < 1:
        return "Less than a second"
    if whole == 1:
        return "1 second"
    if whole < 60:
        return f"{whole} seconds"
    minutes = whole // 60
    if minutes == 1:
        return "About a minute"
    if minutes < 60:
        return f"{minutes} minutes"
    hours = int(seconds / 3600 + 0.5)
    if hours == 1:
        return "About an hour"
    if hours < 48:
        return f"{hours} hours"
    if hours < 24 * 7 * 2:
        return f"{hours // 24} days"
    if hours < 24 * 30 * 2:
        return f"{hours // 24 // 7} weeks"
    if hours < 24 * 365 * 2:
        return f"{hours // 24 // 30} months"
    return f"{whole // 3600 // 24 // 365} years"


def since(then: datetime | None, now: datetime) -> str:
    """`2 hours ago`, or `N/A` where the time is not known."""
    if then is None:
        return "N/A"
    return f"{human_duration((now - then).total_seconds())} ago"


def parse_time(text: str | None) -> datetime | None:
    """An RFC 3339 time; None for none, for Go's zero time, and for what is no time."""
    if not text or text == _ZERO_TIME:
        return None
    try:
        # Python reads microseconds at most, and images have nanoseconds.
        head, dot, tail = text.partition(".")
        if dot:
            digits = len(tail) - len(tail.lstrip("0123456789"))
            text = f"{head}.{tail[: min(digits, 6)]}{tail[digits:]}"
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def go_time(time: datetime | None) -> str:
    """As Go prints a time: `2006-01-02 15:04:05 +0000 UTC`."""
    if time is None:
        return "N/A"
    name = time.tzname() or ""
    offset = time.strftime("%z")
    if name.startswith("UTC") and offset != "+0000":
        name = offset
    return f"{time:%Y-%m-%d %H:%M:%S} {offset} {name}".rstrip()


def rfc3339(time: datetime) -> str:
    """`2006-01-02T15:04:05Z`, with the zone it has."""
    text = time.isoformat(timespec="seconds")
    return text.removesuffix("+00:00") + "Z" if text.endswith("+00:00") else text


def parse_moment(text: str, now: datetime) -> datetime:
    """What a filter such as `until` names: a duration ago (`10m`, `1h30m`), a time, or a Unix time.

    Invalid if it is neither.
    """
    span = _duration(text)
    if span is not None:
        return now - span
    try:
        return datetime.fromtimestamp(float(text), UTC)
    except ValueError:
        pass
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise Invalid(
            f'"{text}" is not a time',
            hint='expected a duration ("24h"), a date ("2024-01-31") or RFC 3339',
        ) from None
    return time if time.tzinfo else time.astimezone()


def _duration(text: str) -> timedelta | None:
    import re

    if not re.fullmatch(r"(?:\d+(?:\.\d+)?(?:h|ms|m|s|us|µs|ns))+", text):
        return None
    seconds = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
    parts = re.findall(r"(\d+(?:\.\d+)?)(h|ms|m|s|us|µs|ns)", text)
    return timedelta(seconds=sum(float(number) * seconds[unit] for number, unit in parts))
