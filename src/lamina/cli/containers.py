"""`run`, `create` and the other commands that start something and may look on."""

from __future__ import annotations

import os
import sys

from lamina.cli.command import Args, Command, Flag, Kind
from lamina.cli.each import each
from lamina.cli.run_options import FLAGS, REFUSED
from lamina.errors import Conflict, Error, Invalid, Unavailable

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from lamina.engine import Engine
    from lamina.engine.shipping import Watch, Watched
    from lamina.oci.reference import Reference
    from lamina.run.attach import Detached, View
    from lamina.run.container import Container

_BOOL, _LIST = Kind.BOOL, Kind.LIST
DETACH_KEYS = Flag("detach-keys", help='Keys that leave it running (default "ctrl-p,ctrl-q")')
SIG_PROXY = Flag("sig-proxy", kind=_BOOL, help="Hand signals on to the process", default="true")
ENV = Flag("env", "e", _LIST, "Set a variable, or take this shell's", value="name[=value]")
ENV_FILE = Flag("env-file", kind=_LIST, value="file", help="Read variables from a file")


class NotATerminal(Invalid):
    """`-t` was asked for with an input that is none; Docker's status for it is 1."""

    exit_status = 1


def run(args: Args, engine: Engine) -> int:
    from lamina.cli.run_options import read_options
    from lamina.engine import containers
    from lamina.run.launcher import Launcher

    detached = args.flag("detach")
    options = read_options(args, attached=not detached, runtime=engine.settings.runtime)
    view = None
    if not detached:
        view = _view(args, interactive=options.interactive, tty=options.tty)
    _refuse_cidfile(args)
    ground = containers.ground_of(engine)
    with Launcher(ground, options) as launcher:
        from lamina.run import lifecycle  # while the watcher makes itself ready

        container = containers.create(engine, options, starting=True, watch=_watch(args))
        try:
            _write_cidfile(args, container)
            ending = lifecycle.start(ground, container, view, started=_tell, launcher=launcher)
        except BaseException as error:
            _undo(engine, container, error)
            raise
    if detached:
        print(container.id)
        return 0
    return _status(ending)


def _watch(args: Args) -> Watch:
    """Shows the pull of an image that is not here, in Docker's words."""

    def watch(name: Reference) -> Watched:
        from lamina.cli.shipping import watched

        return watched(args, name)

    return watch


def _undo(engine: Engine, container: Container, error: BaseException) -> None:
    """With `--rm` a container that never ran does not stay; the watcher may have seen to it."""
    from lamina.engine import containers
    from lamina.run import lifecycle

    if container.options.remove and not isinstance(error, KeyboardInterrupt | Unavailable):
        try:
            lifecycle.discard(containers.ground_of(engine), container, force=True)
        except Error:
            return  # the first error is the one to tell


def _tell(notices: list[str]) -> None:
    for notice in notices:
        print(f"lamina: {notice}", file=sys.stderr)


def _status(ending: int | Detached | None) -> int:
    return ending if isinstance(ending, int) else 0


def _view(args: Args, *, interactive: bool, tty: bool) -> View:
    from lamina.run.attach import DETACH_KEYS as USUAL
    from lamina.run.attach import View, parse_detach_keys

    if tty and interactive and not os.isatty(0):
        raise NotATerminal("the input device is not a TTY")
    keys = args.text("detach-keys")
    sys.stdout.flush()
    return View(
        stdin=0 if interactive else None,
        stdout=1,
        stderr=None if tty else 2,
        terminal=tty,
        detach_keys=parse_detach_keys(keys) if keys else USUAL,
        proxy_signals=args.flag("sig-proxy"),
    )


def _refuse_cidfile(args: Args) -> None:
    path = args.text("cidfile")
    if path and os.path.exists(path):
        raise Conflict(
            f'the container ID file "{path}" exists',
            hint="make sure that the other container does not run, and delete the file",
        )


def _write_cidfile(args: Args, container: Container) -> None:
    path = args.text("cidfile")
    if path:
        with open(path, "x", encoding="ascii") as file:
            file.write(container.id)


