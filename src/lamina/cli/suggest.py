"""Suggestions for words that nobody knows."""

from __future__ import annotations

from collections.abc import Iterable


def did_you_mean(word: str, known: Iterable[str], prefix: str = "") -> str:
    """`; did you mean "…"?` with the nearest known word, or nothing when none is near."""
    from difflib import get_close_matches

    spelled = {name.lower(): name for name in known}
    near = get_close_matches(word.lower(), spelled, 1, 0.6)
    if not near and len(word) > 1:
        near = [name for name in spelled if name.startswith(word.lower())][:1]
    return f'; did you mean "{prefix}{spelled[near[0]]}"?' if near else ""
