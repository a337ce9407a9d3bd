"""Containers by an installed crun or runc, from the same bundles.

The bundle is written to disk as the runtime-spec has it; `shim` mounts its tree and drives the
program.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lamina.errors import Unavailable, Unsupported
from lamina.fs import detached
from lamina.fs.mounts import RootPlan
from lamina.late import json
from lamina.oci import bundle as oci
from lamina.runtime import cgroups, host
from lamina.runtime.container import Bundle, Process, Ready, State, Stdio, start_time
from lamina.runtime.launch import Waiting, launch, plan_words, source_words
from lamina.runtime.shim import OOM_MARK
from lamina.values import replace

PROGRAMS = ("crun", "runc")
_STATE = "/run/lamina"
_SEARCH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_REAPERS = ("docker-init", "tini-static", "catatonit")  # linked statically
_REAPER_PLACE = "/sbin/docker-init"


class Runc:
    """A runtime named for the program that it drives; Unavailable if that is not installed."""

    def __init__(self, name: str = "runc", *, program: str | None = None) -> None:
        self.name = name
        path = program or find_program(name)
        if path is None:
            raise Unavailable(
                f'runtime "{name}" is not installed',
                hint='install it, or use the runtime "native"',
            )
        self._program = path

    def ready(self, stdio: Stdio) -> Ready:
        """As `Runtime.ready`."""
        host.check_rights(host.look())
        return Waiting("shim", stdio)

    def start(
        self, bundle: Bundle, root: RootPlan, stdio: Stdio, ready: Ready | None = None
    ) -> Process:
        """As `Runtime.start`."""
        host.check_rights(host.look())
        if bundle.init:
            bundle = _with_reaper(bundle, self.name)
        if bundle.spec.resources.memory_swap is not None:
            bundle = _with_known_swap(bundle)
        directory = self._directory(bundle.id)
        kept = os.fspath(bundle.directory) if bundle.directory else directory
        spec, places = _placed(bundle, directory)
        _write_config(directory, spec)
        if kept != directory:
            _write_config(kept, spec)
        rules = spec.resources.devices
        orders = self._orders(bundle.id, spec.process, die=bundle.die_with_starter)
        orders |= {
            "root": plan_words(root),
            "mounts": [mount.to_json() for mount in spec.mounts],
            "sources": {target: source_words(s) for target, s in bundle.sources.items()},
            "places": places,
            "with_devices": bool(rules) and rules[0].allow,
            "oom_counters": _oom_counters(bundle.id),
        }
        try:
            waiting = ready or Waiting("shim", _streams(stdio, spec.process))
            launched = waiting.launch(orders, is_parent=True)
        except BaseException:
            _remove(directory)
            cgroups.ControlGroup(_groups(bundle.id)).remove()  # crun forgets them when it fails
            raise
        groups = cgroups.ControlGroup(_groups(bundle.id))

        def finish() -> bool:
            killed = os.path.exists(f"{directory}/{OOM_MARK}")
            _remove(directory)
            groups.remove()
            return killed

        state = State(
            runtime=self.name,
            id=bundle.id,
            pid=launched.pid,
            started=start_time(launched.pid) or 0,
            process=spec.process,
            cgroups=groups.directories,
        )
        return Process(
            child=launched.child,
            pid=launched.pid,
            state=state,
            terminal=launched.terminal,
            created=launched.created,
            finish=finish,
        )

    def exec(self, state: State, process: oci.Process, stdio: Stdio) -> Process:
        """As `Runtime.exec`."""
        host.check_rights(host.look())
        os.close(state.open())
        directory = self._directory(state.id)
        path = os.path.join(directory, f"process-{os.getpid()}-{os.urandom(4).hex()}")
        with open(path, "w") as file:
            json.dump(process.to_json(), file)
        orders = self._orders(state.id, process, die=True) | {"process": path}
        try:
            with _own_null(_streams(stdio, process)) as streams:
                launched = launch("shim", orders, streams, is_parent=True)
        finally:
            os.unlink(path)
        started = Process(
            child=launched.child, pid=launched.pid, state=state, terminal=launched.terminal
        )
        if process.size is not None:
            started.resize(*process.size)  # crun forgets it, when it executes
        return started

    def _directory(self, id: str) -> str:
        return f"{_STATE}/{self.name}-bundles/{id}"

    def _orders(self, id: str, process: oci.Process, *, die: bool) -> dict[str, Any]:
        return {
            "id": id,
            "bundle": self._directory(id),
            "program": self._program,
            "state_root": f"{_STATE}/{self.name}",
            "path": _SEARCH,
            "terminal": process.terminal,
            "hide": _unusable_hierarchies() if self.name == "crun" else [],
            "scratch": os.path.dirname(os.path.abspath(__file__)),
            "die": die,
        }


def _streams(stdio: Stdio, process: oci.Process) -> Stdio:
    return Stdio() if process.terminal else stdio


@contextmanager
def _own_null(stdio: Stdio) -> Iterator[Stdio]:
    """The streams, with a null device that nobody else has in place of the host's.

    crun's exec (1.8) gives its streams to the command's user, were it the host's /dev/null.
    """
    null = detached.null()
    try:
        given = (stdio.stdin, stdio.stdout, stdio.stderr)
        yield Stdio(*(null if fd is None or _is_null(fd) else fd for fd in given))
    finally:
        os.close(null)


def _is_null(fd: int) -> bool:
    found = os.fstat(fd)
    return stat.S_ISCHR(found.st_mode) and found.st_rdev == os.makedev(1, 3)


def find_program(name: str) -> str | None:
    """Where a program is installed, in the places of the system's administrator only."""
    for directory in _SEARCH.split(":"):
        path = f"{directory}/{name}"
        if os.access(path, os.X_OK) and os.path.isfile(path):
            return path
    return None


