"""What this host can give: its rights, limits and devices, looked at once and then a value."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping

from lamina.errors import Denied, Unsupported
from lamina.oci.bundle import Device
from lamina.runtime import defaults
from lamina.values import dataclass, field

MACHINES = ("x86_64", "aarch64")

# Of /dev, what a container has its own of.
_OWN_DEVICES = frozenset({"console", "fd", "mqueue", "ptmx", "pts", "shm", "core"}) | {
    device.path.removeprefix("/dev/") for device in defaults.DEVICES
}


@dataclass(frozen=True, slots=True)
class Host:
    """A description; a test may describe any."""

    machine: str = "x86_64"  # as uname(2) says
    uid: int = 0
    capabilities: frozenset[str] = frozenset(defaults.CAPABILITIES)  # that may be handed on
    hard_limits: Mapping[str, int] = field(default_factory=dict)  # by name; -1 is none
    devices: tuple[Device, ...] = ()  # for a privileged container


def look(*, devices: bool = False) -> Host:
    """This host, with its device nodes if asked for (they take a walk through /dev)."""
    return Host(
        machine=os.uname().machine,
        uid=os.geteuid(),
        capabilities=_capabilities(),
        hard_limits=_hard_limits(),
        devices=tuple(_devices("/dev")) if devices else (),
    )


def check_rights(host: Host) -> None:
    """Denied or Unsupported, by name, if this process cannot start containers."""
    if host.machine not in MACHINES:
        raise Unsupported(
            f'running on architecture "{host.machine}" is not supported',
            hint="x86_64 and aarch64 are",
        )
    if host.uid != 0:
        raise Denied(
            "running a container needs root: rootless containers are not supported yet",
            hint="run it with sudo",
        )
    for name in ("CAP_SYS_ADMIN", "CAP_SETPCAP", "CAP_SETUID", "CAP_SETGID"):
        if name not in host.capabilities:
            raise Denied(
                f"running a container needs {name}, and this root lacks it",
                hint="inside another container, start that one with --privileged",
            )


def _capabilities() -> frozenset[str]:
    """Both effective here and in the bounding set."""
    found = (1 << len(defaults.CAPABILITIES)) - 1
    with open("/proc/thread-self/status", "rb") as file:
        for line in file:
            if line.startswith((b"CapEff:", b"CapBnd:")):
                found &= int(line.split()[1], 16)
    names = enumerate(defaults.CAPABILITIES)
    return frozenset(name for number, name in names if found >> number & 1)


def _hard_limits() -> dict[str, int]:
    import resource

    names = (name for name in dir(resource) if name.startswith("RLIMIT_"))
    limits = {name: resource.getrlimit(getattr(resource, name))[1] for name in names}
    del limits["RLIMIT_OFILE"]  # another name of NOFILE, which the spec does not know
    return limits


def _devices(directory: str) -> Iterator[Device]:
    with os.scandir(directory) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            if directory == "/dev" and entry.name in _OWN_DEVICES:
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from _devices(entry.path)
                continue
            found = entry.stat(follow_symlinks=False)
            kind = (
                "c" if stat.S_ISCHR(found.st_mode) else "b" if stat.S_ISBLK(found.st_mode) else ""
            )
            if kind:
                numbers = os.major(found.st_rdev), os.minor(found.st_rdev)
                mode = stat.S_IMODE(found.st_mode)
                yield Device(entry.path, kind, *numbers, mode, found.st_uid, found.st_gid)
