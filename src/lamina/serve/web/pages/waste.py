"""What an image's layers bring in vain, as rectangles and as a list."""

from __future__ import annotations

from collections.abc import Sequence

from lamina.serve.web.links import Query
from lamina.serve.web.pages import Desk, Page, cut
from lamina.serve.web.pages.image import Place, about, crumbs, need_place
from lamina.serve.web.shelf import Unseen
from lamina.serve.web.treemap import Rect, squarify
from lamina.values import dataclass

WIDTH, HEIGHT = 1200, 480
_CELLS = 60  # in one directory
_DEPTH = 5  # directories within one another
_HEAD = 22  # for the name of a directory above what is in it
_NESTED = (110, 70)  # width and height from which a directory shows what is in it


@dataclass(frozen=True, slots=True)
class Cell:
    """One rectangle: a file, or a directory, on which what is in it may lie."""

    name: str
    size: int  # bytes
    href: str
    kind: str  # "directory", "deleted", "replaced" or "rest"
    rect: Rect
    about: str


class Branch:
    """What is wasted below a directory, or of one file."""

    __slots__ = ("branches", "files", "one", "size")

    def __init__(self) -> None:
        self.size = 0  # bytes
        self.files = 0
        self.one: Unseen | None = None  # the latest, of a file
        self.branches: dict[str, Branch] = {}

    def add(self, parts: Sequence[str], one: Unseen) -> None:
        branch = self
        for part in ("", *parts):
            branch = branch.branches.setdefault(part, Branch()) if part else branch
            branch.size += one.size
            branch.files += 1
        branch.one = one


def waste(desk: Desk, query: Query) -> Page:
    """The waste below a directory."""
    found = need_place(desk, query)
    told = desk.analyst.waste(found.look.whole())
    path = query.text("dir").strip("/")
    below = [one for one in told.unseen if not path or one.path.startswith(f"{path}/")]
    rows, part = cut(below, query)
    values = {
        **about(found, "waste"),
        "waste": told,
        "hiders": [
            (found.steps[step - 1], size)
            for layer, size in told.by_hider().items()
            if (step := found.step_of(layer)) is not None and size
        ][:10],
        "dir": path or ".",
        "crumbs": crumbs(path or "."),
        "cells": cells(found, tree(below, path), path),
        "size": sum(one.size for one in below),
        "width": WIDTH,
        "height": HEIGHT,
        "lines": [(one, found.step_of(one.layer), found.step_of(one.hidden_by)) for one in rows],
        "part": part,
    }
    return Page("waste.html", values)


def tree(below: Sequence[Unseen], path: str) -> Branch:
    """The files by directory; `path` is the top, and "" the root."""
    top = Branch()
    start = len(path) + 1 if path else 0
    for one in below:
        if one.size:
            top.add(one.path[start:].split("/"), one)
    return top


def cells(found: Place, top: Branch, path: str) -> list[Cell]:
    """Rectangles for all that is below `path`, those of a directory before what lies on it."""
    cells: list[Cell] = []
    waiting = [(top, path, Rect(0, 0, WIDTH, HEIGHT), 0)]
    while waiting:
        branch, at, room, depth = waiting.pop()
        shown, rest = _largest(branch)
        sizes = [one.size for _, one in shown] + ([rest.size] if rest.files else [])
        rects = squarify(sorted(sizes, reverse=True), room.width, room.height)
        named = sorted(
            [*shown, *([("", rest)] if rest.files else [])], key=lambda one: -one[1].size
        )
        for (name, one), rect in zip(named, rects, strict=True):
            placed = Rect(room.x + rect.x, room.y + rect.y, rect.width, rect.height)
            full = f"{at}/{name}" if at else name
            cells.append(_cell(found, name, full, one, placed))
            fits = placed.width >= _NESTED[0] and placed.height >= _NESTED[1]
            if one.branches and fits and depth < _DEPTH:
                waiting.append((one, full, _inside(placed), depth + 1))
    return cells


def _largest(branch: Branch) -> tuple[list[tuple[str, Branch]], Branch]:
    """What has a rectangle of its own, and all the rest in one."""
    order = sorted(branch.branches.items(), key=lambda item: (-item[1].size, item[0]))
    rest = Branch()
    for _, one in order[_CELLS:]:
        rest.size += one.size
        rest.files += one.files
    return order[:_CELLS], rest


def _inside(rect: Rect) -> Rect:
    return Rect(rect.x + 3, rect.y + _HEAD, rect.width - 6, rect.height - _HEAD - 3)


def _cell(found: Place, name: str, full: str, one: Branch, rect: Rect) -> Cell:
    if not name:
        return Cell(f"{one.files} more", one.size, "#list", "rest", rect, "smaller ones")
    if one.branches or one.one is None:
        href = found.to("waste", dir=full)
        return Cell(f"{name}/", one.size, href, "directory", rect, f"{one.files} files")
    is_there = full in found.look.timeline.stack.nodes
    kind = "replaced" if is_there else "deleted"
    by = found.step_of(one.one.hidden_by)
    href = found.to("file", path=full, at=found.step_of(one.one.layer))
    return Cell(name, one.size, href, kind, rect, f"{kind} by instruction {by}")
