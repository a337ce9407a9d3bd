from __future__ import annotations

import os
import signal
from typing import Any

import pytest

from lamina.errors import Invalid
from lamina.oci.bundle import Process as Described
from lamina.oci.bundle import Rlimit, User
from lamina.runtime.container import (
    CommandNotExecutable,
    CommandNotFound,
    NotRunning,
    Process,
    StartFailed,
    State,
    failure,
    start_time,
)

DESCRIBED = Described(
    args=("sh", "-c", "x\udcff"),
    env=("A=b",),
    user=User(1, 2, (3,), 0o77),
    size=(24, 80),
    terminal=True,
    capabilities=("CAP_CHOWN",),
    rlimits=(Rlimit("RLIMIT_CORE", 0, -1),),
    no_new_privileges=True,
    oom_score_adj=5,
)


def state(pid: int, started: int | None) -> State:
    return State(
        runtime="native",
        id="x",
        pid=pid,
        started=started or 0,
        process=DESCRIBED,
        filter=b"\1\2",
        cgroups=("/g/x",),
        is_clonable=True,
    )


def child(code: int = 0, *, pause: bool = False) -> Process:
    pid = os.fork()
    if not pid:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        while pause:
            signal.pause()
        os._exit(code)
    return Process(child=pid, state=state(pid, start_time(pid)), finish=lambda: True)


def test_a_state_survives_its_document() -> None:
    made = state(4, 5)
    assert State.parse(made.to_json()) == made


def test_a_state_of_an_older_lamina_is_read() -> None:
    document = state(4, 5).to_json()
    del document["clonable"]
    assert not State.parse(document).is_clonable


@pytest.mark.parametrize("document", [{}, {"pid": 1}, state(1, 2).to_json() | {"filter": "xyz"}])
def test_another_document_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        State.parse(document)


def test_a_process_is_waited_for_once() -> None:
    with child(7) as process:
        assert process.wait() == process.wait() == 7
        assert process.oom_killed
        process.signal(signal.SIGKILL)


def test_waiting_can_have_an_end() -> None:
    with child(pause=True) as process:
        assert process.wait(timeout=0.01) is None
        assert process.state.is_running()
        process.state.signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 143
    process.close()


def test_a_pid_that_another_process_has_now_is_not_the_container() -> None:
    other = state(os.getpid(), 1)
    assert not other.is_running()
    with pytest.raises(NotRunning):
        other.signal(signal.SIGKILL)


@pytest.mark.parametrize(
    ("kind", "error", "status"),
    [
        ("not found", CommandNotFound, 127),
        ("not executable", CommandNotExecutable, 126),
        ("setup", StartFailed, 125),
    ],
)
def test_failures_have_the_shell_s_statuses(kind: str, error: type, status: int) -> None:
    made = failure(kind, "why")
    assert isinstance(made, error)
    assert made.exit_status == status
