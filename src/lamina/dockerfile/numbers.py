"""Durations, sizes and truth values, as Go spells them."""

from __future__ import annotations

from lamina.errors import Invalid
from lamina.late import re

_UNITS = {
    "ns": 1,
    "us": 1_000,
    "\u00b5s": 1_000,
    "\u03bcs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_PART = r"([0-9]*)(?:\.([0-9]*))?([^0-9.]+)"
_SIZE = r"(?i:([0-9]+(?:\.[0-9]*)?|\.[0-9]+) ?(?:b|([kmgtpe])(?:i?b)?)?)"
_LIMIT = 2**63 - 1  # nanoseconds, as Go counts
_TRUE = frozenset(("1", "t", "T", "TRUE", "true", "True"))
_FALSE = frozenset(("0", "f", "F", "FALSE", "false", "False"))


def parse_duration(text: str) -> int:
    """Nanoseconds of a duration like `1h30m` or `1.5s` (Go, time.ParseDuration); Invalid."""
    sign, rest = (-1, text[1:]) if text[:1] == "-" else (1, text.removeprefix("+"))
    if rest == "0":
        return 0
    total = 0
    at = 0
    while match := re.compile(_PART).match(rest, at):
        whole, fraction, unit = match.groups()
        if unit not in _UNITS or not (whole or fraction):
            break
        total += int(whole or 0) * _UNITS[unit]
        if fraction:
            total += int(fraction) * _UNITS[unit] // 10 ** len(fraction)
        at = match.end()
    if not rest or at != len(rest) or total > _LIMIT:
        raise Invalid(
            f'"{text}" is no duration', hint="write a number with its unit: 500ms, 30s, 1m30s"
        )
    return sign * total


def parse_size(text: str) -> int:
    """Bytes of a size like `64m` or `1.5GiB`: every unit counts by 1024; Invalid."""
    match = re.fullmatch(_SIZE, text)
    if not match:
        raise Invalid(f'"{text}" is no size', hint="write a number with k, m or g: 64m")
    return int(float(match[1]) * 1024 ** (" kmgtpe".index((match[2] or " ").lower())))


def parse_bool(text: str) -> bool:
    """True or false (Go, strconv.ParseBool); Invalid."""
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise Invalid(f'"{text}" is neither true nor false')