RUN = Command(
    run=run,
    usage="[OPTIONS] IMAGE [COMMAND] [ARG...]",
    flags=(
        Flag("detach", "d", _BOOL, "Leave it running, and print its ID"),
        DETACH_KEYS,
        SIG_PROXY,
        *FLAGS,
        *REFUSED,
    ),
    arguments=(1, None),
    interspersed=False,
    failure=125,
    about="Without --network it has this host's network, until there is a bridge.",
)


def create(args: Args, engine: Engine) -> int:
    from lamina.cli.run_options import read_options
    from lamina.engine import containers

    _refuse_cidfile(args)
    options = read_options(args, attached=True, runtime=engine.settings.runtime)
    container = containers.create(engine, options, watch=_watch(args))
    _write_cidfile(args, container)
    print(container.id)
    return 0


CREATE = Command(
    run=create,
    usage="[OPTIONS] IMAGE [COMMAND] [ARG...]",
    flags=(*FLAGS, *REFUSED),
    arguments=(1, None),
    interspersed=False,
)


def start(args: Args, engine: Engine) -> int:
    from lamina.engine import containers
    from lamina.run import lifecycle

    ground = containers.ground_of(engine)
    if not args.flag("attach") and not args.flag("interactive"):

        def begin(container: Container) -> None:
            lifecycle.start(ground, container, None, started=_tell)

        return each(args, engine, begin)
    if len(args.rest) > 1:
        raise args.misused("only one container can be started with --attach or --interactive")
    container = containers.find(engine, args.rest[0])
    options = container.options
    view = _view(
        args, interactive=options.interactive and args.flag("interactive"), tty=options.tty
    )
    return _status(lifecycle.start(ground, container, view, started=_tell))


START = Command(
    run=start,
    usage="[OPTIONS] CONTAINER [CONTAINER...]",
    flags=(
        Flag("attach", "a", _BOOL, "Look on, and hand signals on"),
        DETACH_KEYS,
        Flag("interactive", "i", _BOOL, "Attach stdin"),
        Flag("sig-proxy", kind=_BOOL, default="true", hidden=True),
    ),
    arguments=(1, None),
)


def attach(args: Args, engine: Engine) -> int:
    from lamina.engine import containers
    from lamina.run import lifecycle

    container = containers.find(engine, args.rest[0])
    options = container.options
    interactive = options.interactive and not args.flag("no-stdin")
    view = _view(args, interactive=interactive, tty=options.tty)
    return _status(lifecycle.attach(containers.ground_of(engine), container, view))


ATTACH = Command(
    run=attach,
    usage="[OPTIONS] CONTAINER",
    flags=(DETACH_KEYS, Flag("no-stdin", kind=_BOOL, help="Do not attach stdin"), SIG_PROXY),
    arguments=(1, 1),
)


def execute(args: Args, engine: Engine) -> int:
    from lamina.cli.run_options import environment
    from lamina.engine import containers
    from lamina.run.exec import Order
    from lamina.run.exec import execute as room

    container = containers.find(engine, args.rest[0])
    detached = args.flag("detach")
    interactive = args.flag("interactive") and not detached
    order = Order(
        args=args.rest[1:],
        env=environment(args),
        user=args.text("user"),
        workdir=args.text("workdir"),
        interactive=interactive,
        tty=args.flag("tty"),
        privileged=args.flag("privileged"),
    )
    view = None
    if not detached:
        view = _view(args, interactive=interactive, tty=args.flag("tty"))
    return _status(room(containers.ground_of(engine), container, order, view))


EXEC = Command(
    run=execute,
    usage="[OPTIONS] CONTAINER COMMAND [ARG...]",
    flags=(
        Flag("detach", "d", _BOOL, "Leave it running"),
        DETACH_KEYS,
        ENV,
        ENV_FILE,
        Flag("interactive", "i", _BOOL, "Keep stdin open"),
        Flag("privileged", kind=_BOOL, help="Give it every right that this host's root has"),
        Flag("tty", "t", _BOOL, "Give it a terminal"),
        Flag("user", "u", value="user[:group]", help="Who it runs as"),
        Flag("workdir", "w", value="directory", help="Where it starts"),
    ),
    arguments=(2, None),
    interspersed=False,
)
