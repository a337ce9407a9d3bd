"""The commands about the files of a container: what changed, copies in and out, images of them."""

from __future__ import annotations

import sys

from lamina.cli.command import Args, Command, Flag, Kind
from lamina.errors import Invalid

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from typing import BinaryIO

    from lamina.engine import Engine

_BOOL, _LIST = Kind.BOOL, Kind.LIST


def diff(args: Args, engine: Engine) -> int:
    from lamina.engine import containers
    from lamina.run import changes

    container = containers.find(engine, args.rest[0])
    for letter, path in changes.listed(containers.ground_of(engine), container):
        print(letter, path)
    return 0


def commit(args: Args, engine: Engine) -> int:
    from lamina.engine import containers
    from lamina.engine.local import full_name
    from lamina.run.commit import Wish

    name = str(full_name(args.rest[1])) if len(args.rest) > 1 else None
    wish = Wish(
        name=name,
        author=args.text("author") or "",
        message=args.text("message") or "",
        changes=args.texts("change"),
    )
    container = containers.find(engine, args.rest[0])
    print(containers.commit(engine, container, wish, pausing=args.flag("pause")))
    return 0


COMMIT = Command(
    run=commit,
    usage="[OPTIONS] CONTAINER [REPOSITORY[:TAG]]",
    flags=(
        Flag("author", "a", help="Who made it"),
        Flag("change", "c", _LIST, "Apply a Dockerfile instruction", value="instruction"),
        Flag("message", "m", help="What was done"),
        Flag("pause", "p", _BOOL, "Pause it meanwhile", default="true"),
    ),
    arguments=(1, 2),
)


def cp(args: Args, engine: Engine) -> int:
    from lamina.engine import containers
    from lamina.run import copying

    source, target = args.rest
    if source == target == "-":
        raise args.misused("one side must be a container")
    named = [
        text for text in args.rest if text != "-" and containers.split_place(text)[0] is not None
    ]
    if not named:
        raise args.misused('one side must be a container, written "CONTAINER:PATH"')
    if len(named) > 1:
        raise args.misused("copying between containers is not supported")
    if source == "-":
        with containers.place(engine, target) as place:
            copying.receive(place, sys.stdin.buffer)
        return 0
    if target == "-":
        _refuse_terminal("a tar")
        with containers.place(engine, source) as place:
            copying.send(place, sys.stdout.buffer, follow=args.flag("follow-link"))
        return 0
    with containers.place(engine, source) as here, containers.place(engine, target) as there:
        copying.copy(here, there, keep_owner=args.flag("archive"), follow=args.flag("follow-link"))
    return 0


CP = Command(
    run=cp,
    usage="[OPTIONS] CONTAINER:SRC_PATH DEST_PATH|-",
    flags=(
        Flag("archive", "a", _BOOL, "Keep owners"),
        Flag("follow-link", "L", _BOOL, "Copy what a link names"),
        Flag("quiet", "q", _BOOL, "Say nothing (nothing is said anyway)"),
    ),
    arguments=(2, 2),
    about="The other way too: lamina cp SRC_PATH|- CONTAINER:DEST_PATH",
)


def _refuse_terminal(what: str) -> None:
    if sys.stdout.isatty():
        raise Invalid(f"{what} is not written to a terminal", hint="redirect the output to a file")


def export(args: Args, engine: Engine) -> int:
    from lamina.engine import containers

    container = containers.find(engine, args.rest[0])
    path = args.text("output")
    if path:
        with open(path, "wb") as file:
            containers.export(engine, container, file)
        return 0
    _refuse_terminal("a tar")
    out: BinaryIO = sys.stdout.buffer
    containers.export(engine, container, out)
    out.flush()
    return 0


EXPORT = Command(
    run=export,
    usage="[OPTIONS] CONTAINER",
    flags=(Flag("output", "o", value="file", help="Write to a file"),),
    arguments=(1, 1),
)
