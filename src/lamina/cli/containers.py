"""`run`, `create` and the commands of a container's life."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from lamina.cli.command import Args, Command, Flag, Kind
from lamina.cli.run_options import FLAGS, REFUSED
from lamina.errors import Conflict, Error, Invalid, Unavailable

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from typing import BinaryIO

    from lamina.engine import Engine
    from lamina.engine.shipping import Watch, Watched
    from lamina.oci.reference import Reference
    from lamina.run.attach import Detached, View
    from lamina.run.container import Container

_BOOL, _LIST, _NUMBER = Kind.BOOL, Kind.LIST, Kind.NUMBER
DETACH_KEYS = Flag("detach-keys", help='Keys that leave it running (default "ctrl-p,ctrl-q")')
SIG_PROXY = Flag("sig-proxy", kind=_BOOL, help="Hand signals on to the process", default="true")
ENV = Flag("env", "e", _LIST, "Set a variable, or take this shell's", value="name[=value]")
ENV_FILE = Flag("env-file", kind=_LIST, value="file", help="Read variables from a file")
SIGNAL = Flag("signal", "s", help="Signal to send")
TIMEOUT = Flag("timeout", "t", _NUMBER, "Seconds to wait before killing it", value="seconds")
TIME = Flag("time", kind=_NUMBER, hidden=True)  # the older spelling of --timeout


class NotATerminal(Invalid):
    """`-t` was asked for with an input that is none; Docker's status for it is 1."""

    exit_status = 1


def run(args: Args, engine: Engine) -> int:
    from lamina.cli.run_options import read_options
    from lamina.engine import containers
    from lamina.run import lifecycle
    from lamina.run.launcher import Launcher

    detached = args.flag("detach")
    options = read_options(args, attached=not detached, runtime=engine.settings.runtime)
    view = None
    if not detached:
        view = _view(args, interactive=options.interactive, tty=options.tty)
    _refuse_cidfile(args)
    ground = containers.ground_of(engine)
    with Launcher(ground, options) as launcher:
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


def _each(args: Args, engine: Engine, do: Callable[[Container], str | None]) -> int:
    """Do it to every container named, and print the name, or what `do` says; go on after errors."""
    from lamina.cli.failures import report
    from lamina.engine import containers

    status = 0
    for text in args.rest:
        try:
            said = do(containers.find(engine, text))
        except Error as error:
            message, status = report(error, failure=1)
            print(message, file=sys.stderr)
        else:
            print(text if said is None else said)
    return status


def start(args: Args, engine: Engine) -> int:
    from lamina.engine import containers
    from lamina.run import lifecycle

    ground = containers.ground_of(engine)
    if not args.flag("attach") and not args.flag("interactive"):

        def begin(container: Container) -> None:
            lifecycle.start(ground, container, None, started=_tell)

        return _each(args, engine, begin)
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


def _signal(args: Args) -> int | None:
    text = args.text("signal")
    if text is None:
        return None
    from lamina.run.signals import parse_signal

    return parse_signal(text)


def _timeout(args: Args) -> int | None:
    found = args.number("timeout")
    return args.number("time") if found is None else found


def stop(args: Args, engine: Engine) -> int:
    from lamina.engine import containers
    from lamina.run import lifecycle

    ground, number, timeout = containers.ground_of(engine), _signal(args), _timeout(args)
    return _each(
        args, engine, lambda found: lifecycle.stop(ground, found, number=number, timeout=timeout)
    )


STOP = Command(
    run=stop,
    usage="[OPTIONS] CONTAINER [CONTAINER...]",
    flags=(SIGNAL, TIMEOUT, TIME),
    arguments=(1, None),
)


def restart(args: Args, engine: Engine) -> int:
    from lamina.engine import containers
    from lamina.run import lifecycle

    ground, number, timeout = containers.ground_of(engine), _signal(args), _timeout(args)
    return _each(
        args,
        engine,
        lambda found: lifecycle.restart(ground, found, number=number, timeout=timeout),
    )


RESTART = Command(
    run=restart,
    usage="[OPTIONS] CONTAINER [CONTAINER...]",
    flags=(SIGNAL, TIMEOUT, TIME),
    arguments=(1, None),
)


def kill(args: Args, engine: Engine) -> int:
    import signal

    from lamina.engine import containers
    from lamina.run import lifecycle

    ground, number = containers.ground_of(engine), _signal(args)
    number = signal.SIGKILL if number is None else number
    return _each(args, engine, lambda found: lifecycle.kill(ground, found, number))


KILL = Command(
    run=kill, usage="[OPTIONS] CONTAINER [CONTAINER...]", flags=(SIGNAL,), arguments=(1, None)
)


def rm(args: Args, engine: Engine) -> int:
    from lamina.engine import containers
    from lamina.run import lifecycle

    ground, force = containers.ground_of(engine), args.flag("force")
    with_volumes = args.flag("volumes")
    return _each(
        args,
        engine,
        lambda found: lifecycle.discard(ground, found, force=force, with_volumes=with_volumes),
    )


