"""What a command shares with the host, and with others in its container."""

from __future__ import annotations

import os
import signal

import pytest

from containers import Box
from lamina.errors import Unsupported
from lamina.runtime import command, host
from lamina.runtime.accounts import read_accounts
from lamina.runtime.container import (
    CommandNotFound,
    NotRunning,
    State,
    Stdio,
)


def test_the_host_name_is_its_own(box: Box) -> None:
    before = os.uname().nodename
    assert box.sh("hostname; echo $HOSTNAME", hostname="inside").lines == ["inside", "inside"]
    assert os.uname().nodename == before


def test_network_none_has_a_loopback_that_is_up_and_nothing_else(box: Box) -> None:
    ended = box.sh("ls /sys/class/net; ip addr show lo; ping -c 1 -W 1 127.0.0.1")
    assert ended.lines[0] == "lo"
    assert "inet 127.0.0.1/8" in ended.out
    assert not [name for name in ended.lines[1:] if name.startswith("eth")]


def test_network_host_is_the_host_s(box: Box) -> None:
    ended = box.sh("readlink /proc/self/ns/net", network="host")
    assert ended.out.strip() == os.readlink("/proc/self/ns/net")


def test_the_host_s_processes_and_ipc_are_out_of_sight(box: Box) -> None:
    kinds = ("pid", "ipc", "uts", "mnt", "net")
    ended = box.sh(f"for k in {' '.join(kinds)}; do readlink /proc/self/ns/$k; done")
    assert len(ended.lines) == len(kinds)
    own = [os.readlink(f"/proc/self/ns/{kind}") for kind in kinds]
    assert not set(ended.lines) & set(own)


def test_orphans_are_reaped_by_init(box: Box) -> None:
    script = (
        "sh -c 'sleep 0.1 & :'; for i in $(seq 200); do ps -o comm | grep -qx sleep || break;"
        " usleep 20000; done; ps -o pid,stat,args; echo $$; exit 9"
    )
    try:
        ended = box.sh(script, init=True)
    except Unsupported as error:
        pytest.skip(str(error))
    assert ended.status == 9
    assert "1" not in [line for line in ended.lines if line.isdigit()]
    assert not [line for line in ended.lines if " Z" in line]


def test_init_passes_signals_on(box: Box) -> None:
    ready, told = os.pipe()
    try:
        process = box.start(
            Stdio(None, told, None), "sh", "-c", "echo ready; exec sleep 60", init=True
        )
    except Unsupported as error:
        pytest.skip(str(error))
    finally:
        os.close(told)
    with process:
        os.read(ready, 10)
        process.signal(signal.SIGTERM)
        assert process.wait() == 128 + signal.SIGTERM
    os.close(ready)


def _read_all(fd: int) -> bytes:
    data = b""
    while True:
        try:
            piece = os.read(fd, 4096)
        except OSError:  # EIO: the last user of the other side is gone
            return data
        if not piece:
            return data
        data += piece


def test_a_terminal_is_the_container_s_own(box: Box) -> None:
    script = "tty; stty size; test -t 0 && echo yes; ls -l /dev/console | cut -c1; echo $TERM"
    with box.start(Stdio(), "sh", "-c", script, tty=True, size=(33, 99)) as process:
        assert process.terminal is not None
        lines = _read_all(process.terminal).decode().split()
        assert process.wait() == 0
    assert lines[0] in ("/dev/pts/0", "/dev/console")
    assert lines[1:] == ["33", "99", "yes", "c", "xterm"]


def test_an_interrupt_typed_at_the_terminal_reaches_the_command(box: Box) -> None:
    with box.start(Stdio(), "sh", "-c", "trap 'exit 42' INT; echo go; read x", tty=True) as process:
        assert process.terminal is not None
        assert b"go" in os.read(process.terminal, 100)
        os.write(process.terminal, b"\x03")
        assert process.wait() == 42


def _exec(box: Box, state: State, *args: str, **options: object) -> tuple[int | None, str]:
    process = command.exec_process(
        state.process,
        args,
        read_accounts(box.root),
        host.look(),
        **options,  # type: ignore[arg-type]
    )
    reader, writer = os.pipe()
    with box.runtime.exec(state, process, Stdio(None, writer, writer)) as started:
        os.close(writer)
        with os.fdopen(reader, "rb") as file:
            out = file.read().decode()
        return started.wait(), out


def test_a_second_process_enters_the_container(box: Box) -> None:
    with box.start(Stdio(), "sleep", "60", hostname="inside", env=("A=b",)) as process:
        state = State.parse(process.state.to_json())
        status, out = _exec(
            box, state, "sh", "-c", "hostname; pwd; echo $A $B; id -u; exit 5", env=("B=c",)
        )
        assert (status, out.split()) == (5, ["inside", "/", "b", "c", "0"])
        script = "for k in mnt pid net ipc uts cgroup; do readlink /proc/$1/ns/$k; done"
        _, own = _exec(box, state, "sh", "-c", script, "sh", "self")
        _, first = _exec(box, state, "sh", "-c", script, "sh", "1")
        assert own == first
        assert len(own.split()) == 6
        _, status_file = _exec(box, state, "cat", "/proc/self/status", user="guest", cwd="/etc")
        assert "CapBnd:\t00000000a80425fb" in status_file
        assert "Seccomp:\t2" in status_file
        assert "Uid:\t405" in status_file
        with pytest.raises(CommandNotFound):
            _exec(box, state, "nosuch")


def test_entering_a_container_that_has_ended_is_refused(box: Box) -> None:
    with box.start(Stdio(), "true") as process:
        process.wait()
        assert not process.state.is_running()
        with pytest.raises(NotRunning):
            _exec(box, process.state, "true")
        with pytest.raises(NotRunning):
            process.state.signal(signal.SIGTERM)


def test_a_second_process_can_have_a_terminal(box: Box) -> None:
    with box.start(Stdio(), "sleep", "60") as process:
        asked = command.exec_process(
            process.state.process,
            # crun's gets its size a moment after its start.
            (
                *("sh", "-c"),
                'for i in $(seq 200); do [ "$(stty size)" = "20 70" ] && break; usleep 20000; done;'
                " stty size; test -t 1 && echo yes",
            ),
            read_accounts(box.root),
            host.look(),
            tty=True,
            size=(20, 70),
        )
        with box.runtime.exec(process.state, asked, Stdio()) as second:
            assert second.terminal is not None
            assert _read_all(second.terminal).decode().split() == ["20", "70", "yes"]
            assert second.wait() == 0
