"""Containers from creation to removal, with the real kernel."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from boxes import NEEDS, UNTIL_GO, Box, eventually
from lamina.errors import Conflict
from lamina.run import lifecycle, output
from lamina.run.attach import View
from lamina.run.exec import Order, execute
from lamina.run.failures import CommandNotFound
from lamina.run.mounts import parse_volume
from lamina.run.processes import pids
from lamina.run.shape import inspected
from lamina.run.state import LOST, Status

pytestmark = NEEDS


def test_a_detached_container_is_watched_until_its_end(box: Box) -> None:
    script = f"echo out; echo err >&2; {UNTIL_GO}"
    container = box.start("sh", "-c", script, mounts=(parse_volume(f"{box.place}:/in"),))
    state = box.state(container)
    assert state.status is Status.RUNNING
    assert state.owner.pid != os.getpid()
    assert state.process.is_alive()
    (box.place / "go").touch()
    assert lifecycle.wait(box.ground, container) == 0
    assert box.state(container).owner is None
    found = {(each.stream, each.data) for each in output.records(box.ground, container)}
    assert found == {("stdout", b"out\n"), ("stderr", b"err\n")}
    eventually(lambda: container.id not in box.ground.ledger.live())


def test_a_removed_one_leaves_nothing(box: Box) -> None:
    container = box.start("sleep", "0.1", remove=True)
    assert lifecycle.wait(box.ground, container) in (0, LOST)
    eventually(lambda: container.id not in box.ground.ledger.ids())
    assert container.draft_key not in box.ground.snapshotter().drafts()


def test_stop_asks_first_and_kills_then(box: Box) -> None:
    polite = box.start("sh", "-c", "trap 'exit 3' TERM; echo; while :; do sleep 0.05; done")
    eventually(lambda: box.has_printed(polite))
    lifecycle.stop(box.ground, polite)
    assert box.state(polite).exit_code == 3
    deaf = box.start("sleep", "100")
    lifecycle.stop(box.ground, deaf, timeout=0)
    assert box.state(deaf).exit_code == 137
    lifecycle.stop(box.ground, deaf)


def test_the_stop_signal_is_the_containers_own(box: Box) -> None:
    container = box.start(
        "sh", "-c", "trap 'exit 4' USR1; echo; while :; do sleep 0.05; done", stop_signal="SIGUSR1"
    )
    eventually(lambda: box.has_printed(container))
    lifecycle.stop(box.ground, container)
    assert box.state(container).exit_code == 4


def test_what_does_not_run_is_refused(box: Box) -> None:
    container = box.create("true")
    for act in (lifecycle.kill, lifecycle.pause, lifecycle.unpause, lifecycle.running):
        with pytest.raises(Conflict, match="not running"):
            act(box.ground, container)
    with pytest.raises(Conflict):
        execute(box.ground, container, Order(args=("true",)), None)


def test_a_running_one_is_only_removed_by_force(box: Box) -> None:
    container = box.start("sleep", "100")
    with pytest.raises(Conflict):
        lifecycle.discard(box.ground, container)
    lifecycle.discard(box.ground, container, force=True)
    lifecycle.discard(box.ground, container, force=True)


def test_starting_again_keeps_files_and_log(box: Box) -> None:
    container = box.create("sh", "-c", "echo x >> /count; wc -l < /count")
    assert box.look(container) == (0, "1\n")
    assert box.look(container) == (0, "2\n")
    assert [each.data for each in output.records(box.ground, container)] == [b"1\n", b"2\n"]


def test_a_paused_one_stands_still(box: Box) -> None:
    container = box.start("sh", "-c", "while :; do echo x; sleep 0.01; done")
    log = Path(box.ground.ledger.directory(container.id), "log.json")
    eventually(lambda: box.has_printed(container))
    lifecycle.pause(box.ground, container)
    assert box.state(container).status is Status.PAUSED
    with pytest.raises(Conflict):
        lifecycle.pause(box.ground, container)
    with pytest.raises(Conflict, match="paused"):
        execute(box.ground, container, Order(args=("true",)), None)
    sizes = [-1, log.stat().st_size]

    def is_still() -> bool:  # what it printed before may be on its way to the log yet
        time.sleep(0.1)
        sizes.append(log.stat().st_size)
        return sizes[-1] == sizes[-2]

    eventually(is_still)
    size = sizes[-1]
    lifecycle.unpause(box.ground, container)
    eventually(lambda: log.stat().st_size > size)
    lifecycle.pause(box.ground, container)
    lifecycle.kill(box.ground, container)
    assert not list(Path("/sys/fs/cgroup").glob(f"*/lamina/paused-{container.id}"))


def test_exec_joins_the_container(box: Box) -> None:
    container = box.start("sleep", "100", env=("A=1",), user="1000", hostname="joined")
    out = box.place / "out"

    def run(*args: str, **order: Any) -> tuple[Any, str]:
        with out.open("wb") as file:
            view = View(stdout=file.fileno(), stderr=file.fileno(), proxy_signals=False)
            status = execute(box.ground, container, Order(args=args, **order), view)
        return status, out.read_text()

    assert run("sh", "-c", "hostname; id -u; echo $A; exit 3") == (3, "joined\n1000\n1\n")
    assert run("sh", "-c", "id -u; pwd; echo $A", user="0", workdir="/tmp", env=("A=2",)) == (
        0,
        "0\n/tmp\n2\n",
    )
    with pytest.raises(CommandNotFound):
        run("nosuch")
    assert execute(box.ground, container, Order(args=("touch", "/tmp/done")), None) is None
    eventually(lambda: run("ls", "/tmp/done")[0] == 0)


def test_a_terminal_is_one_and_has_a_size(box: Box) -> None:
    import pty
    import termios

    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (33, 77))
    container = box.create(
        "sh", "-c", "tty; stty size; echo $TERM; read x; echo got $x", tty=True, interactive=True
    )
    view = View(stdin=slave, stdout=slave, terminal=True)
    os.write(master, b"word\n")
    assert lifecycle.start(box.ground, container, view) == 0
    os.close(slave)
    text = os.read(master, 65536).decode()
    os.close(master)
    assert "/dev/" in text
    assert "33 77" in text
    assert "xterm" in text
    assert "got word" in text


# -- what is said of it --------------------------------------------------------------------------


def test_inspect_has_the_shape_of_dockers(box: Box) -> None:
    container = box.start(
        "sleep", "100", labels={"a": "b"}, memory=64 << 20, mounts=(parse_volume("named:/data"),)
    )
    document = json.loads(json.dumps(inspected(box.ground, container, box.state(container))))
    assert document["Id"] == container.id
    assert document["Name"] == f"/{container.name}"
    assert document["State"]["Running"]
    assert document["State"]["Pid"] == box.state(container).process.pid
    assert document["Config"]["Labels"] == {"a": "b"}
    assert document["Config"]["Cmd"] == ["sleep", "100"]
    assert document["HostConfig"]["Memory"] == 64 << 20
    assert document["HostConfig"]["NetworkMode"] == "none"
    mount = document["Mounts"][0]
    assert (mount["Type"], mount["Name"], mount["Destination"]) == ("volume", "named", "/data")
    assert Path(mount["Source"]).is_dir()


def test_the_processes_are_those_in_its_namespace(box: Box) -> None:
    container = box.start("sh", "-c", "sleep 100 & exec sleep 100")
    first = box.state(container).process
    eventually(lambda: len(pids(first)) == 2)
    assert first.pid in pids(first)
    assert os.getpid() not in pids(first)
