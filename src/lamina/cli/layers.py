"""`layers`: what each layer of an image holds, and the entries of one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

from lamina.cli import units
from lamina.cli.command import Args, Command, Flag, Kind
from lamina.cli.images import NO_TRUNC, PLATFORM, platform_of
from lamina.cli.listing import FORMAT, Listing
from lamina.cli.table import shorten, visible
from lamina.image.instruction import instruction
from lamina.layer import whiteout

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from lamina.cli.template.values import Value
    from lamina.engine import Engine
    from lamina.engine.sight import LayerView
    from lamina.layer.entry import Entry

_LAYERS = Listing(
    {
        "Layer": "LAYER",
        "CreatedBy": "INSTRUCTION",
        "Digest": "DIGEST",
        "DiffID": "DIFF ID",
        "ChainID": "CHAIN ID",
        "MediaType": "MEDIA TYPE",
        "StoredSize": "STORED",
        "PlainSize": "PLAIN",
        "StoredBytes": "STORED BYTES",
        "PlainBytes": "PLAIN BYTES",
        "Added": "ADDED",
        "Changed": "CHANGED",
        "Deleted": "DELETED",
    },
    (
        "Layer",
        "CreatedBy",
        "Digest",
        "DiffID",
        "StoredSize",
        "PlainSize",
        "Added",
        "Changed",
        "Deleted",
    ),
    typed=True,
)
_ENTRIES = Listing(
    {
        name: name.upper()
        for name in (
            "Path",
            "Type",
            "Mode",
            "UID",
            "GID",
            "Size",
            "ModTime",
            "Link",
            "Device",
            "Xattrs",
            "Digest",
            "Deletes",
        )
    },
    ("Mode", "UID", "GID", "Size", "ModTime", "Path"),
    typed=True,
)
_LETTERS = {
    "file": "-",
    "dir": "d",
    "symlink": "l",
    "hardlink": "h",
    "char": "c",
    "block": "b",
    "fifo": "p",
}


def layers(args: Args, engine: Engine) -> int:
    look = engine.analyze(args.rest[0], platform_of(args))
    form = args.text("format")
    if len(args.rest) == 2:
        number = _number(args)
        entries = look.entries(number)
        learn = partial(look.learn_digests, number, entries)
        rows = (entry_row(entry, learn) for entry in entries)
        lines = tar_lines(entries) if form is None else _ENTRIES.lines(rows, form)
    elif args.flag("tree"):
        lines = _tree(look.views(whole=True), args.number("depth") or 2)
    else:
        views = [_row(view, args.flag("no-trunc")) for view in look.views()]
        if form is None or form.startswith("table"):
            views = [_marked(row) for row in views]
        lines = iter(_LAYERS.lines(views, form))
    for line in lines:
        print(line)
    return 0


LAYERS = Command(
    run=layers,
    usage="IMAGE [LAYER]",
    flags=(
        Flag("depth", kind=Kind.NUMBER, value="N", help="How deep --tree goes (2)"),
        FORMAT,
        NO_TRUNC,
        PLATFORM,
        Flag("tree", kind=Kind.BOOL, help="Show which paths each layer adds, changes and deletes"),
    ),
    arguments=(1, 2),
    about="Layers are numbered from the lowest, 1. With a number, the entries of that layer are\n"
    'listed as "tar tv" does, and what deletes files of lower layers is marked.\n'
    "IMAGE may be docker://host/name:tag, oci:DIR or an archive too. Of a registry, a list shows\n"
    "what is known without a download; --tree and a layer's number read what they show.",
)


def _tree(views: Sequence[LayerView], depth: int) -> Iterator[str]:
    """Below each layer the directories that it touches, down to `depth`, with what is in them."""
    for view in views:
        row = _row(view, full=False)
        counts = f"+{row['Added']} ~{row['Changed']} -{row['Deleted']}"
        yield f"{view.number}  {row['CreatedBy']}  {row['PlainSize']}  {counts}"
        sums: dict[str, list[int]] = {}
        effect = view.effect
        assert effect is not None  # every layer was read
        for kind, paths in enumerate((effect.added, effect.changed, effect.deleted)):
            for path in paths:
                parts = path.split("/")
                for length in range(1, min(len(parts), depth) + 1):
                    counted = sums.setdefault("/".join(parts[:length]), [0, 0, 0])
                    counted[kind] += 1
        for path in sorted(sums, key=lambda name: name.split("/")):
            added, changed, deleted = sums[path]
            parts = path.split("/")
            marks = ((added, "+"), (changed, "~"), (deleted, "-"))
            numbers = " ".join(f"{sign}{count}" for count, sign in marks if count)
            yield f"{'   ' * len(parts)}{visible(parts[-1])}  {numbers}"


def _number(args: Args) -> int:
    try:
        return int(args.rest[1], 10)
    except ValueError:
        raise args.misused(f'"{args.rest[1]}" is not the number of a layer') from None


def _row(view: LayerView, full: bool) -> Mapping[str, Value]:
    layer, effect = view.layer, view.effect
    text = layer.history.created_by or layer.history.comment if layer.history else ""
    text = visible(instruction(" ".join(text.split())))
    return {
        "Layer": view.number,
        "CreatedBy": text if full else shorten(text, 45),
        "Digest": str(layer.descriptor.digest) if full else layer.descriptor.digest.short,
        "DiffID": str(layer.diff_id) if full else layer.diff_id.short,
        "ChainID": str(layer.chain_id) if full else layer.chain_id.short,
        "MediaType": layer.descriptor.media_type,
        "StoredSize": units.human_size(layer.descriptor.size, 3),
        "PlainSize": units.human_size(view.sizes.plain, 3) if view.sizes is not None else None,
        "StoredBytes": layer.descriptor.size,
        "PlainBytes": view.sizes.plain if view.sizes is not None else None,
        "Added": len(effect.added) if effect is not None else None,
        "Changed": len(effect.changed) if effect is not None else None,
        "Deleted": len(effect.deleted) if effect is not None else None,
    }


def _marked(row: Mapping[str, Value]) -> Mapping[str, Value]:
    """The row for a table, where "-" stands for what is not known."""
    return {name: "-" if value is None else value for name, value in row.items()}


def entry_row(entry: Entry, learn: Callable[[], None]) -> Mapping[str, Value]:
    """A row of one entry; `learn` gives it, and all of its layer, their files' digests."""

    def digest() -> str:
        if entry.digest is None and entry.type == "file":
            learn()
        return str(entry.digest or "")

    return {
        "Path": entry.path,
        "Type": str(entry.type),
        "Mode": _mode(entry),
        "UID": entry.uid,
        "GID": entry.gid,
        "Size": entry.size,
        "ModTime": _rfc3339(entry.mtime),
        "Link": entry.link,
        "Device": "{}:{}".format(*entry.device) if entry.type in ("char", "block") else "",
        "Xattrs": {name: value.hex() for name, value in sorted(entry.xattrs.items())},
        "Digest": digest,
        "Deletes": deletes(entry.path),
    }


