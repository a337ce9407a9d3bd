"""How a command begins, what it is given, and how it ends."""

from __future__ import annotations

import os
import signal
import stat
from pathlib import Path

import pytest

import containers
import descriptors
from containers import Box
from lamina.oci.bundle import Rlimit
from lamina.runtime import command, host
from lamina.runtime.accounts import UnknownUser
from lamina.runtime.command import BindMount
from lamina.runtime.container import (
    CommandNotExecutable,
    CommandNotFound,
    StartFailed,
    Stdio,
)


@pytest.mark.parametrize("status", [0, 1, 3, 125, 127, 255])
def test_the_command_s_status_is_the_container_s(box: Box, status: int) -> None:
    assert box.sh(f"exit {status}").status == status


def test_a_start_can_be_made_ready_before_it_is_known_what_to_start(box: Box) -> None:
    reading, writing = os.pipe()
    stdio = Stdio(None, writing, None)
    waiting = box.runtime.ready(stdio)
    bundle = box.plan("sh", "-c", "echo here; exit 4").bundle
    with box.runtime.start(bundle, box.root, stdio, waiting) as process:
        os.close(writing)
        assert process.wait() == 4
    assert os.read(reading, 100) == b"here\n"
    os.close(reading)
    waiting.dismiss()


def test_what_was_made_ready_in_vain_leaves_nothing(box: Box) -> None:
    before = descriptors.opened()
    waiting = box.runtime.ready(Stdio())
    assert len(containers.children()) <= 1
    waiting.dismiss()
    waiting.dismiss()
    assert not containers.children()
    assert descriptors.opened() == before


def test_a_signal_s_status_is_128_and_its_number(box: Box) -> None:
    with box.start(Stdio(), "sleep", "60") as process:
        process.signal(signal.SIGKILL)
        assert process.wait() == 128 + signal.SIGKILL


def test_pid_1_has_no_default_action_for_sigterm(box: Box) -> None:
    with box.start(Stdio(), "sleep", "60") as process:
        process.signal(signal.SIGTERM)
        assert process.wait(timeout=0.3) is None
        process.signal(signal.SIGKILL)
        assert process.wait() == 137


def test_a_trap_hears_sigterm(box: Box) -> None:
    ready, told = os.pipe()
    script = "trap 'exit 7' TERM; echo ready; while :; do sleep 0.05; done"
    with box.start(Stdio(None, told, None), "sh", "-c", script) as process:
        os.close(told)
        assert os.read(ready, 10) == b"ready\n"
        process.signal(signal.SIGTERM)
        assert process.wait() == 7
    os.close(ready)


def test_a_command_that_is_not_there_is_not_found(box: Box) -> None:
    with pytest.raises(CommandNotFound, match="nosuch"):
        box.run("nosuch")
    with pytest.raises(CommandNotFound):
        box.run("/no/such")


def test_a_command_that_is_no_program_is_not_executable(box: Box) -> None:
    with pytest.raises(CommandNotExecutable):
        box.run("/etc")
    with pytest.raises(CommandNotExecutable):
        box.run("/usr/bin/plain")


def test_a_mount_whose_source_is_missing_fails_the_start(box: Box) -> None:
    with pytest.raises(StartFailed, match="/no/such/place"):
        box.run("true", mounts=(BindMount("/data", Path("/no/such/place")),))


def test_close_kills_what_still_runs(box: Box) -> None:
    with box.start(Stdio(), "sleep", "60") as process:
        pid = process.pid
    assert not Path(f"/proc/{pid}").exists() or process.state.is_running() is False


def test_everything_in_the_container_ends_with_its_first_process(box: Box) -> None:
    seconds = 1_000_000 + os.getpid()  # as no other test on this machine sleeps
    assert box.sh(f"sleep {seconds} & exit 0").status == 0
    mark = b"sleep\0%d\0" % seconds
    assert not [p for p in Path("/proc").glob("[0-9]*/cmdline") if mark in _bytes(p)]


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def test_the_first_process_is_pid_1_and_alone(box: Box) -> None:
    ended = box.sh("echo $$; ps -o pid | tail -n +2 | wc -l")
    assert ended.lines[0] == "1"
    assert int(ended.lines[1]) <= 4  # sh, and the pipeline's own


