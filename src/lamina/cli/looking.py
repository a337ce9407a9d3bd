"""`ls`, `cat`, `blame`, `waste`, and `diff` of two images: what is inside, without unpacking."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

from lamina.cli import units
from lamina.cli.command import Args, Command, Flag, Kind
from lamina.cli.images import NO_TRUNC, PLATFORM, platform_of
from lamina.cli.layers import entry_row, tar_lines
from lamina.cli.listing import FORMAT, Listing
from lamina.cli.table import shorten, visible
from lamina.errors import Invalid, NotFound
from lamina.image.instruction import instruction
from lamina.values import replace

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from lamina.analysis import Difference, Step, Unseen
    from lamina.analysis.budget import Budget
    from lamina.build.report import StepReport
    from lamina.cli.template.values import Value
    from lamina.engine import Engine
    from lamina.engine.sight import Sight
    from lamina.image.stack import Node
    from lamina.layer.entry import Entry

_FILES = Listing(
    {
        "Mode": "MODE",
        "UID": "UID",
        "GID": "GID",
        "Size": "SIZE",
        "ModTime": "MODIFIED",
        "Layer": "LAYER",
        "Path": "PATH",
        "Type": "TYPE",
        "Link": "LINK",
        "Digest": "DIGEST",
        "Device": "DEVICE",
        "Xattrs": "XATTRS",
    },
    ("Mode", "UID", "GID", "Size", "ModTime", "Layer", "Path"),
    typed=True,
)


def _sight(args: Args, engine: Engine, text: str) -> Sight:
    return engine.analyze(text, platform_of(args))


def _place(args: Args) -> tuple[str, str]:
    """The image and the path that the arguments name, together or one after the other."""
    from lamina.engine.sight import split

    if len(args.rest) == 2:
        return args.rest[0], args.rest[1]
    return split(args.rest[0])


def _made_by(look: Sight, layer: int) -> str:
    """The instruction that made a layer; 1 is the lowest."""
    history = look.image.layers[layer - 1].history
    text = history.created_by or history.comment if history else ""
    return visible(instruction(" ".join(text.split())))


def ls(args: Args, engine: Engine) -> int:
    image, path = _place(args)
    look = _sight(args, engine, image)
    layer = args.number("layer")
    form = args.text("format")
    if layer is not None:
        at = path.strip("/")
        entries = [
            entry
            for entry in look.entries(layer)
            if not at or entry.path == at or entry.path.startswith(f"{at}/")
        ]
        lines = (
            tar_lines(entries)
            if form is None
            else _FILES.lines((_row(look, entry, layer) for entry in entries), form)
        )
    else:
        paths = _listed(look, path, deep=args.flag("recursive"))
        rows = [_file_row(look, look.stack.nodes[found]) for found in paths]
        lines = iter(_FILES.lines(rows, form))
    for line in lines:
        print(line)
    return 0


def _listed(look: Sight, path: str, *, deep: bool) -> list[str]:
    """The paths that `ls` of `path` shows."""
    stack = look.stack
    at = stack.resolve(path)
    node = stack.nodes.get(at)
    if node is not None and node.entry.type != "dir":
        return [at]
    return list(stack.below(at)) if deep else stack.children(at)


def _row(look: Sight, entry: Entry, layer: int) -> dict[str, Value]:
    return {**entry_row(entry, lambda: look.learn_digests(layer)), "Layer": layer}


def _file_row(look: Sight, node: Node) -> Mapping[str, Value]:
    row = _row(look, node.source.entry, node.layer)
    name = visible(node.entry.path)
    row["Path"] = f"{name} -> {visible(node.entry.link)}" if node.entry.type == "symlink" else name
    row["Type"] = str(node.entry.type)
    return row


LS = Command(
    run=ls,
    usage="IMAGE[:PATH] [PATH]",
    flags=(
        FORMAT,
        Flag("layer", kind=Kind.NUMBER, value="N", help="Only what this layer's tar holds"),
        PLATFORM,
        Flag("recursive", "R", Kind.BOOL, "List what is below directories too"),
    ),
    arguments=(1, 2),
    about="Lists a directory of the image's finished tree, with the layer that each name is from.\n"
    "IMAGE may be docker://host/name:tag, oci:DIR or an archive too, as copy spells them.",
)


def cat(args: Args, engine: Engine) -> int:
    image, path = _place(args)
    look = _sight(args, engine, image)
    out = sys.stdout.buffer
    for piece in look.read(look.find(path)):
        out.write(piece)
    out.flush()
    return 0


CAT = Command(
    run=cat,
    usage="IMAGE:PATH",
    flags=(PLATFORM,),
    arguments=(1, 2),
    about="Writes a file of the image's finished tree; links are followed within the image.",
)

_BLAME = Listing(
    {
        "Layer": "LAYER",
        "What": "WHAT",
        "Size": "SIZE",
        "Mode": "MODE",
        "Cause": "CAUSE",
        "Line": "LINE",
        "Seconds": "SECONDS",
        "CreatedBy": "INSTRUCTION",
        "Digest": "DIGEST",
    },
    ("Layer", "What", "Size", "Mode", "Line", "Seconds", "CreatedBy"),
    typed=True,
)


def blame(args: Args, engine: Engine) -> int:
    image, path = _place(args)
    look = _sight(args, engine, image)
    steps = look.blame(path)
    if not steps:
        raise NotFound(f'no layer has "{path}"', hint=f'"lamina ls {image}" lists what is there')
    full = args.flag("no-trunc")
    built = _built(engine, look)
    rows = [_blame_row(look, step, built, full=full) for step in steps]
    for line in _BLAME.lines(rows, args.text("format")):
        print(line)
    return 0


def _built(engine: Engine, look: Sight) -> dict[str, StepReport]:
    """What is known of the building of the image's layers, if it was here, by diff ID."""
    from lamina.build import report

    found = report.find(engine.store, str(look.image.id))
    return {step.layer: step for step in found.steps if step.layer} if found is not None else {}


