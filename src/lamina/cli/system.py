"""`df`, `prune` in all its spellings, `info` and `version`."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from lamina.cli import units
from lamina.cli.command import Args, Command, Flag, Kind
from lamina.cli.image_filters import Test, label_test, pairs, until_test
from lamina.cli.images import familiar
from lamina.cli.listing import FORMAT, Listing
from lamina.errors import Denied

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from lamina.cli.template.values import Value
    from lamina.engine import Engine
    from lamina.engine.local import Local
    from lamina.engine.space import Pruned

_DF = Listing(
    {
        "Type": "TYPE",
        "TotalCount": "TOTAL",
        "Active": "ACTIVE",
        "Size": "SIZE",
        "Reclaimable": "RECLAIMABLE",
    },
    ("Type", "TotalCount", "Active", "Size", "Reclaimable"),
)
_ALL = Flag("all", "a", Kind.BOOL, "Remove all that no container uses, named or not")
_FORCE = Flag("force", "f", Kind.BOOL, "Do not ask")
_FILTER = Flag("filter", kind=Kind.LIST, help="Only what fits: until=, label=", value="filter")


def df(args: Args, engine: Engine) -> int:
    rows: list[Mapping[str, Value]] = [
        {
            "Type": row.kind,
            "TotalCount": str(row.total),
            "Active": str(row.active),
            "Size": units.human_size(row.size),
            "Reclaimable": _share(row.reclaimable, row.size),
        }
        for row in engine.usage()
    ]
    for line in _DF.lines(rows, args.text("format")):
        print(line)
    return 0


def _share(part: int, whole: int) -> str:
    percent = f" ({100 * part // whole}%)" if whole else ""
    return units.human_size(part) + percent


DF = Command(run=df, flags=(FORMAT,))


def agreed(args: Args, warning: str) -> bool:
    """Whether the user says yes; with --force without asking. Denied where nobody can answer."""
    if args.flag("force"):
        return True
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise Denied("nobody can be asked whether to go on", hint="use --force to go on unasked")
    print(f"WARNING! {warning}\nAre you sure you want to continue? [y/N] ", end="", file=sys.stderr)
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _image_test(args: Args) -> Test:
    tests: list[Test] = []
    for key, values in pairs(args, ("until", "label", "label!")).items():
        if key == "until":
            tests += [until_test(value) for value in values]
        else:
            tests += [label_test(value, negated=key == "label!") for value in values]

    def test(image: Local) -> bool:
        return all(one(image) for one in tests)

    return test


def _unused(args: Args) -> int | None:
    """How long ago the filter `until` says that things were last used, in nanoseconds."""
    values = pairs(args, ("until",)).get("until")
    if not values:
        return None
    now = datetime.now(UTC)
    return int((now - units.parse_moment(values[-1], now)).total_seconds() * 1_000_000_000)


def show(pruned: Pruned) -> None:
    """What was taken away, as Docker lists it."""
    sections: list[tuple[str, Sequence[str]]] = [
        ("Deleted Containers:", pruned.containers),
        (
            "Deleted Images:",
            [
                *(f"untagged: {familiar(name)}" for name in pruned.untagged),
                *(f"deleted: {id}" for id in pruned.images),
            ],
        ),
        ("Deleted build cache objects:", [key.rpartition(":")[2][:25] for key in pruned.cache]),
    ]
    for title, lines in sections:
        if lines:
            print("\n".join([title, *lines, ""]))
    print(f"Total reclaimed space: {units.human_size(pruned.reclaimed)}")


def prune(args: Args, engine: Engine) -> int:
    every = args.flag("all")
    images = "all images that no container uses" if every else "all images without a name"
    lines = ["all stopped containers", images, "all build cache" if every else "unused build cache"]
    warning = "This will remove:\n" + "\n".join(f"  - {line}" for line in lines) + "\n"
    if not agreed(args, warning):
        return 0
    test = _image_test(args)
    show(
        engine.prune(
            containers=True,
            images=test,
            cache=True,
            volumes=args.flag("volumes"),
            every=every,
        )
    )
    return 0


PRUNE = Command(
    run=prune,
    flags=(
        _ALL,
        _FILTER,
        _FORCE,
        Flag("volumes", kind=Kind.BOOL, help="Remove volumes without a name too"),
    ),
)


def prune_images(args: Args, engine: Engine) -> int:
    every = args.flag("all")
    what = "no container uses" if every else "have no name"
    if not agreed(args, f"This will remove all images that {what}."):
        return 0
    show(engine.prune(images=_image_test(args), every=every))
    return 0


IMAGE_PRUNE = Command(run=prune_images, flags=(_ALL, _FILTER, _FORCE))


def prune_cache(args: Args, engine: Engine) -> int:
    every = args.flag("all")
    what = "all build cache" if every else "all build cache that no image has"
    if not agreed(args, f"This will remove {what}."):
        return 0
    show(engine.prune(cache=True, every=every, unused_ns=_unused(args)))
    return 0


BUILDER_PRUNE = Command(
    run=prune_cache,
    flags=(
        Flag("all", "a", Kind.BOOL, "Remove what images share, and cache mounts, too"),
        _FILTER,
        _FORCE,
    ),
)


def prune_containers(args: Args, engine: Engine) -> int:
    if not agreed(args, "This will remove all stopped containers."):
        return 0
    show(engine.prune(containers=True))
    return 0


CONTAINER_PRUNE = Command(run=prune_containers, flags=(_FORCE,))


def info(args: Args, engine: Engine) -> int:
    facts = engine.facts()
    form = args.text("format")
    if form == "json":
        from lamina.cli.template.values import to_json

        print(to_json(facts))
    elif form:
        from lamina.cli.template.evaluate import execute
        from lamina.cli.template.syntax import parse

        print(execute(parse(form), facts))
    else:
        for name, value in facts.items():
            print(f"{name}: {value}")
    return 0


INFO = Command(run=info, flags=(Flag("format", "f", help="'json' or a Go template"),))


def version(args: Args, engine: Engine) -> int:
    import platform

    from lamina.cli.main import VERSION
    from lamina.oci import platform as platforms

    facts: dict[str, Value] = {
        "Version": VERSION,
        "Python": platform.python_version(),
        "Os": platforms.default().os,
        "Arch": platforms.default().architecture,
        "Kernel": platform.release(),
    }
    form = args.text("format")
    if form == "json":
        from lamina.cli.template.values import to_json

        print(to_json(facts))
    elif form:
        from lamina.cli.template.evaluate import execute
        from lamina.cli.template.syntax import parse

        print(execute(parse(form), facts))
    else:
        print("Lamina")
        for name, value in facts.items():
            print(f" {name + ':':<18}{value}")
    return 0


VERSION = Command(run=version, flags=(Flag("format", "f", help="'json' or a Go template"),))
