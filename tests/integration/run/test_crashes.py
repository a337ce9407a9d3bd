"""What is left by whoever was killed half way, and who cleans it up."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from boxes import NEEDS, Box, eventually
from lamina.engine import Engine, containers
from lamina.run import lifecycle
from lamina.run.owner import Owner
from lamina.run.state import LOST, Status
from lamina.runtime import trampoline

pytestmark = NEEDS


def test_a_killed_watcher_takes_its_container_along(box: Box) -> None:
    container = box.start("sleep", "100")
    state = box.state(container)
    os.kill(state.owner.pid, signal.SIGKILL)
    assert state.process.ended(10)
    eventually(lambda: not state.owner.is_alive())
    found = {each.id: now for each, now in containers.listing(box.engine)}[container.id]
    assert (found.status, found.exit_code, found.owner) == (Status.EXITED, LOST, None)
    assert lifecycle.wait(box.ground, container) == LOST
    lifecycle.discard(box.ground, container)


def test_a_killed_watcher_of_a_container_to_be_removed_removes_it(box: Box) -> None:
    container = box.start("sleep", "100", remove=True)
    state = box.state(container)
    os.kill(state.owner.pid, signal.SIGKILL)
    assert state.process.ended(10)
    eventually(lambda: not state.owner.is_alive())
    containers.listing(box.engine)
    assert container.id not in box.ground.ledger.ids()
    assert container.draft_key not in box.ground.snapshotter().drafts()


KILLED = """
import os, signal, sys
from pathlib import Path
from lamina.engine import Engine, Settings, containers
from lamina.run import create, removal
from lamina.run.options import Options
from lamina.run.owner import Owner
where, after = sys.argv[2].split(":")
room = {"create": create, "removal": removal}[where]
original = getattr(room, after)
def fatal(*args, **words):
    original(*args, **words)
    os.kill(os.getpid(), signal.SIGKILL)
setattr(room, after, fatal)
with Engine(Settings(Path(sys.argv[1]))) as engine:
    container = containers.create(engine, Options(image="box", command=("true",), remove=True))
    ground = containers.ground_of(engine)
    removal.remove(ground, container)
"""


@pytest.mark.parametrize("point", ["create:write_files", "create:_furnish", "removal:dismantle"])
def test_a_command_killed_half_way_is_cleaned_up_by_the_next(box: Box, point: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(box.engine.root), point], check=False, cwd="/"
    )
    assert done.returncode == -signal.SIGKILL
    containers.listing(box.engine)
    assert box.ground.ledger.ids() == []
    assert box.ground.ledger.live() == []
    assert not [key for key in box.ground.snapshotter().drafts() if key.startswith("container-")]


@pytest.mark.parametrize("name", ["container.json", "state.json"])
def test_what_a_power_cut_tore_is_swept(box: Box, name: str) -> None:
    container = box.create("true")
    ledger = box.ground.ledger
    ledger.change(container.id, lambda state: state.but(owner=state_owner()))
    Path(ledger.directory(container.id), name).write_bytes(b"\0\0\0")
    containers.listing(box.engine)
    assert container.id not in ledger.ids()
    assert container.draft_key not in box.ground.snapshotter().drafts()
    containers.listing(box.engine)


def state_owner() -> Owner:
    return Owner(os.getpid(), 1, "an earlier boot")


_LAUNCH = """
import os, signal, sys
from pathlib import Path
from lamina.engine import Engine, Settings, containers
from lamina.fs import syscalls
from lamina.run.launcher import Launcher
from lamina.run.options import Options

syscalls.prctl(syscalls.PR_SET_CHILD_SUBREAPER, 1)  # who is left by others comes to this process
signal.alarm(20)
if not os.fork():
    with Engine(Settings(Path(sys.argv[1]))) as engine:
        options = Options(image="box", command=("true",), network="none")
        launcher = Launcher(containers.ground_of(engine), options)
        if sys.argv[2] == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        launcher.close()
    os._exit(0)
ended = 0
while True:
    try:
        os.wait()
    except ChildProcessError:
        break
    ended += 1
print(ended)
"""


@pytest.mark.parametrize("how", ["closed", "killed"])
def test_what_waits_for_a_command_ends_with_it(engine: Engine, how: str) -> None:
    words = [sys.executable, "-c", _LAUNCH, str(engine.root), how]
    out = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    # The command, its watcher, the fork between if killed; and the interpreter of the container,
    # where the watcher cannot clone itself.
    expected = (3 if how == "killed" else 2) + (not trampoline.is_known())
    assert int(out) == expected
