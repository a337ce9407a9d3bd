"""Rectangles whose areas are as numbers are to each other, as square as can be.

Bruls, Huizing and van Wijk, "Squarified Treemaps" (2000).
"""

from __future__ import annotations

from collections.abc import Sequence

from lamina.values import dataclass


@dataclass(frozen=True, slots=True)
class Rect:
    """A rectangle; `x` and `y` are its corner at the top left."""

    x: float
    y: float
    width: float
    height: float


def squarify(sizes: Sequence[float], width: float, height: float) -> list[Rect]:
    """Rectangles that fill the whole, one for each of `sizes`: the largest first, none 0."""
    total = sum(sizes)
    if not sizes or total <= 0:
        return []
    areas = [size * width * height / total for size in sizes]
    free = Rect(0.0, 0.0, width, height)
    found: list[Rect] = []
    start = 0
    while start < len(areas):
        end = _row_end(areas, start, min(free.width, free.height))
        row, free = _laid(areas[start:end], free)
        found += row
        start = end
    return found


def _row_end(areas: Sequence[float], start: int, side: float) -> int:
    """How far a row along `side` goes, so that its worst rectangle is as square as possible."""
    end, total = start + 1, areas[start]
    worst = _worst(areas[start], areas[start], total, side)
    while end < len(areas):
        total += areas[end]
        now = _worst(areas[start], areas[end], total, side)
        if now > worst:
            break
        worst, end = now, end + 1
    return end


def _worst(largest: float, smallest: float, total: float, side: float) -> float:
    """How far from a square the worst of a row is; 1 is a square."""
    if not total or not side or not smallest:
        return float("inf")
    square, area = side * side, total * total
    return max(square * largest / area, area / (square * smallest))


def _laid(row: Sequence[float], free: Rect) -> tuple[list[Rect], Rect]:
    """The row along the shorter side of what is free, and what is free then."""
    total = sum(row)
    found = []
    if free.width >= free.height:
        thick = min(total / free.height, free.width) if free.height else 0.0
        at = free.y
        for area in row:
            long = free.height * area / total if total else 0.0
            found.append(Rect(free.x, at, thick, long))
            at += long
        return found, Rect(free.x + thick, free.y, free.width - thick, free.height)
    thick = min(total / free.width, free.height) if free.width else 0.0
    at = free.x
    for area in row:
        long = free.width * area / total if total else 0.0
        found.append(Rect(at, free.y, long, thick))
        at += long
    return found, Rect(free.x, free.y + thick, free.width, free.height - thick)
