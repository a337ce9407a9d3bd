"""A container's record as the bundle that a runtime executes."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable

from lamina.errors import Invalid
from lamina.fs.mounts import Overlay, RootPlan, suited
from lamina.late import json
from lamina.oci import bundle as oci
from lamina.oci.config import RunConfig
from lamina.run.container import Container, MountPoint
from lamina.run.create import volume_path
from lamina.run.ground import Ground
from lamina.run.hosts import FILES
from lamina.run.mounts import MountKind
from lamina.run.options import Options
from lamina.runtime import command
from lamina.runtime.accounts import read_accounts
from lamina.runtime.host import check_rights, look
from lamina.values import replace

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    pass

_PERIOD = 100_000  # microseconds, Docker's for --cpus
_OPPOSITES = (
    {"ro", "rw"},
    {"suid", "nosuid"},
    {"dev", "nodev"},
    {"exec", "noexec"},
    {"sync", "async"},
    {"atime", "noatime", "relatime", "norelatime", "strictatime", "nostrictatime"},
    {"diratime", "nodiratime"},
    {"mand", "nomand"},
)


def root_of(ground: Ground, container: Container) -> RootPlan:
    """How to mount the container's tree, its writable layer on top."""
    plan = ground.snapshotter().open_draft(container.draft_key).plan
    if isinstance(plan, Overlay):
        plan = replace(plan, volatile=container.options.remove)
    return suited(plan, container.platform.split("/")[1])


def plan_of(
    ground: Ground, container: Container, root: RootPlan, size: tuple[int, int] | None
) -> command.Plan:
    """The bundle to start, and what in it is not as asked; `size` is that of the terminal."""
    options = container.options
    host = look(devices=options.privileged)
    check_rights(host)
    # The record has settled all that image and options say together; nothing is left to merge.
    settled = RunConfig(user=container.user, env=container.env, cmd=container.args)
    asked = command.Options(
        env=options.env,
        groups=options.groups,
        cwd=container.workdir,
        hostname=container.hostname,
        domainname=options.domainname,
        network=options.network,
        tty=options.tty,
        size=size,
        init=options.init,
        read_only=options.read_only,
        privileged=options.privileged,
        cap_add=options.cap_add,
        cap_drop=options.cap_drop,
        no_new_privileges=options.no_new_privileges,
        seccomp=options.seccomp,
        devices=tuple(_device(here, there) for here, there in options.devices),
        mounts=tuple(_mounts(ground, container)),
        shm_size=options.shm_size,
        ulimits=tuple(
            oci.Rlimit(f"RLIMIT_{limit.name.upper()}", limit.soft, limit.hard)
            for limit in options.ulimits
        ),
        resources=_resources(options),
        oom_score_adj=options.oom_score_adj,
        sysctls=options.sysctls,
        annotations=options.annotations,
    )
    return command.plan(container.id, settled, asked, read_accounts(root), host)


def _mounts(ground: Ground, container: Container) -> Iterable[command.AnyMount]:
    yield from _own_files(ground, container)
    for mount in container.mounts:
        match mount.kind:
            case MountKind.BIND:
                yield command.BindMount(
                    mount.target,
                    mount.source,
                    read_only=mount.read_only,
                    recursive=mount.recursive,
                    propagation=mount.propagation or "rprivate",
                )
            case MountKind.VOLUME:
                source = volume_path(ground, container, mount)
                yield command.BindMount(mount.target, source, read_only=mount.read_only)
            case MountKind.TMPFS:
                yield command.TmpfsMount(mount.target, options=_tmpfs_options(mount))


def _own_files(ground: Ground, container: Container) -> Iterable[command.BindMount]:
    """hosts, hostname and resolv.conf, unless somebody mounts there, or the whole of /etc."""
    taken = {mount.target for mount in container.mounts}
    directory = ground.ledger.directory(container.id)
    for name, target in FILES.items():
        if "/etc" not in taken and target not in taken:
            read_only = container.options.read_only
            yield command.BindMount(target, f"{directory}/{name}", read_only=read_only)


def _tmpfs_options(mount: MountPoint) -> tuple[str, ...]:
    """Docker's defaults, each replaced by what contradicts it."""
    chosen = ["noexec", "nosuid", "nodev"]
    for option in mount.options:
        against = next((group for group in _OPPOSITES if option in group), set())
        key = option.partition("=")[0]
        chosen = [
            other
            for other in chosen
            if other not in against and not ("=" in option and other.startswith(f"{key}="))
        ]
        chosen.append(option)
    return tuple(chosen)


def _resources(options: Options) -> oci.Resources:
    quota, period = options.cpu_quota, options.cpu_period
    if options.nano_cpus:
        quota, period = options.nano_cpus * _PERIOD // 1_000_000_000, _PERIOD
    swap = options.memory_swap
    if options.memory and swap is None:
        swap = 2 * options.memory  # Docker's: as much swap as memory
    return oci.Resources(
        memory=options.memory or None,
        memory_swap=swap,
        pids=options.pids_limit if (options.pids_limit or 0) > 0 else None,
        cpu_quota=quota or None,
        cpu_period=period or None,
        cpu_shares=options.cpu_shares or None,
        cpuset_cpus=options.cpuset_cpus or None,
        cpuset_mems=options.cpuset_mems or None,
    )


def _device(here: str, there: str) -> oci.Device:
    try:
        found = os.stat(here)
    except OSError as error:
        raise Invalid(f'device "{here}": {(error.strerror or "").lower()}') from None
    if stat.S_ISCHR(found.st_mode):
        kind = "c"
    elif stat.S_ISBLK(found.st_mode):
        kind = "b"
    else:
        raise Invalid(f'"{here}" is not a device')
    numbers = os.major(found.st_rdev), os.minor(found.st_rdev)
    return oci.Device(
        there, kind, *numbers, stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid
    )


def write_created(directory: str, created: Iterable[str]) -> None:
    """Keep the mount points that were made in the writable layer; they are nobody's change."""
    paths = sorted({*read_created(directory), *created})
    if paths:
        data = json.dumps(paths).encode()
        aside = f"{directory}/mountpoints.json.new"
        with open(aside, "wb") as file:
            file.write(data)
        os.rename(aside, f"{directory}/mountpoints.json")


def read_created(directory: str) -> list[str]:
    """The absolute paths that `write_created` kept; none if nothing was made."""
    try:
        with open(f"{directory}/mountpoints.json", "rb") as file:
            paths: list[str] = json.loads(file.read())
    except FileNotFoundError:
        return []
    return paths
