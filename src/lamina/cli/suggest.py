"""Suggestions for words that nobody knows."""

from __future__ import annotations

from collections.abc import Iterable


def did_you_mean(word: str, known: Iterable[str], prefix: str = "") -> str:
    """`; did you mean "…"?` with the nearest known word, or nothing when none is near."""
    from difflib import get_close_matches

    known = list(known)
    near = get_close_matches(word, known, 1, 0.6)
    if not near and len(word) > 1:
        near = [w for w in known if w.startswith(word)][:1]
    return f'; did you mean "{prefix}{near[0]}"?' if near else ""