def _blame_row(
    look: Sight, step: Step, built: Mapping[str, StepReport], *, full: bool
) -> Mapping[str, Value]:
    entry = step.entry
    made = built.get(str(look.image.layers[step.layer - 1].diff_id))
    seconds = made.seconds if made is not None else None
    text = _made_by(look, step.layer)
    row = _row(look, entry, step.layer) if entry is not None else {}
    return {
        "Layer": step.layer,
        "What": str(step.what),
        "Size": units.human_size(entry.size, 3) if entry is not None else "-",
        "Mode": row.get("Mode", "-"),
        "Cause": visible(step.cause),
        "Line": made.line if made is not None and made.line else "-",
        "Seconds": "-" if seconds is None else f"{seconds:.1f}",
        "CreatedBy": text if full else shorten(text, 60),
        "Digest": row.get("Digest", ""),
    }


BLAME = Command(
    run=blame,
    usage="IMAGE PATH",
    flags=(FORMAT, NO_TRUNC, PLATFORM),
    arguments=(1, 2),
    about="Says which layers brought, changed, deleted or hid a path, the lowest first.",
)

_UNSEEN = Listing(
    {"Size": "SIZE", "Bytes": "BYTES", "Layer": "LAYER", "HiddenBy": "HIDDEN BY", "Path": "PATH"},
    ("Size", "Layer", "HiddenBy", "Path"),
    typed=True,
)
_CI_CONFIG = ".dive-ci"
_CI_LIMIT = 2 << 20  # characters that are read of one
_SHOWN = 20  # files, unless all are asked for


def waste(args: Args, engine: Engine) -> int:
    budget = _budget(args)
    look = _sight(args, engine, args.rest[0])
    found = look.waste
    form = args.text("format")
    shown = found.unseen if args.flag("all") or form else found.unseen[:_SHOWN]
    if form is None:
        print(f"Written: {units.human_size(found.written, 3)} in {len(look.layers)} layers")
        percent = f"{found.efficiency:.2%}"
        print(f"Never seen: {units.human_size(found.wasted, 3)} (efficiency {percent})")
        hiders = found.by_hider()
        for layer, size in hiders.items():
            text = shorten(_made_by(look, layer), 60)
            print(f"  layer {layer} hides {units.human_size(size, 3)}: {text}")
        if shown:
            print()
    if shown or form:
        for line in _UNSEEN.lines(map(_unseen_row, shown), form):
            print(line)
    if form is None and len(shown) < len(found.unseen):
        print(f"… and {len(found.unseen) - len(shown)} more: --all shows them")
    broken = list(budget.broken(found, look.stack))
    for line in broken:
        print(f"lamina: {line}", file=sys.stderr)
    return int(bool(broken))


