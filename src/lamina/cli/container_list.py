"""`ps`: containers in Docker's columns, filtered as Docker filters them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from lamina.cli import units
from lamina.cli.command import Args, Command, Flag, Kind
from lamina.cli.listing import Listing, configured
from lamina.cli.table import shorten, visible
from lamina.errors import NotFound
from lamina.late import json, re
from lamina.run.state import State, Status

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from lamina.cli.template.values import Value
    from lamina.engine import Engine
    from lamina.run.container import Container

Pair = tuple["Container", State]
Test = Callable[["Container", State], bool]

_HEADERS = {
    "ID": "CONTAINER ID",
    "Image": "IMAGE",
    "Command": "COMMAND",
    "CreatedAt": "CREATED AT",
    "RunningFor": "CREATED",
    "Status": "STATUS",
    "Ports": "PORTS",
    "Names": "NAMES",
    "Size": "SIZE",
    "State": "STATE",
    "HealthStatus": "HEALTH",
    "Labels": "LABELS",
    "LocalVolumes": "LOCAL VOLUMES",
    "Mounts": "MOUNTS",
    "Networks": "NETWORKS",
    "Platform": "PLATFORM",
}
_COLUMNS = ("ID", "Image", "Command", "RunningFor", "Status", "Ports", "Names")
_STATES = ("created", "restarting", "running", "removing", "paused", "exited", "dead")
_KEYS = (
    "ancestor",
    "before",
    "exited",
    "health",
    "id",
    "label",
    "name",
    "network",
    "since",
    "status",
    "volume",
)


def ps(args: Args, engine: Engine) -> int:
    from lamina.engine import containers

    found = containers.listing(engine)
    keep = wanted(args, found)
    found = [pair for pair in found if keep(*pair)]
    if args.flag("latest"):
        found = found[:1]
    elif (args.number("last") or -1) >= 0 and args.given("last"):
        found = found[: args.number("last")]
    full = args.flag("no-trunc")
    form = args.text("format")
    if args.flag("quiet") and form is None:
        for container, _ in found:
            print(container.id if full else container.short_id)
        return 0
    if form is None:
        form = configured(os.environ, "psFormat")
    columns = (*_COLUMNS, "Size") if args.flag("size") else _COLUMNS
    now = time.time_ns()
    rows = [row(engine, container, state, now, full=full) for container, state in found]
    for line in Listing(_HEADERS, columns).lines(rows, form):
        print(line)
    return 0


def row(
    engine: Engine, container: Container, state: State, now: int, *, full: bool
) -> Mapping[str, Value]:
    """The placeholders of one container."""
    from lamina.run.mounts import MountKind

    command = visible(" ".join(container.args))
    mounts = [mount.name or mount.source or mount.target for mount in container.mounts]
    volumes = sum(mount.kind is MountKind.VOLUME for mount in container.mounts)
    labels = dict(container.labels)
    values: dict[str, Value] = {
        "ID": container.id if full else container.short_id,
        "Image": _image(container, full=full),
        "Command": json.dumps(command if full else shorten(command, 20), ensure_ascii=False),
        "CreatedAt": units.go_time(_local(container.created)),
        "RunningFor": f"{_ago(container.created, now)} ago",
        "Status": status_text(state, now),
        "Ports": "",
        "Names": container.name,
        "Size": lambda: _size(engine, container),
        "State": state.status.value,
        "HealthStatus": "none",
        "Labels": ",".join(f"{key}={value}" for key, value in sorted(labels.items())),
        "LocalVolumes": str(volumes),
        "Mounts": ",".join(each if full else shorten(each, 15) for each in mounts),
        "Networks": container.options.network,
        "Platform": container.platform,
        "Label": lambda name: labels.get(name, ""),
    }
    return values


def status_text(state: State, now: int) -> str:
    """Docker's words: "Up 2 minutes", "Exited (0) 3 hours ago"."""
    if state.is_running:
        paused = " (Paused)" if state.status is Status.PAUSED else ""
        return f"Up {_ago(state.started or now, now)}{paused}"
    match state.status:
        case Status.CREATED | Status.CREATING:
            return "Created"
        case Status.REMOVING:
            return "Removal In Progress"
        case Status.DEAD:
            return "Dead"
    return f"Exited ({state.exit_code}) {_ago(state.finished or now, now)} ago"


def _ago(then: int, now: int) -> str:
    return units.human_duration((now - then) / 1e9)


