"""The commands that end containers, hold them up, wait for them and name them."""

from __future__ import annotations

from lamina.cli.command import Args, Command, Flag, Kind
from lamina.cli.each import each

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from lamina.engine import Engine

_BOOL, _NUMBER = Kind.BOOL, Kind.NUMBER
SIGNAL = Flag("signal", "s", help="Signal to send")
TIMEOUT = Flag("timeout", "t", _NUMBER, "Seconds to wait before killing it", value="seconds")
TIME = Flag("time", kind=_NUMBER, hidden=True)  # the older spelling of --timeout


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
    return each(
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
    return each(
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
    return each(args, engine, lambda found: lifecycle.kill(ground, found, number))


KILL = Command(
    run=kill, usage="[OPTIONS] CONTAINER [CONTAINER...]", flags=(SIGNAL,), arguments=(1, None)
)


def rm(args: Args, engine: Engine) -> int:
    from lamina.engine import containers
    from lamina.run import lifecycle

    ground, force = containers.ground_of(engine), args.flag("force")
    with_volumes = args.flag("volumes")
    return each(
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
    return each(args, engine, lambda found: str(lifecycle.wait(ground, found)))


WAIT = Command(run=wait, usage="CONTAINER [CONTAINER...]", arguments=(1, None))


def pause(args: Args, engine: Engine) -> int:
    from lamina.engine import containers
    from lamina.run import lifecycle

    ground = containers.ground_of(engine)
    return each(args, engine, lambda found: lifecycle.pause(ground, found))


PAUSE = Command(run=pause, usage="CONTAINER [CONTAINER...]", arguments=(1, None))


def unpause(args: Args, engine: Engine) -> int:
    from lamina.engine import containers
    from lamina.run import lifecycle

    ground = containers.ground_of(engine)
    return each(args, engine, lambda found: lifecycle.unpause(ground, found))


UNPAUSE = Command(run=unpause, usage="CONTAINER [CONTAINER...]", arguments=(1, None))


def rename(args: Args, engine: Engine) -> int:
    from lamina.engine import containers
    from lamina.run import lifecycle

    lifecycle.rename(
        containers.ground_of(engine), containers.find(engine, args.rest[0]), args.rest[1]
    )
    return 0


RENAME = Command(run=rename, usage="CONTAINER NEW_NAME", arguments=(2, 2))
