"""Files of an image by their names, over all its layers."""

from __future__ import annotations

import re
from collections.abc import Callable, Set
from fnmatch import translate

from lamina.image.stack import Node
from lamina.layer.entry import DIR, FILE, HARDLINK
from lamina.serve.request import BadRequest
from lamina.serve.web.links import Query, visible
from lamina.serve.web.pages import Desk, Page, cut
from lamina.serve.web.pages.image import Place, about, mode, need_place
from lamina.values import dataclass

_FOUND = 5000  # names, and then no more are looked for
_LONGEST = 200  # characters of what is looked for


@dataclass(frozen=True, slots=True)
class Found:
    """What stands, or once stood, at a path."""

    path: str
    is_directory: bool
    mode: str
    size: int | None  # bytes of a file
    layer: int
    step: int | None  # the instruction that it is from
    state: str  # "there", "replaced" or "deleted"
    until: int | None  # the instruction that took it away


def find(desk: Desk, query: Query) -> Page:
    """The form, and what fits, in the order of paths."""
    found = need_place(desk, query)
    text = query.text("q").strip()
    nodes: list[Node] = []
    if text:
        with found.look.lock:
            nodes = found.look.timeline.search(wanted(text), limit=_FOUND + 1)
    is_cut = len(nodes) > _FOUND
    nodes = sorted(nodes[:_FOUND], key=lambda node: (node.entry.path, node.layer))
    begun = {(node.entry.path, node.layer) for node in nodes}
    rows, part = cut(nodes, query)
    values = {
        **about(found, "find"),
        "q": text,
        "lines": [_row(found, node, begun) for node in rows],
        "part": part,
        "is_cut": is_cut,
        "broken": found.look.broken,
    }
    return Page("find.html", values)


def wanted(text: str) -> Callable[[str], bool]:
    """Whether a path fits, as it is shown on pages; the case of letters does not count.

    A pattern with `*`, `?` or `[` is of the whole path if it has a "/", else of the name;
    other text is a part of the path.
    """
    if len(text) > _LONGEST:
        raise BadRequest(f"what is looked for is longer than {_LONGEST} characters")
    text = visible(text).lower()
    if not any(one in text for one in "*?["):
        part = text.removeprefix("/") if text != "/" else text
        return lambda path: part in visible(path).lower()
    pattern = re.compile(translate(text.removeprefix("/")))
    if "/" in text:
        return lambda path: pattern.match(visible(path).lower()) is not None
    return lambda path: pattern.match(visible(path.rpartition("/")[2]).lower()) is not None


def _row(place: Place, node: Node, begun: Set[tuple[str, int]]) -> Found:
    entry, source = node.entry, node.source.entry
    state = "there"
    if node.hidden_by is not None:
        state = "replaced" if (entry.path, node.hidden_by) in begun else "deleted"
    return Found(
        path=entry.path,
        is_directory=entry.type is DIR,
        mode=mode(source if entry.type is HARDLINK else entry),
        size=source.size if source.type is FILE else None,
        layer=node.layer,
        step=place.step_of(node.layer),
        state=state,
        until=place.step_of(node.hidden_by),
    )