def _rfc3339(nanoseconds: int) -> str:
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{stamp}.{rest:09d}".rstrip("0").rstrip(".") + "Z"


def deletes(path: str) -> str:
    """What a whiteout takes away: a path, or `dir/*` for all below; "" for other entries."""
    parent, slash, name = path.rpartition("/")
    if name == whiteout.OPAQUE:
        return f"{parent}{slash}*"
    hidden = whiteout.hidden(name)
    return f"{parent}{slash}{hidden}" if hidden else ""


def tar_lines(entries: Sequence[Entry]) -> Iterator[str]:
    """As GNU `tar tv` prints them; whoever deletes something says so at the end of its line."""
    width = 19  # of owner and size together; grows as tar's does
    for entry in entries:
        owner = f"{entry.uname or entry.uid}/{entry.gname or entry.gid}"
        device = entry.type in ("char", "block")
        size = "{},{}".format(*entry.device) if device else str(entry.size)
        width = max(width, len(owner) + 1 + len(size))
        stamp = _local_time(entry.mtime)
        tail = f"  (deletes {visible(gone)})" if (gone := deletes(entry.path)) else ""
        padded = size.rjust(width - len(owner) - 1)
        yield f"{_mode(entry)} {owner} {padded} {stamp} {_named(entry)}{tail}"


def _named(entry: Entry) -> str:
    name = visible(entry.path).replace("\\", "\\\\") if "\\" in entry.path else visible(entry.path)
    if entry.type == "dir":
        return f"{name}/"
    if entry.type == "symlink":
        return f"{name} -> {visible(entry.link)}"
    if entry.type == "hardlink":
        return f"{name} link to {visible(entry.link)}"
    return name


def _local_time(nanoseconds: int) -> str:
    try:
        return time.strftime("%Y-%m-%d %H:%M", time.localtime(nanoseconds // 1_000_000_000))
    except (OverflowError, ValueError, OSError):  # a year that the C library does not know
        return f"{nanoseconds // 1_000_000_000:>16}"


def _mode(entry: Entry) -> str:
    mode = entry.mode
    text = _LETTERS[entry.type]
    for shift, special, letter in ((6, 0o4000, "s"), (3, 0o2000, "s"), (0, 0o1000, "t")):
        bits = mode >> shift & 7
        execute = "x" if bits & 1 else "-"
        if mode & special:
            execute = letter if bits & 1 else letter.upper()
        text += ("r" if bits & 4 else "-") + ("w" if bits & 2 else "-") + execute
    return text