def _local(instant: int) -> datetime:
    return datetime.fromtimestamp(instant // 1_000_000_000, UTC).astimezone()


def _image(container: Container, *, full: bool) -> str:
    """As it was asked for; an ID in the length that IDs have here."""
    name = container.options.image
    encoded = container.image_id.encoded
    if encoded.startswith(name.removeprefix("sha256:")):
        return str(container.image_id) if full else encoded[:12]
    return name


def _size(engine: Engine, container: Container) -> str:
    from lamina.engine import containers

    sizes = containers.sizes(engine, container)
    whole = units.human_size(sizes.own + sizes.image, 3)
    return f"{units.human_size(sizes.own, 3)} (virtual {whole})"


def wanted(args: Args, found: Sequence[Pair]) -> Test:
    """The test of --filter and --all: keys must all fit, of one key's values any."""
    from lamina.cli.image_filters import pairs

    asked = pairs(args, _KEYS)
    tests: list[Test] = []
    for key, values in asked.items():
        if key == "label":
            tests += [_label(value) for value in values]
        else:
            options = [_test(args, key, value, found) for value in values]
            tests.append(_any(options))
    everything = args.flag("all") or args.flag("latest") or args.given("last")
    if not everything and not {"status", "exited"} & asked.keys():
        tests.append(lambda container, state: state.is_running)
    return lambda container, state: all(test(container, state) for test in tests)


def _any(tests: Sequence[Test]) -> Test:
    return lambda container, state: any(test(container, state) for test in tests)


def _label(text: str) -> Test:
    key, equals, value = text.partition("=")
    if equals:
        return lambda container, state: container.labels.get(key) == value
    return lambda container, state: key in container.labels


def _test(args: Args, key: str, value: str, found: Sequence[Pair]) -> Test:
    match key:
        case "status":
            if value not in _STATES:
                raise args.misused(f'invalid filter "status={value}": one of {", ".join(_STATES)}')
            return lambda container, state: state.status.value == value
        case "exited":
            if not value.lstrip("-").isdigit():
                raise args.misused(f'invalid filter "exited={value}": expected a number')
            return lambda c, s: s.status is Status.EXITED and s.exit_code == int(value)
        case "health":
            return lambda container, state: value == "none"
        case "id":
            return lambda container, state: container.id.startswith(value)
        case "name":
            return _name(args, value)
        case "network":
            return lambda container, state: container.options.network == value
        case "volume":
            return lambda container, state: any(
                value in (mount.name, mount.target) for mount in container.mounts
            )
        case "ancestor":
            return _ancestor(value)
    return _beside(key, value, found)


def _name(args: Args, value: str) -> Test:
    try:
        pattern = re.compile(value)
    except re.error as error:
        raise args.misused(f'invalid filter "name={value}": {error}') from None
    return lambda container, state: bool(
        pattern.search(container.name) or pattern.search(f"/{container.name}")
    )


def _ancestor(value: str) -> Test:
    """The image by its name as asked for, with or without a tag, or by its ID."""
    bare = value.removeprefix("sha256:")
    is_id = len(bare) >= 4 and all(c in "0123456789abcdef" for c in bare)

    def test(container: Container, state: State) -> bool:
        name = container.options.image
        if value in (name, name.removesuffix(":latest")) or value == f"{name}:latest":
            return True
        return is_id and any(
            digest.encoded.startswith(bare) for digest in (container.image_id, container.manifest)
        )

    return test


def _beside(key: str, value: str, found: Sequence[Pair]) -> Test:
    for container, _ in found:
        if value == container.name or (value and container.id.startswith(value)):
            then = container.created
            if key == "before":
                return lambda container, state: container.created < then
            return lambda container, state: container.created > then
    raise NotFound(f'no such container "{value}"')


PS = Command(
    run=ps,
    flags=(
        Flag("all", "a", Kind.BOOL, "Show those too that do not run"),
        Flag(
            "filter",
            "f",
            Kind.LIST,
            "Show containers that fit: status=, name=, id=, ancestor=, label=, exited=, …",
            value="filter",
        ),
        Flag("format", help="'table', 'json', a Go template, or 'table' and a template"),
        Flag("last", "n", Kind.NUMBER, "Show the newest few, whatever their state"),
        Flag("latest", "l", Kind.BOOL, "Show the newest, whatever its state"),
        Flag("no-trunc", kind=Kind.BOOL, help="Show everything in full"),
        Flag("quiet", "q", Kind.BOOL, "Show IDs only"),
        Flag("size", "s", Kind.BOOL, "Show sizes"),
    ),
)