def test_stdin_stdout_and_stderr_are_the_caller_s(box: Box) -> None:
    ended = box.sh("cat; echo problem >&2", stdin=b"hello\0world")
    assert (ended.out, ended.err) == ("hello\0world", "problem\n")


def test_without_streams_they_are_the_null_device(box: Box) -> None:
    with box.start(Stdio(), "sh", "-c", "read x; echo hello; [ -z $x ]") as process:
        assert process.wait() == 0


def test_no_descriptor_of_the_host_is_inherited(box: Box) -> None:
    leak = os.open("/", os.O_RDONLY)
    os.set_inheritable(leak, True)
    try:
        assert box.sh("exec 9</proc/self/fd; ls /proc/1/fd").lines[:3] == ["0", "1", "2"]
        # 9 is the shell's own; a runtime may keep none for itself.
        assert set(box.sh("ls /proc/1/fd; true").lines) <= {"0", "1", "2", "10"}
    finally:
        os.close(leak)


def test_the_environment_is_the_given_one_only(box: Box) -> None:
    ended = box.run("env", env=("A=b c", "EMPTY="))
    words = set(ended.lines) - {"TERM=xterm"}
    assert words == {"A=b c", "EMPTY=", "HOME=/root", f"PATH={command.defaults.PATH}"}


def test_signals_are_neither_ignored_nor_blocked(box: Box) -> None:
    previous = signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
    try:
        # With the host's, for crun and runc are Go and C and ignore nothing by themselves.
        lines = box.run("grep", "^Sig[BI]", "/proc/self/status").lines
    finally:
        signal.signal(signal.SIGUSR1, previous)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGUSR2])
    internal = 1 << 31 | 1 << 32  # 32 and 33 are the C library's own
    assert [int(line.split()[1], 16) & ~internal for line in lines] == [0, 0]


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        ("", "uid=0(root) gid=0(root)"),
        ("guest", "uid=405(guest) gid=100(users)"),
        ("1234", "uid=1234 gid=0(root)"),
        ("1234:5678", "uid=1234 gid=5678"),
        ("guest:wheel", "uid=405(guest) gid=10(wheel)"),
    ],
)
def test_the_user_is_looked_up_in_the_image(box: Box, user: str, expected: str) -> None:
    assert box.run("id", user=user).out.startswith(expected)


def test_supplementary_groups_are_the_user_s_and_the_given(box: Box) -> None:
    ended = box.run("id", "-G", user="daemon", groups=("video", "4242"))
    assert set(ended.out.split()) == {"2", "1", "4", "27", "4242"}


def test_a_name_that_the_image_does_not_know_is_refused(box: Box) -> None:
    with pytest.raises(UnknownUser, match="nobodyhere"):
        box.run("id", user="nobodyhere")


def test_a_missing_working_directory_is_made(box: Box) -> None:
    assert box.run("pwd", cwd="/srv/deep/down").out == "/srv/deep/down\n"
    assert stat.S_IMODE((box.upper / "srv/deep").stat().st_mode) == 0o755


def test_the_umask_is_022(box: Box) -> None:
    assert box.sh("umask").out == "0022\n"


def test_resource_limits_hold_and_too_high_ones_are_clamped(box: Box) -> None:
    ended = box.sh("ulimit -n; ulimit -Hn", ulimits=(Rlimit("RLIMIT_NOFILE", 100, 200),))
    assert ended.lines == ["100", "200"]
    hard = host.look().hard_limits["RLIMIT_NOFILE"]
    if "CAP_SYS_RESOURCE" not in host.look().capabilities and hard != -1:
        ended = box.sh("ulimit -Hn", ulimits=(Rlimit("RLIMIT_NOFILE", 100, hard + 1),))
        assert ended.lines == [str(hard)]
        assert "clamped" in ended.notices[0]
