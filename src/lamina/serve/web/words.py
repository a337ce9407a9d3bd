"""How values are said on pages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from lamina.serve.web.links import to, visible

__all__ = ["FILTERS", "to"]

_UNITS = ("B", "kB", "MB", "GB", "TB", "PB", "EB")


def size(count: float | None) -> str:
    """Bytes in powers of 1000, with three digits; "–" where they are not known."""
    if count is None:
        return "–"
    value, unit = float(abs(count)), 0
    while float(f"{value:.3g}") >= 1000 and unit < len(_UNITS) - 1:
        value, unit = value / 1000, unit + 1
    return f"{'−' if count < 0 else ''}{value:.3g} {_UNITS[unit]}"


def growth(count: int) -> str:
    """Bytes with their sign; "" for none."""
    return "" if not count else size(count) if count < 0 else f"+{size(count)}"


def when(text: str | None) -> str:
    """An RFC 3339 time to the minute, in UTC; "" where there is none."""
    if not text or text.startswith("0001-"):
        return ""
    try:
        found = datetime.fromisoformat(text[:19].rstrip("Z") + "+00:00")
    except ValueError:
        return visible(text[:40])
    return f"{found.astimezone(UTC):%Y-%m-%d %H:%M}"


def count(number: int) -> str:
    """A number with thin gaps between its thousands."""
    return f"{number:,}".replace(",", "\u202f")


def short(digest: str) -> str:
    """The beginning of a digest."""
    return digest.partition(":")[2][:12] or digest[:12]


def form_safe(text: str) -> str:
    """`text` if a form can send it back as it is, else ""."""
    return text if visible(text) == text else ""


FILTERS: Mapping[str, Callable[..., object]] = {
    "size": size,
    "growth": growth,
    "when": when,
    "count": count,
    "short": short,
    "visible": visible,
    "form_safe": form_safe,
}
