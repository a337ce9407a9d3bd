"""Control groups for a container's limits: version 1, version 2, or both at once (cgroups(7)).

A container gets a group, `/lamina/<id>` in each hierarchy that a limit needs, only when it has
limits; whoever makes it removes it.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator

from lamina.errors import Denied, Unsupported
from lamina.oci.bundle import Resources
from lamina.values import dataclass

_PARENT = "lamina"
_REMOVAL = 2.0  # seconds that the kernel may take to let go of a group's last process
_STALE = 60.0  # seconds after which an empty group has lost its owner
_SWAP_V1 = "memory.memsw.limit_in_bytes"
_PERIOD = 100_000  # microseconds, the kernel's own default


class NoControlGroup(Unsupported):
    """A limit was asked for that no control group here can set."""


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """One mounted hierarchy."""

    path: str  # where it is mounted
    is_v2: bool
    controllers: frozenset[str]  # that can be used in it
    options: str  # what mounts it again: the controllers, or "name=systemd"


def hierarchies(mountinfo: str | None = None) -> tuple[Hierarchy, ...]:
    """The hierarchies mounted here (proc(5), "mountinfo")."""
    if mountinfo is None:
        with open("/proc/thread-self/mountinfo", encoding="utf-8", errors="replace") as file:
            mountinfo = file.read()
    found = {}
    for line in mountinfo.splitlines():
        if " - cgroup" not in line:
            continue
        left, _, right = line.partition(" - ")
        path, kind, options = left.split()[4], right.split()[0], right.split()[2]
        words = [w for w in options.split(",") if w not in ("rw", "ro") and "release" not in w]
        if kind == "cgroup2":
            found[path] = Hierarchy(path, True, _available(path), "")
        elif kind == "cgroup":
            names = frozenset(word for word in words if "=" not in word)
            kept = [w for w in words if "=" not in w or w.startswith("name=")]
            found[path] = Hierarchy(path, False, names, ",".join(kept))
    return tuple(found.values())


def _available(path: str) -> frozenset[str]:
    try:
        with open(f"{path}/cgroup.controllers") as file:
            return frozenset(file.read().split())
    except OSError:
        return frozenset()


def views(found: tuple[Hierarchy, ...]) -> list[tuple[str, str, str]]:
    """How a container sees them below /sys/fs/cgroup: (file system, options, name)."""
    base = "/sys/fs/cgroup"
    inside = [h for h in found if h.path == base or h.path.startswith(base + "/")]
    return [
        ("cgroup2" if h.is_v2 else "cgroup", h.options, h.path[len(base) :].lstrip("/"))
        for h in inside
    ]


def counts_swap(found: tuple[Hierarchy, ...]) -> bool:
    """Whether swap can be limited; a kernel may be told at boot not to count it."""
    v1 = [h for h in found if "memory" in h.controllers and not h.is_v2]
    return all(os.path.exists(f"{h.path}/{_SWAP_V1}") for h in v1)


@dataclass(frozen=True, slots=True)
class ControlGroup:
    """The directories that together hold one container."""

    directories: tuple[str, ...]

    def was_oom_killed(self) -> bool:
        """Whether the kernel killed something in here for want of memory."""
        for directory in self.directories:
            for name in ("memory.events", "memory.oom_control"):
                for line in _lines(f"{directory}/{name}"):
                    key, _, count = line.partition(" ")
                    if key == "oom_kill" and int(count) > 0:
                        return True
        return False

    def remove(self) -> None:
        """Kill what is left in here and take the directories away. Idempotent."""
        deadline = time.monotonic() + _REMOVAL
        for directory in self.directories:
            while not _removed(directory) and time.monotonic() < deadline:
                _kill(directory)
                time.sleep(0.002)


def create(id: str, resources: Resources, found: tuple[Hierarchy, ...]) -> ControlGroup:
    """A group that holds what enters it to `resources`; NoControlGroup if one cannot be held.

    Nothing is left behind where it fails.
    """
    made: list[str] = []
    try:
        for hierarchy, settings in _assign(resources, found):
            directory = _make(hierarchy, id)
            made.append(directory)
            for name, value in settings:
                _write(f"{directory}/{name}", value)
    except OSError as error:
        ControlGroup(tuple(made)).remove()
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise Denied(
                f'control group "{error.filename}" cannot be changed',
                hint="limits need a writable /sys/fs/cgroup: run without them, or as root",
            ) from error
        raise NoControlGroup(
            f'control group "{error.filename}" refuses the limit:'
            f" {os.strerror(error.errno or 0).lower()}"
        ) from error
    except NoControlGroup:
        ControlGroup(tuple(made)).remove()
        raise
    return ControlGroup(tuple(made))


def _assign(
    resources: Resources, found: tuple[Hierarchy, ...]
) -> Iterator[tuple[Hierarchy, list[tuple[str, str]]]]:
    """Which files to write in which hierarchy; all of a version 2 hierarchy at once."""
    wanted = {
        "memory": resources.memory is not None or resources.memory_swap is not None,
        "pids": resources.pids is not None,
        "cpu": not (resources.cpu_quota is None and resources.cpu_shares is None),
        "cpuset": not (resources.cpuset_cpus is None and resources.cpuset_mems is None),
    }
    settings: dict[Hierarchy, list[tuple[str, str]]] = {}
    for controller, is_wanted in wanted.items():
        if not is_wanted:
            continue
        hierarchy = next((h for h in found if controller in h.controllers), None)
        if hierarchy is None:
            raise NoControlGroup(
                f'a limit needs the control group controller "{controller}",'
                " and none is mounted here",
                hint="run without that limit",
            )
        files = _V2[controller] if hierarchy.is_v2 else _V1[controller]
        settings.setdefault(hierarchy, []).extend(files(resources, hierarchy))
    yield from settings.items()


def _make(hierarchy: Hierarchy, id: str) -> str:
    parent = f"{hierarchy.path}/{_PARENT}"
    for directory in (parent, f"{parent}/{id}"):
        above = os.path.dirname(directory)
        if hierarchy.is_v2:
            wanted = hierarchy.controllers & {"memory", "pids", "cpu", "cpuset"}
            _write(f"{above}/cgroup.subtree_control", " ".join(f"+{c}" for c in sorted(wanted)))
        os.makedirs(directory, 0o755, exist_ok=True)
        if not hierarchy.is_v2 and "cpuset" in hierarchy.controllers:
            # A new version 1 group has no CPUs and no memory nodes, and takes no process then.
            for name in ("cpuset.cpus", "cpuset.mems"):
                if not "".join(_lines(f"{directory}/{name}")):
                    _write(f"{directory}/{name}", "".join(_lines(f"{above}/{name}")))
    _sweep(parent)
    return f"{parent}/{id}"


def _sweep(parent: str) -> None:
    """Groups whose owner was killed before it could remove them."""
    with os.scandir(parent) as entries:
        for entry in entries:
            if entry.is_dir() and time.time() - entry.stat().st_mtime > _STALE:
                _removed(entry.path)


def _memory_v1(resources: Resources, hierarchy: Hierarchy) -> Iterator[tuple[str, str]]:
    if resources.memory is not None:
        yield "memory.limit_in_bytes", str(resources.memory)
    if resources.memory_swap is not None and counts_swap((hierarchy,)):
        yield _SWAP_V1, str(resources.memory_swap)


def _memory_v2(resources: Resources, hierarchy: Hierarchy) -> Iterator[tuple[str, str]]:
    memory, total = resources.memory, resources.memory_swap
    if memory is not None:
        yield "memory.max", _limit(memory)
    if total is not None:
        # Version 2 counts swap alone, and has the file only where swap is counted at all.
        yield "memory.swap.max?", "max" if total == -1 else str(max(0, total - (memory or 0)))


def _pids(resources: Resources, hierarchy: Hierarchy) -> Iterator[tuple[str, str]]:
    if resources.pids is not None:
        yield "pids.max", _limit(resources.pids)


def _cpu_v1(resources: Resources, hierarchy: Hierarchy) -> Iterator[tuple[str, str]]:
    if resources.cpu_quota is not None:
        yield "cpu.cfs_period_us", str(resources.cpu_period or _PERIOD)
        yield "cpu.cfs_quota_us", str(resources.cpu_quota)
    if resources.cpu_shares is not None:
        yield "cpu.shares", str(resources.cpu_shares)


def _cpu_v2(resources: Resources, hierarchy: Hierarchy) -> Iterator[tuple[str, str]]:
    if resources.cpu_quota is not None:
        yield "cpu.max", f"{_limit(resources.cpu_quota)} {resources.cpu_period or _PERIOD}"
    if resources.cpu_shares is not None:
        shares = min(max(resources.cpu_shares, 2), 262144)
        yield "cpu.weight", str(1 + (shares - 2) * 9999 // 262142)  # runc's conversion


def _cpuset(resources: Resources, hierarchy: Hierarchy) -> Iterator[tuple[str, str]]:
    if resources.cpuset_cpus is not None:
        yield "cpuset.cpus", resources.cpuset_cpus
    if resources.cpuset_mems is not None:
        yield "cpuset.mems", resources.cpuset_mems


_V1 = {"memory": _memory_v1, "pids": _pids, "cpu": _cpu_v1, "cpuset": _cpuset}
_V2 = {"memory": _memory_v2, "pids": _pids, "cpu": _cpu_v2, "cpuset": _cpuset}


def _limit(number: int) -> str:
    return "max" if number <= 0 else str(number)


def _write(path: str, text: str) -> None:
    """Write one setting; one whose name ends in "?" may be missing."""
    if path.endswith("?"):
        path = path[:-1]
        if not os.path.exists(path):
            return
    # Never with O_CREAT: in a directory that is no control group it would make a file.
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, text.encode())
    except OSError as error:
        error.filename = path
        raise
    finally:
        os.close(fd)


def _lines(path: str) -> list[str]:
    try:
        with open(path) as file:
            return file.read().split("\n")
    except OSError:
        return []


def _kill(directory: str) -> None:
    for line in _lines(f"{directory}/cgroup.procs"):
        if line:
            try:
                os.kill(int(line), 9)
            except ProcessLookupError:
                pass


def _removed(directory: str) -> bool:
    try:
        os.rmdir(directory)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True
