"""Blanks and likeness: what the readers of Dockerfile text share.

Go's idea of white space is kept (unicode.IsSpace), for it decides where BuildKit cuts a line;
Python's `str.isspace` also counts U+001C to U+001F.
"""

from __future__ import annotations

from collections.abc import Iterable

SPACE = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
BLANKS = r"[\t\v\f\r ]+"  # an expression: what parts an instruction from its arguments
_NEAR = 2  # edits


def suggest(word: str, known: Iterable[str], *, exact: bool = False) -> str | None:
    """The one of `known` that is at most two edits from `word`, or None.

    The case is of no matter, unless `exact`.
    """
    wanted = word if exact else word.lower()
    best: tuple[int, str] | None = None
    for candidate in sorted(known):
        distance = _distance(wanted, candidate if exact else candidate.lower())
        if distance <= min(_NEAR, len(candidate) - 1) and (best is None or distance < best[0]):
            best = (distance, candidate)
    return best[1] if best else None


def did_you_mean(word: str, known: Iterable[str], form: str = "{}") -> str | None:
    """A hint that names the likeliest of `known`, or None if nothing is near."""
    found = suggest(word, known)
    return None if found is None else f'did you mean "{form.format(found)}"?'


def _distance(one: str, other: str) -> int:
    """Levenshtein's distance; words that cannot be near are not measured."""
    if abs(len(one) - len(other)) > _NEAR:
        return _NEAR + 1
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        previous, row[0] = row[0], i
        for j, b in enumerate(other, 1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (a != b))
    return row[-1]
