"""Times as image documents hold them."""

from __future__ import annotations

import time


def rfc3339(seconds: float) -> str:
    """In UTC, with microseconds where there are any."""
    whole = int(seconds // 1)
    part = round((seconds - whole) * 1_000_000)
    if part == 1_000_000:
        whole, part = whole + 1, 0
    fraction = f".{part:06}" if part else ""
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(whole))}{fraction}Z"
