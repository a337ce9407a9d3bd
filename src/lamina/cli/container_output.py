"""The commands that show what a container says, runs and publishes."""

from __future__ import annotations

import sys

from lamina.cli.command import Args, Command, Flag, Kind
from lamina.errors import Invalid

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from lamina.engine import Engine

_BOOL = Kind.BOOL


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
