"""Pausing: the freezer of control groups, version 1 or 2, whichever this host has.

A container that has a group of its own is frozen there; one that has none (nothing of it is
limited) is moved into one for as long as it is paused.
"""

from __future__ import annotations

import os
import time

from lamina.errors import Unavailable, Unsupported
from lamina.run.state import State

_V1 = "/sys/fs/cgroup/freezer"
_V2 = ("/sys/fs/cgroup", "/sys/fs/cgroup/unified")
_PATIENCE = 5.0  # seconds
_STEP = 0.005  # seconds


def freeze(id: str, state: State) -> None:
    """Freeze every process, those that are being forked too; all or none."""
    directory = _own(state) or _move(id, state)
    _write(directory, frozen=True)
    until = time.monotonic() + _PATIENCE
    while not _is_frozen(directory):
        if time.monotonic() > until:
            _write(directory, frozen=False)
            raise Unavailable("some process of the container cannot be paused now")
        time.sleep(_STEP)


def thaw(id: str, state: State) -> None:
    """Let them go on."""
    for directory in (_own(state), *_borrowed(id)):
        if directory and os.path.isdir(directory):
            _write(directory, frozen=False)


def forget(id: str) -> None:
    """Remove the group that `freeze` made, once the container has ended; fine if there is none."""
    for directory in _borrowed(id):
        try:
            os.rmdir(directory)
        except OSError:
            continue


def _own(state: State) -> str | None:
    for directory in state.handle.get("cgroups", ()):
        for file in ("freezer.state", "cgroup.freeze"):
            if os.path.exists(f"{directory}/{file}"):
                return str(directory)
    return None


def _borrowed(id: str) -> list[str]:
    return [f"{root}/lamina/paused-{id}" for root in (_V1, *_V2)]


def _move(id: str, state: State) -> str:
    """Put every process into a new group, until no more turn up outside of it."""
    if os.path.exists(f"{_V1}/cgroup.procs"):
        root = _V1
    else:
        root = next((r for r in _V2 if os.path.exists(f"{r}/cgroup.controllers")), "")
    if not root:
        raise Unsupported(
            "pausing needs a control group freezer, and this host has none mounted",
            hint="mount cgroup2 on /sys/fs/cgroup",
        )
    from lamina.run.processes import pids

    directory = f"{root}/lamina/paused-{id}"
    os.makedirs(directory, exist_ok=True)
    assert state.process is not None
    moved: set[int] = set()
    while outside := set(pids(state.process)) - moved:
        for pid in outside:
            _enter(directory, pid)
        moved |= outside
    return directory


def _enter(directory: str, pid: int) -> None:
    try:
        with open(f"{directory}/cgroup.procs", "w", encoding="utf-8") as file:
            file.write(str(pid))
    except ProcessLookupError:
        pass


def _write(directory: str, *, frozen: bool) -> None:
    if os.path.exists(f"{directory}/freezer.state"):
        path, text = f"{directory}/freezer.state", "FROZEN" if frozen else "THAWED"
    else:
        path, text = f"{directory}/cgroup.freeze", "1" if frozen else "0"
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def _is_frozen(directory: str) -> bool:
    if os.path.exists(f"{directory}/freezer.state"):
        with open(f"{directory}/freezer.state", encoding="utf-8") as file:
            state = file.read().strip()
        if state == "FREEZING":
            _write(directory, frozen=True)  # version 1 may miss one that was just forking
        return state == "FROZEN"
    with open(f"{directory}/cgroup.events", encoding="utf-8") as file:
        return "frozen 1" in file.read()
