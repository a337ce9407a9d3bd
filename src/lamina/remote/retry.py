"""When to try again: pauses that grow, shaken so that clients do not come back all at once."""

from __future__ import annotations

from collections.abc import Callable

from lamina.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How often, and how long one waits in between, in seconds."""

    tries: int = 5
    first: float = 0.5
    longest: float = 60.0  # also of what a peer may ask for

    def pause(self, tried: int, chance: float) -> float:
        """How long to wait after the try number `tried`; `chance` is in 0 to 1."""
        whole = min(self.first * float(2 ** min(tried - 1, 30)), self.longest)
        return whole / 2 + whole / 2 * chance


def wait_asked(header: str, now: Callable[[], float]) -> float | None:
    """The seconds that a Retry-After header asks for (RFC 9110, 10.2.3); None if nothing."""
    text = header.strip()
    if not text:
        return None
    if text.isascii() and text.isdigit():
        return float(text[:9])
    from email.utils import parsedate_to_datetime

    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now())
    except (ValueError, OverflowError):
        return None
