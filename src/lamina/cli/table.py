"""Columns of text, spaced as Docker's tables are."""

from __future__ import annotations

from collections.abc import Sequence

_MINIMUM = 10  # columns of a cell, its gap included (docker/cli, its tabwriter's settings)
_GAP = 3


def render(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines whose cells stand below each other; the last cell of a row is not padded."""
    width_of: list[int] = []
    for row in rows:
        for column, cell in enumerate(row[:-1]):
            width = max(_MINIMUM, len(cell) + _GAP)
            if column == len(width_of):
                width_of.append(width)
            elif width > width_of[column]:
                width_of[column] = width
    return [
        "".join(f"{cell:<{width_of[i]}}" for i, cell in enumerate(row[:-1])) + row[-1]
        if row
        else ""
        for row in rows
    ]


def shorten(text: str, width: int) -> str:
    """`text` in at most `width` characters, ending in an ellipsis where it was cut."""
    return text if len(text) <= width else text[: width - 1] + "…"


def visible(text: str) -> str:
    """`text` with control characters spelled out, so that a name cannot drive the terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or "\udc80" <= c <= "\udcff" else _spelled(c) for c in text)


def _spelled(character: str) -> str:
    code = ord(character)
    known = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}.get(character)
    return known or (f"\\{code:03o}" if code < 0x100 else f"\\u{code:04x}")
