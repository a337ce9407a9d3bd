"""Options and an image become a container: a record, a writable layer, volumes, files."""

from __future__ import annotations

import os
from collections.abc import Iterable

from lamina.errors import Invalid
from lamina.run import volumes
from lamina.run.container import Container, MountPoint
from lamina.run.ground import Base, Ground
from lamina.run.hosts import write_files
from lamina.run.mounts import MountKind, MountRequest
from lamina.run.options import Options, check
from lamina.run.owner import Owner
from lamina.run.removal import dismantle, reconcile
from lamina.run.signals import parse_signal
from lamina.run.state import State, Status
from lamina.run.words import merge_env

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def create(ground: Ground, options: Options, base: Base, *, starting: bool = False) -> Container:
    """Make a container that is ready to start; nothing of it stays if that fails.

    `starting`: this process goes on to start it, and if it is killed before, it is undone.
    """
    check(options)
    reconcile(ground)
    id = os.urandom(32).hex()
    settled = settle(options, base, id=id, name="", created=ground.clock())
    for mount in settled.mounts:
        _check_bind(mount, options)
    state = State(status=Status.CREATING, owner=Owner.me())
    container = ground.ledger.add(settled.renamed, state, options.name)
    try:
        _furnish(ground, container)
    except BaseException:
        dismantle(ground, container)
        raise
    owner = Owner.me() if starting else None
    ground.ledger.change(id, lambda state: state.but(status=Status.CREATED, owner=owner))
    return container


def settle(options: Options, base: Base, *, id: str, name: str, created: int) -> Container:
    """Every question that options and image answer together, answered; nothing is done yet."""
    config = base.config.config
    entrypoint = options.entrypoint
    if entrypoint is None:
        entrypoint = config.entrypoint or ()
        command = options.command or config.cmd or ()
    else:
        command = options.command  # the image's command was made for the image's entrypoint
    args = (*entrypoint, *command)
    if not args:
        raise Invalid(
            f'no command is given, and image "{options.image}" has none',
            hint="write it after the image",
        )
    hostname = options.hostname or (os.uname().nodename if options.network == "host" else id[:12])
    labels = {**config.labels, **options.labels}
    stop_signal = options.stop_signal or config.stop_signal or "SIGTERM"
    if options.stop_signal:
        parse_signal(options.stop_signal)
    platform = base.config.platform
    parts = (platform.os, platform.architecture, platform.variant)
    return Container(
        id=id,
        name=name,
        created=created,
        options=options,
        image_id=base.id,
        manifest=base.manifest,
        parent=base.chain,
        platform="/".join(filter(None, parts)),
        args=args,
        entrypoint=entrypoint,
        env=_environment(options, config.env, hostname),
        workdir=options.workdir or config.working_dir or "/",
        user=config.user if options.user is None else options.user,
        hostname=hostname,
        labels=labels,
        mounts=tuple(_mount_points(options.mounts, config.volumes)),
        stop_signal=stop_signal,
        exposed_ports=tuple(dict.fromkeys((*config.exposed_ports, *options.exposed_ports))),
    )


def _environment(options: Options, image: Iterable[str], hostname: str) -> tuple[str, ...]:
    """Docker's order: its own, then the image's over it, then what was asked for."""
    first = [f"PATH={DEFAULT_PATH}", f"HOSTNAME={hostname}"]
    if options.tty:
        first.append("TERM=xterm")
    return merge_env(merge_env(first, image), options.env)


def _mount_points(
    requests: tuple[MountRequest, ...], image_volumes: tuple[str, ...]
) -> Iterable[MountPoint]:
    """Outer before inner, so that one does not hide the other; sources of volumes come later."""
    points = [_mount_point(request) for request in requests]
    taken = {point.target for point in points}
    for path in image_volumes:
        target = os.path.normpath("/" + path.lstrip("/"))
        if target not in taken:
            points.append(_anonymous(target))
            taken.add(target)
    return sorted(points, key=lambda point: point.target.count("/"))


def _mount_point(request: MountRequest) -> MountPoint:
    if request.kind is MountKind.VOLUME and not request.source:
        return _anonymous(request.target, read_only=request.read_only)
    return MountPoint(
        kind=request.kind,
        source="" if request.kind is MountKind.VOLUME else request.source,
        target=request.target,
        name=request.source if request.kind is MountKind.VOLUME else "",
        read_only=request.read_only,
        propagation=request.propagation,
        recursive=request.recursive,
        options=request.options,
    )


def _anonymous(target: str, *, read_only: bool = False) -> MountPoint:
    name = volumes.random_volume_name()
    return MountPoint(MountKind.VOLUME, "", target, name=name, anonymous=True, read_only=read_only)


def _check_bind(mount: MountPoint, options: Options) -> None:
    """A bind needs its source: `-v` makes a missing directory, `--mount` refuses, as in Docker."""
    if mount.kind is not MountKind.BIND or os.path.exists(mount.source):
        return
    request = next(each for each in options.mounts if each.target == mount.target)
    if not request.create_source:
        raise Invalid(
            f'bind source path does not exist: "{mount.source}"',
            hint='make it, or add "bind-create-src"',
        )
    os.makedirs(mount.source, exist_ok=True)


def _furnish(ground: Ground, container: Container) -> None:
    """Make what the record promises."""
    snapshotter = ground.snapshotter()
    snapshotter.prepare(container.draft_key, container.parent)
    write_files(ground.ledger.directory(container.id), container.options, container.hostname)
    wanted = {request.target: request for request in container.options.mounts}
    for mount in container.mounts:
        if mount.kind is not MountKind.VOLUME:
            continue
        request = wanted.get(mount.target)
        volume = volumes.ensure(
            ground.volumes,
            mount.name,
            now=container.created,
            labels=request.labels if request else {},
            anonymous=mount.anonymous,
        )
        if request is None or request.copy:
            _fill(ground, container, volume, mount.target)


def _fill(ground: Ground, container: Container, volume: volumes.Volume, target: str) -> None:
    from lamina.fs.mounts import opened
    from lamina.fs.root import Root

    if container.parent is None:
        return
    with opened(ground.snapshotter().view(container.parent)) as fd:

        def source() -> int | None:
            try:
                return Root(fd).open(target, os.O_RDONLY | os.O_DIRECTORY)
            except (FileNotFoundError, NotADirectoryError):
                return None

        volumes.fill(volume, source)


def volume_path(ground: Ground, container: Container, mount: MountPoint) -> str:
    """Where a volume's content is on this host, its subpath included."""
    data = f"{ground.volumes}/{mount.name}/_data"
    for request in container.options.mounts:
        if request.target == mount.target and request.subpath:
            return _below(data, request.subpath)
    return data


def _below(data: str, subpath: str) -> str:
    """A path below a volume's root; a link in it must not lead out of the volume."""
    path = os.path.realpath(f"{data}/{subpath}")
    if not path.startswith(os.path.realpath(data) + "/") or not os.path.exists(path):
        raise Invalid(f'"{subpath}" is not in the volume')
    return path