RM = Command(
    run=rm,
    usage="[OPTIONS] CONTAINER [CONTAINER...]",
    flags=(
        Flag("force", "f", _BOOL, "Kill it first if it runs"),
        Flag("volumes", "v", _BOOL, "Remove its anonymous volumes too"),
    ),
    arguments=(1, None),
)


def wait(args: Args, engine: Engine) -> int:
    from lamina.engine import containers
    from lamina.run import lifecycle

    ground = containers.ground_of(engine)
    return _each(args, engine, lambda found: str(lifecycle.wait(ground, found)))


WAIT = Command(run=wait, usage="CONTAINER [CONTAINER...]", arguments=(1, None))


def pause(args: Args, engine: Engine) -> int:
    from lamina.engine import containers
    from lamina.run import lifecycle

    ground = containers.ground_of(engine)
    return _each(args, engine, lambda found: lifecycle.pause(ground, found))


PAUSE = Command(run=pause, usage="CONTAINER [CONTAINER...]", arguments=(1, None))


def unpause(args: Args, engine: Engine) -> int:
    from lamina.engine import containers
    from lamina.run import lifecycle

    ground = containers.ground_of(engine)
    return _each(args, engine, lambda found: lifecycle.unpause(ground, found))


UNPAUSE = Command(run=unpause, usage="CONTAINER [CONTAINER...]", arguments=(1, None))


def rename(args: Args, engine: Engine) -> int:
    from lamina.engine import containers
    from lamina.run import lifecycle

    lifecycle.rename(
        containers.ground_of(engine), containers.find(engine, args.rest[0]), args.rest[1]
    )
    return 0


RENAME = Command(run=rename, usage="CONTAINER NEW_NAME", arguments=(2, 2))


def port(args: Args, engine: Engine) -> int:
    """Nothing is ever published here, so a container has no ports to show, and none to find."""
    from lamina.engine import containers

    container = containers.find(engine, args.rest[0])
    if len(args.rest) > 1:
        raise Invalid(f'no public port "{args.rest[1]}" is published for "{container.name}"')
    return 0


PORT = Command(run=port, usage="CONTAINER [PRIVATE_PORT[/PROTO]]", arguments=(1, 2))


def top(args: Args, engine: Engine) -> int:
    from lamina.cli.table import render
    from lamina.engine import containers
    from lamina.run import lifecycle
    from lamina.run.processes import table

    container = containers.find(engine, args.rest[0])
    state = lifecycle.running(containers.ground_of(engine), container)
    assert state.process is not None
    found = table(state.process, args.rest[1:])
    for line in render([found.titles, *found.rows]):
        print(line)
    return 0


TOP = Command(run=top, usage="CONTAINER [ps OPTIONS]", arguments=(1, None), interspersed=False)


def logs(args: Args, engine: Engine) -> int:
    from lamina.engine import containers
    from lamina.run import output
    from lamina.run.clock import parse_instant
    from lamina.run.logs import parse_tail

    ground = containers.ground_of(engine)
    container = containers.find(engine, args.rest[0])
    now = ground.clock()
    since, until = args.text("since"), args.text("until")
    records = output.records(
        ground,
        container,
        since=parse_instant(since, now=now) if since else None,
        until=parse_instant(until, now=now) if until else None,
        tail=parse_tail(args.text("tail") or "all"),
        follow=args.flag("follow"),
    )
    stamped = args.flag("timestamps")
    streams = {"stdout": sys.stdout.buffer, "stderr": sys.stderr.buffer}
    for record in records:
        out = streams[record.stream]
        out.write(f"{record.time} ".encode() + record.data if stamped else record.data)
        out.flush()
    return 0


LOGS = Command(
    run=logs,
    usage="[OPTIONS] CONTAINER",
    flags=(
        Flag("follow", "f", _BOOL, "Go on as it prints more"),
        Flag("since", value="time", help="From this time on (2026-01-02T13:23:37Z, 42m)"),
        Flag("tail", "n", value="lines", help="This many lines from the end", default="all"),
        Flag("timestamps", "t", _BOOL, "Show the time of each line"),
        Flag("until", value="time", help="Up to this time"),
    ),
    arguments=(1, 1),
)


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


def ps(args: Args, engine: Engine) -> int:
    from lamina.cli.container_list import ps as listing

    return listing(args, engine)


PS = Command(
    run=ps,
    flags=(
        Flag("all", "a", _BOOL, "Show those too that do not run"),
        Flag(
            "filter",
            "f",
            _LIST,
            "Show containers that fit: status=, name=, id=, ancestor=, label=, exited=, …",
            value="filter",
        ),
        Flag("format", help="'table', 'json', a Go template, or 'table' and a template"),
        Flag("last", "n", _NUMBER, "Show the newest few, whatever their state"),
        Flag("latest", "l", _BOOL, "Show the newest, whatever its state"),
        Flag("no-trunc", kind=_BOOL, help="Show everything in full"),
        Flag("quiet", "q", _BOOL, "Show IDs only"),
        Flag("size", "s", _BOOL, "Show sizes"),
    ),
)