def _budget(args: Args) -> Budget:
    """What may be wasted: by a `.dive-ci`, and by --fail-under before it."""
    from lamina.analysis.budget import Budget, parse

    least, path = args.text("fail-under"), args.text("ci-config")
    if path is None and os.path.isfile(_CI_CONFIG):
        path = _CI_CONFIG
    found = Budget(None, None, None)
    if path is not None:
        try:
            with open(path, encoding="utf-8") as file:
                found = parse(file.read(_CI_LIMIT), path)
        except OSError as error:
            raise NotFound(f'cannot read "{path}": {error.strerror}') from None
        except UnicodeDecodeError:
            raise Invalid(f'"{path}" is no text') from None
    if least is not None:
        found = replace(found, efficiency=_percent(args, least) / 100)
    return found


def _percent(args: Args, text: str) -> float:
    try:
        value = float(text.removesuffix("%"))
    except ValueError:
        value = -1
    if not 0 <= value <= 100:
        raise args.refuse("fail-under", "expected a number of percent")
    return value


def _unseen_row(one: Unseen) -> Mapping[str, Value]:
    return {
        "Size": units.human_size(one.size, 3),
        "Bytes": one.size,
        "Layer": one.layer,
        "HiddenBy": one.hidden_by,
        "Path": visible(one.path),
    }


WASTE = Command(
    run=waste,
    usage="IMAGE",
    flags=(
        Flag("all", "a", Kind.BOOL, "Show every file, and not only the largest"),
        Flag(
            "ci-config",
            value="file",
            help='Rules in dive\'s form; exit with 1 if one is broken (default ".dive-ci" here)',
        ),
        Flag("fail-under", value="percent", help="Exit with 1 if the efficiency is less"),
        FORMAT,
        PLATFORM,
    ),
    arguments=(1, 1),
    about="Files that one layer brings and a later one deletes or replaces: everyone pulls them,\n"
    "and nobody sees them. Efficiency is the share of the bytes that is seen.",
)

_LETTERS = {"added": "A", "removed": "D", "changed": "C"}


def diff(args: Args, engine: Engine) -> int:
    if len(args.rest) == 1:
        from lamina.cli import container_files

        return container_files.diff(args, engine)
    one, two = (_sight(args, engine, text) for text in args.rest)
    kinds = args.texts("type") or ("file", "config", "package")
    for kind in kinds:
        if kind not in ("file", "config", "package"):
            raise args.refuse("type", "expected file, config or package")
    found = False
    for kind, title, show in (
        ("config", "Config", _diff_settings),
        ("package", "Packages", _diff_packages),
        ("file", "Files", _diff_files),
    ):
        lines = show(one, two) if kind in kinds else []
        if lines:
            print(*[""] if found else [], f"{title}:", *lines, sep="\n")
            found = True
    return int(found)


def _diff_settings(one: Sight, two: Sight) -> list[str]:
    lines = []
    for setting in one.compare_settings(two):
        if setting.before is not None:
            lines.append(f"- {setting.name}: {visible(setting.before)}")
        if setting.after is not None:
            lines.append(f"+ {setting.name}: {visible(setting.after)}")
    return lines


def _diff_packages(one: Sight, two: Sight) -> list[str]:
    old, new = (
        {(found.kind, found.name): found.version for found in look.packages} for look in (one, two)
    )
    lines = []
    for key in sorted(old.keys() | new.keys()):
        kind, name = map(visible, key)
        before, after = old.get(key), new.get(key)
        if before is None:
            lines.append(f"+ {kind} {name} {visible(after or '')}")
        elif after is None:
            lines.append(f"- {kind} {name} {visible(before)}")
        elif before != after:
            lines.append(f"~ {kind} {name} {visible(before)} -> {visible(after)}")
    return lines


def _diff_files(one: Sight, two: Sight) -> list[str]:
    return [_difference(found) for found in one.compare(two)]


def _difference(found: Difference) -> str:
    parts = f" ({', '.join(found.parts)})" if found.parts else ""
    growth = f" {'+' if found.growth > 0 else '-'}{units.human_size(abs(found.growth), 3)}"
    return f"{_LETTERS[found.change]} /{visible(found.path)}{parts}{growth if found.growth else ''}"


DIFF = Command(
    run=diff,
    usage="CONTAINER | IMAGE IMAGE",
    flags=(
        PLATFORM,
        Flag("type", kind=Kind.LIST, value="kind", help="Of images: file, config, package"),
    ),
    arguments=(1, 2),
    about="Of a container, what it changed in its files. Of two images, in what config, packages\n"
    "and files the second differs from the first; the exit status is 1 if it does.",
)