def _with_reaper(bundle: Bundle, runtime: str) -> Bundle:
    for name in _REAPERS:
        path = find_program(name)
        if path is not None:
            spec = bundle.spec
            mount = oci.Mount(_REAPER_PLACE, "bind", path, ("bind", "ro"))
            process = replace(spec.process, args=(_REAPER_PLACE, "--", *spec.process.args))
            spec = replace(spec, process=process, mounts=(*spec.mounts, mount))
            return replace(bundle, spec=spec, init=False)
    raise Unsupported(
        f'runtime "{runtime}" has no init of its own, and none is installed here',
        hint=f'install one of {", ".join(_REAPERS)}, or use the runtime "native"',
    )


def _with_known_swap(bundle: Bundle) -> Bundle:
    """Without the limit of swap where swap is not counted: these programs would refuse it."""
    if cgroups.counts_swap(cgroups.hierarchies()):
        return bundle
    spec = bundle.spec
    resources = replace(spec.resources, memory_swap=None)
    return replace(bundle, spec=replace(spec, resources=resources))


def _placed(bundle: Bundle, directory: str) -> tuple[oci.Spec, dict[str, str]]:
    """The spec with a path for every source, and those paths by destination."""
    places: dict[str, str] = {}
    mounts = []
    for number, mount in enumerate(bundle.spec.mounts):
        if mount.destination in bundle.sources:
            place = f"{directory}/sources/{number}"
            places[mount.destination] = place
            mount = replace(mount, source=place)
        mounts.append(mount)
    return replace(bundle.spec, root=f"{directory}/rootfs", mounts=tuple(mounts)), places


def _write_config(directory: str, spec: oci.Spec) -> None:
    for name in ("", "rootfs", "sources"):
        os.makedirs(os.path.join(directory, name), 0o700, exist_ok=True)
    # Written by hand, not by a template: umask must not decide who reads an environment.
    fd = os.open(
        os.path.join(directory, "config.json"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600
    )
    with os.fdopen(fd, "w") as file:
        json.dump(spec.to_json(), file, indent=1)


def _remove(directory: str) -> None:
    import shutil

    shutil.rmtree(directory, ignore_errors=True)


def _unusable_hierarchies() -> list[str]:
    """A version 2 hierarchy beside version 1 ones, which has no controller that crun needs."""
    found = cgroups.hierarchies()
    if all(h.is_v2 for h in found):
        return []
    return [h.path for h in found if h.is_v2 and not h.controllers & {"memory", "pids", "cpu"}]


def _oom_counters(id: str) -> list[str]:
    name = {True: "memory.events", False: "memory.oom_control"}
    found = [h for h in cgroups.hierarchies() if "memory" in h.controllers]
    return [f"{h.path}/lamina/{id}/{name[h.is_v2]}" for h in found]


def _groups(id: str) -> tuple[str, ...]:
    return tuple(
        path for h in cgroups.hierarchies() if os.path.isdir(path := f"{h.path}/lamina/{id}")
    )
