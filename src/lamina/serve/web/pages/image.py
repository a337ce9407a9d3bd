"""One image: its instructions, and the tree after one of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from stat import S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFREG, filemode

from lamina.errors import NotFound
from lamina.image.instruction import instruction
from lamina.image.stack import Node
from lamina.image.timeline import Counts, Mark
from lamina.image.view import Image
from lamina.layer.entry import BLOCK, CHAR, DIR, FIFO, FILE, HARDLINK, SYMLINK, Entry
from lamina.serve.web.links import Query, to
from lamina.serve.web.looks import Look
from lamina.serve.web.pages import Desk, Page, cut
from lamina.serve.web.shelf import Sheet
from lamina.values import dataclass

_KINDS = {
    FILE: S_IFREG,
    HARDLINK: S_IFREG,
    DIR: S_IFDIR,
    SYMLINK: S_IFLNK,
    CHAR: S_IFCHR,
    BLOCK: S_IFBLK,
    FIFO: S_IFIFO,
}
_AROUND = 200  # instructions shown before and after the chosen one
_TEXT = 2000  # characters of an instruction


@dataclass(frozen=True, slots=True)
class Step:
    """One instruction."""

    number: int  # 1 is the oldest
    text: str
    layer: int | None  # 1 is the lowest; None if it made none
    digest: str
    stored: int  # bytes
    content: int | None  # bytes of the files in its layer; None where that cannot be known
    created: str | None
    seconds: float | None
    counts: Counts | None
    problem: str


@dataclass(frozen=True, slots=True)
class Line:
    """One name in the tree."""

    path: str
    name: str
    mark: Mark | None
    mode: str
    owner: str
    size: int | None  # bytes; of a directory, of all below it
    link: str
    step: int | None  # the instruction that it is from
    until: int | None  # a later instruction that takes it away or replaces it
    counts: Counts | None  # what the instruction did below a directory
    is_directory: bool


@dataclass(frozen=True, slots=True)
class Place:
    """Which image, and after which instruction."""

    sheet: Sheet
    look: Look
    steps: Sequence[Step]
    at: int  # the instruction
    depth: int  # how many layers lie there then, as far as they can be read
    platform: str
    step_at: Mapping[int, int]  # layer -> instruction

    def to(self, page: str, /, **values: object) -> str:
        """The address of another page of the same image at the same instruction."""
        given = {"ref": self.sheet.reference, "platform": self.platform, "at": self.at, **values}
        return to(page, **given)

    def step_of(self, layer: int | None) -> int | None:
        """The instruction that made a layer."""
        return self.step_at.get(layer) if layer else None


def place(desk: Desk, query: Query) -> Place | Sheet:
    """What the query names; only the sheet if that is no image."""
    platform = query.text("platform")
    sheet = desk.shelf.sheet(query.text("ref"), platform or None)
    if sheet.sight is None:
        return sheet
    look = desk.looks.of(sheet)
    steps = _steps(look, sheet)
    at = query.number("at", len(steps), least=min(1, len(steps)), most=len(steps))
    depth = sum(1 for one in steps[:at] if one.layer is not None)
    step_at = {one.layer: one.number for one in steps if one.layer is not None}
    return Place(sheet, look, steps, at, min(depth, look.timeline.depth), platform, step_at)


def need_place(desk: Desk, query: Query) -> Place:
    """As `place`; raises why it is no image."""
    found = place(desk, query)
    if isinstance(found, Sheet):
        raise found.problem or NotFound(f'"{found.reference}" is no image')
    return found


def image(desk: Desk, query: Query) -> Page:
    """The instructions, and a directory after one of them."""
    found = place(desk, query)
    if isinstance(found, Sheet):
        return Page("document.html", plain(found, query.text("platform")))
    only = query.flag("only")
    with found.look.lock:
        path, is_there = _directory(found, query.text("dir").strip("/") or ".")
        lines = _lines(found, path, only=only)
        moment = found.look.timeline.moment(found.depth)
        total = moment.sizes.get(".", 0)
    rows, part = cut(lines, query)
    values = {
        **about(found, "image"),
        "steps": found.steps[max(0, found.at - _AROUND) : found.at + _AROUND],
        "count": len(found.steps),
        "largest": max((one.stored for one in found.steps), default=0),
        "dir": path,
        "is_there": is_there,
        "crumbs": crumbs(path),
        "lines": rows,
        "part": part,
        "only": only,
        "total": total,
        "broken": found.look.broken,
        "step": found.steps[found.at - 1] if found.steps else None,
    }
    return Page("image.html", values)


def _directory(found: Place, path: str) -> tuple[str, bool]:
    """Where `path` leads, and whether it does so after this instruction and not another only."""
    timeline = found.look.timeline
    try:
        return timeline.resolve(path, found.depth), True
    except NotFound:
        if not timeline.versions(path):
            raise
        return path, False


def about(found: Place, page: str) -> dict[str, object]:
    """What the head of every page of an image shows."""
    image: Image = found.look.image
    return {
        "page": page,
        "place": found,
        "sheet": found.sheet,
        "image": image,
        "at": found.at,
        "platform": found.platform,
    }


def plain(sheet: Sheet, platform: str) -> dict[str, object]:
    """What is shown of what is no image: its first document."""
    from lamina.serve.web.pages.document import pretty

    return {
        "page": "image",
        "place": None,
        "sheet": sheet,
        "platform": platform,
        "document": sheet.documents[0],
        "text": pretty(sheet.documents[0].raw),
    }


def crumbs(path: str) -> list[tuple[str, str]]:
    """The directories down to `path`, as paths and names; without the top."""
    if path == ".":
        return []
    parts = path.split("/")
    return [("/".join(parts[:depth]), parts[depth - 1]) for depth in range(1, len(parts) + 1)]


def mode(entry: Entry) -> str:
    return filemode(_KINDS[entry.type] | entry.mode)


def _steps(look: Look, sheet: Sheet) -> list[Step]:
    found = []
    layer = 0
    effects = look.timeline.effects
    for number, row in enumerate(look.image.rows, 1):
        layer += row.layer is not None
        effect = effects[layer - 1] if row.layer is not None and layer <= len(effects) else None
        text = " ".join((row.history.created_by or row.history.comment).split())
        is_broken = look.broken is not None and row.layer is not None
        found.append(
            Step(
                number=number,
                text=instruction(text)[:_TEXT],
                layer=layer if row.layer is not None else None,
                digest=str(row.layer.descriptor.digest) if row.layer is not None else "",
                stored=row.layer.descriptor.size if row.layer is not None else 0,
                content=effect.content if effect is not None else None,
                created=row.history.created,
                seconds=sheet.seconds.get(row.layer.diff_id) if row.layer is not None else None,
                counts=_counts(look, layer) if effect is not None else None,
                problem=_problem(look, layer) if is_broken else "",
            )
        )
    return found


def _counts(look: Look, layer: int) -> Counts:
    effect = look.timeline.effects[layer - 1]
    return Counts(len(effect.added), len(effect.changed), len(effect.deleted))


def _problem(look: Look, layer: int) -> str:
    assert look.broken is not None
    if layer < look.broken.layer:
        return ""
    return look.broken.error.message if layer == look.broken.layer else "not read: it lies above"


def _lines(found: Place, path: str, *, only: bool) -> list[Line]:
    timeline, depth = found.look.timeline, found.depth
    moment = timeline.moment(depth)
    current = found.steps[found.at - 1] if found.steps else None
    # An instruction without a layer has done nothing to the tree.
    is_own = current is not None and current.layer == depth
    marks: Mapping[str, Mark] = moment.marks if is_own else {}
    counts: Mapping[str, Counts] = moment.counts if is_own else {}
    shown = {**timeline.children(path, depth), **(timeline.removed(path, depth) if is_own else {})}
    lines = [
        _line(one, node, marks.get(one), counts.get(one), moment.sizes, found.step_at)
        for one, node in shown.items()
        if not only or one in marks or one in counts
    ]
    lines.sort(key=lambda line: (not line.is_directory, line.path))
    return lines


def _line(
    path: str,
    node: Node,
    mark: Mark | None,
    counts: Counts | None,
    sizes: Mapping[str, int],
    steps: Mapping[int, int],
) -> Line:
    entry, source = node.entry, node.source.entry
    is_directory = entry.type is DIR
    if is_directory:
        size: int | None = sizes.get(path, 0)
    else:
        size = source.size if source.type is FILE else None
    is_gone = mark in (Mark.DELETED, Mark.HIDDEN)
    return Line(
        path=path,
        name=path.rpartition("/")[2],
        mark=mark,
        mode=mode(source if entry.type is HARDLINK else entry),
        owner=f"{entry.uid}:{entry.gid}",
        size=None if is_gone and is_directory else size,
        link=entry.link,
        step=steps.get(node.layer),
        until=steps.get(node.hidden_by) if node.hidden_by and not is_gone else None,
        counts=counts if is_directory else None,
        is_directory=is_directory,
    )
