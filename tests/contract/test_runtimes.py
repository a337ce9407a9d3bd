"""What every runtime does alike: our own, crun and runc."""

from __future__ import annotations

import errno
import os
import signal
import stat
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest

import containers
from containers import Box
from lamina.errors import Unsupported
from lamina.fs.mounts import Bind, Overlay
from lamina.oci.bundle import Device, Resources, Rlimit
from lamina.oci.config import RunConfig
from lamina.runtime import cgroups, command, host
from lamina.runtime.accounts import UnknownUser, read_accounts
from lamina.runtime.command import BindMount, FileMount, TmpfsMount, TreeMount
from lamina.runtime.container import (
    CommandNotExecutable,
    CommandNotFound,
    NotRunning,
    StartFailed,
    State,
    Stdio,
)
from mount_table import mount_table

MIB = 1024 * 1024


@pytest.fixture(scope="module")
def lower() -> Iterator[Path]:
    with containers.alpine() as path:
        (path / "usr/bin/plain").write_text("#!/bin/sh\n")
        (path / "usr/bin/plain").chmod(0o644)
        (path / "usr/bin/lost").write_text("#!/no/such/interpreter\n")
        (path / "usr/bin/lost").chmod(0o755)
        yield path


@pytest.fixture(params=["native", "native-beside-threads", "crun", "runc"])
def box(request: pytest.FixtureRequest, lower: Path) -> Iterator[Box]:
    """Checks too that nothing of the host has changed when the test is over."""
    name, _, rest = request.param.partition("-")
    with _another_thread() if rest else nullcontext(), containers.box(name, lower) as made:
        before = _traces(lower, made.upper.parent)
        yield made
        assert _traces(lower, made.upper.parent) == before
    assert not _children()


@contextmanager
def _another_thread() -> Iterator[None]:
    """Within it, this process is not to be cloned."""
    over = threading.Event()
    thread = threading.Thread(target=over.wait)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _traces(*places: Path) -> tuple[list[str], list[str]]:
    """The mount table, and control groups and bundles of containers of these tests."""
    groups = [
        f"{h.path}/lamina/{name}"
        for h in cgroups.hierarchies()
        if os.path.isdir(f"{h.path}/lamina")
        for name in os.listdir(f"{h.path}/lamina")
        if name.startswith(f"test-{os.getpid()}-") and os.path.isdir(f"{h.path}/lamina/{name}")
    ]
    bundles = [str(p) for p in Path("/run/lamina").glob(f"*-bundles/test-{os.getpid()}-*")]
    return mount_table(*places), groups + bundles


def _children() -> list[str]:
    """Processes of ours that are still there, zombies included.

    A thread that was joined may stay in the listing for a moment; its children, if it has any,
    are then another thread's, so it is looked once more.
    """
    while True:
        threads = sorted(Path("/proc/self/task").iterdir())
        try:
            return [pid for thread in threads for pid in (thread / "children").read_text().split()]
        except (FileNotFoundError, ProcessLookupError):
            continue


# -- ends ------------------------------------------------------------------------------------


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
    before = sorted(os.listdir("/proc/self/fd"))
    waiting = box.runtime.ready(Stdio())
    assert len(_children()) <= 1
    waiting.dismiss()
    waiting.dismiss()
    assert not _children()
    assert sorted(os.listdir("/proc/self/fd")) == before


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


# -- process ---------------------------------------------------------------------------------


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


# -- rights ----------------------------------------------------------------------------------


def _status(box: Box, **options: object) -> dict[str, str]:
    lines = box.run("cat", "/proc/self/status", **options).lines
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}


def test_the_fourteen_default_capabilities(box: Box) -> None:
    status = _status(box)
    expected = "00000000a80425fb"
    assert [status[f"Cap{kind}"] for kind in ("Prm", "Eff", "Bnd")] == [expected] * 3
    assert status["CapInh"] == status["CapAmb"] == "0" * 16


def test_another_user_has_the_bounding_set_only(box: Box) -> None:
    status = _status(box, user="guest")
    assert status["CapEff"] == status["CapPrm"] == "0" * 16
    assert status["CapBnd"] == "00000000a80425fb"


def test_capabilities_are_added_and_dropped(box: Box) -> None:
    status = _status(box, cap_drop=("ALL",), cap_add=("net_admin", "CAP_CHOWN"))
    assert int(status["CapEff"], 16) == 1 << 12 | 1 << 0


def test_privileged_has_all_that_this_root_has(box: Box) -> None:
    status = _status(box, privileged=True)
    own = host.look().capabilities
    assert int(status["CapEff"], 16).bit_count() == len(own)
    assert status["Seccomp"] == "0"


def test_new_privileges_are_refused_when_asked(box: Box) -> None:
    assert _status(box)["NoNewPrivs"] == "0"
    status = _status(box, no_new_privileges=True, user="guest")
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")


PROBE = """
import ctypes, errno, os, sys
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
for word in sys.argv[1:]:
    numbers = [ctypes.c_long(int(n, 0)) for n in word.split(",")]
    ctypes.set_errno(0)
    result = libc.syscall(*numbers)
    print(errno.errorcode.get(ctypes.get_errno(), "?") if result < 0 else "ok")
"""

CALLS_X86_64 = {  # number and arguments, as Docker's default answers them
    "unshare of a user namespace": ("272,0x10000000", "EPERM"),
    "mount": ("165,0,0,0,0,0", "EPERM"),
    "keyctl": ("250,0,0,0", "EPERM"),
    "add_key": ("248,0,0,0", "EPERM"),
    "bpf": ("321,0,0,0", "EPERM"),
    "clone3": ("435,0,0", "ENOSYS"),
    "setns": ("308,0,0", "EPERM"),
    "kexec_load": ("246,0,0,0", "EPERM"),
    "userfaultfd": ("323,0", "EPERM"),
    "perf_event_open": ("298,0,0,0,0", "EPERM"),
    "open_tree": ("428,-100,0,0", "EPERM"),
    "socket of AF_VSOCK": ("41,40,1,0", "EPERM"),
    "personality of an odd kind": ("135,0x0400000", "EPERM"),
    "a call that nobody knows": ("4000", "ENOSYS"),
    "personality asked for": ("135,0xffffffff", "ok"),
    "getpid": ("39", "ok"),
    "chroot of nothing": ("161,0", "EFAULT"),
    "ptrace of nothing": ("101,16,99999,0,0", "ESRCH"),
    "socket of AF_UNIX": ("41,1,1,0", "ok"),
}


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the numbers are x86_64's")
def test_system_calls_are_refused_as_docker_refuses_them(box: Box) -> None:
    words = [call for call, _ in CALLS_X86_64.values()]
    python = os.path.realpath(sys.executable)
    ended = box.on(containers.host_root()).run(
        python, "-I", "-S", "-c", PROBE, *words, cwd="/", read_only=True
    )
    found = dict(zip(CALLS_X86_64, ended.lines, strict=True))
    if box.runtime.name == "crun" and found["a call that nobody knows"] == "EPERM":
        found["a call that nobody knows"] = "ENOSYS"  # it has only the filter's default
    assert found == {name: answer for name, (_, answer) in CALLS_X86_64.items()}


def test_a_profile_in_docker_s_json_is_followed(box: Box) -> None:
    profile = """{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
        {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 30}]}"""
    ended = box.sh("mkdir /x", seccomp=profile)
    assert ended.status == 1
    assert os.strerror(errno.EROFS) in ended.err
    assert box.sh("mkdir /x", seccomp="unconfined").status == 0


def test_a_profile_may_let_through_what_the_command_needs_and_no_more(box: Box) -> None:
    profile = """{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
        {"names": ["execveat", "fcntl"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1}]}"""
    ended = box.run("echo", "here", seccomp=profile)
    assert (ended.out, ended.status) == ("here\n", 0)


def test_a_device_node_of_its_own_making_opens_nothing(box: Box) -> None:
    ended = box.sh("mknod /disk b 254 0 && mknod /dev/mem2 c 1 1 && cat /disk")
    assert ended.status == 1
    assert "ermi" in ended.err  # not permitted, or permission denied
    assert box.sh("mknod /dev/m c 1 1; head -c 1 /dev/m").status == 1


# -- file systems ----------------------------------------------------------------------------


def test_what_is_written_goes_to_the_upper_directory(box: Box) -> None:
    assert box.sh("echo hello > /new; rm /etc/motd").status == 0
    assert (box.upper / "new").read_text() == "hello\n"
    assert stat.S_ISCHR((box.upper / "etc/motd").lstat().st_mode)


def test_nothing_is_left_in_the_upper_directory_by_the_start_itself(box: Box) -> None:
    ended = box.run("true")
    assert ended.process.created == ()
    assert [p for p in box.upper.rglob("*") if not p.is_dir()] == []


def test_mount_points_that_were_made_are_told(box: Box) -> None:
    mounts = (FileMount("/run/secrets/token", b"s3cret"), TmpfsMount("/scratch"))
    ended = box.sh("cat /run/secrets/token", mounts=mounts)
    assert ended.out == "s3cret"
    assert set(ended.process.created) == {"/run/secrets", "/run/secrets/token", "/scratch"}
    assert (box.upper / "run/secrets/token").read_bytes() == b""


def test_a_read_only_root_refuses_writes_but_its_own_file_systems_take_them(box: Box) -> None:
    ended = box.sh(
        "touch /x; touch /dev/shm/x && touch /tmp/x && touch /v/x",
        read_only=True,
        mounts=(TmpfsMount("/tmp"), BindMount("/v", box.upper.parent)),
    )
    assert ended.status == 0
    assert "Read-only file system" in ended.err
    (box.upper.parent / "x").unlink()


@pytest.mark.parametrize("path", ["/proc/sys/kernel/hostname", "/proc/sysrq-trigger", "/sys/x"])
def test_paths_of_the_kernel_refuse_writes(box: Box, path: str) -> None:
    assert box.sh(f"echo x > {path}").status != 0


def test_masked_paths_show_nothing(box: Box) -> None:
    assert box.sh("cat /proc/timer_list /proc/keys /proc/interrupts").out == ""
    assert box.sh("ls -A /sys/firmware /proc/acpi").out.split() == ["/proc/acpi:", "/sys/firmware:"]


def test_tmpfs_has_its_size_and_options(box: Box) -> None:
    mounts = (TmpfsMount("/t", 1 * MIB, ("noexec", "nosuid", "nodev", "mode=1777")),)
    script = "grep ' /t ' /proc/mounts; head -c 2097152 /dev/zero > /t/x; stat -c %s /t/x"
    ended = box.sh(script, mounts=mounts)
    assert int(ended.lines[1]) <= 1 * MIB
    assert {"noexec", "nosuid", "nodev"} <= set(ended.out.split()[3].split(","))


def test_shm_has_the_asked_size(box: Box) -> None:
    ended = box.sh("df -k /dev/shm | tail -1", shm_size=3 * MIB)
    assert ended.out.split()[1] == "3072"


def test_a_bind_is_the_host_s_directory(box: Box, tmp_path: Path) -> None:
    (tmp_path / "in").write_text("from outside\n")
    ended = box.sh("cat /data/in; echo out > /data/out", mounts=(BindMount("/data", tmp_path),))
    assert ended.out == "from outside\n"
    assert (tmp_path / "out").read_text() == "out\n"


def test_a_read_only_bind_refuses_writes(box: Box, tmp_path: Path) -> None:
    mount = BindMount("/data", tmp_path, read_only=True)
    assert box.sh("touch /data/x", mounts=(mount,)).status == 1
    assert list(tmp_path.iterdir()) == []


def test_a_file_can_be_bound_over_a_file(box: Box, tmp_path: Path) -> None:
    (tmp_path / "hosts").write_text("1.2.3.4 here\n")
    ended = box.sh("cat /etc/hosts", mounts=(BindMount("/etc/hosts", tmp_path / "hosts"),))
    assert ended.out == "1.2.3.4 here\n"


def test_part_of_another_tree_can_be_mounted(box: Box, lower: Path, tmp_path: Path) -> None:
    (tmp_path / "deep/er").mkdir(parents=True)
    (tmp_path / "deep/er/file").write_text("found\n")
    (tmp_path / "deep/out").symlink_to("/deep/er")
    upper, work = tmp_path / "up", tmp_path / "work"
    upper.mkdir()
    work.mkdir()
    view = TreeMount("/view", Overlay((tmp_path, lower)), "/deep/out")
    file = TreeMount("/one", Bind(tmp_path, read_only=True), "deep/er/file")
    own = TreeMount("/own", Overlay((tmp_path,), upper, work), "/deep", read_only=False)
    ended = box.sh("cat /view/file /one; touch /own/new && touch /view/x", mounts=(view, file, own))
    assert (ended.out, ended.status) == ("found\nfound\n", 1)
    assert (upper / "deep/new").exists()


def test_mounts_nest_whatever_their_order(box: Box, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    mounts = (TmpfsMount("/data/sub"), BindMount("/data", tmp_path))
    assert box.sh("touch /data/sub/inner /data/outer", mounts=mounts).status == 0
    assert [p.name for p in sorted(tmp_path.rglob("*"))] == ["outer", "sub"]


def test_a_secret_has_its_mode_and_owner(box: Box) -> None:
    mount = FileMount("/run/token", b"x", 0o440, 12, 34)
    assert box.sh("stat -c '%a %u %g' /run/token", mounts=(mount,)).out == "440 12 34\n"


def test_a_link_in_the_image_cannot_lead_a_mount_out(box: Box, tmp_path: Path) -> None:
    (box.upper / "trap").symlink_to("/../../../../../../tmp")
    (box.upper / "up").symlink_to("/proc/1/root/tmp")
    mounts = (FileMount("/trap/lamina-escaped", b"x"),)
    assert box.sh("cat /tmp/lamina-escaped", mounts=mounts).out == "x"
    assert not os.path.lexists("/tmp/lamina-escaped")
    assert (box.upper / "tmp/lamina-escaped").exists()


def test_standard_devices_work(box: Box) -> None:
    script = (
        "head -c 4 /dev/zero | wc -c; echo x > /dev/null; head -c 4 /dev/urandom | wc -c;"
        " for f in fd stdin ptmx; do readlink /dev/$f; done; echo x > /dev/full"
    )
    ended = box.sh(script)
    assert ended.lines == ["4", "4", "/proc/self/fd", "/proc/self/fd/0", "pts/ptmx"]
    assert ended.status == 1


def test_an_added_device_works(box: Box) -> None:
    device = Device("/dev/mynull", "c", 1, 3, 0o600)
    ended = box.sh("echo x > /dev/mynull; stat -c %a /dev/mynull", devices=(device,))
    assert (ended.out, ended.status) == ("600\n", 0)


# -- namespaces ------------------------------------------------------------------------------


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


# -- limits ----------------------------------------------------------------------------------


def _limited(box: Box, script: str, resources: Resources) -> containers.Ended:
    try:
        return box.sh(script, resources=resources)
    except cgroups.NoControlGroup as error:
        pytest.skip(f"no control group for it here: {error}")


def test_memory_beyond_the_limit_ends_in_137(box: Box) -> None:
    limit = Resources(memory=24 * MIB, memory_swap=24 * MIB)
    ended = _limited(box, "exec tail -c 200000000 /dev/zero", limit)
    assert ended.status == 137
    assert ended.process.oom_killed


def test_more_processes_than_the_limit_are_refused(box: Box) -> None:
    script = "for i in 1 2 3 4 5 6 7 8; do sleep 1 & done; echo started"
    ended = _limited(box, script, Resources(pids=4))
    assert "ork" in ended.err  # "can't fork"


def test_a_cpu_limit_is_visible_in_the_group(box: Box) -> None:
    with_limit = Resources(cpu_quota=50_000, cpu_period=100_000)
    script = "cat /sys/fs/cgroup/cpu.max /sys/fs/cgroup/cpu*/cpu.cfs_quota_us 2>/dev/null; true"
    assert "50000" in _limited(box, script, with_limit).out


# -- terminal --------------------------------------------------------------------------------


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


# -- exec ------------------------------------------------------------------------------------


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


# -- robustness ------------------------------------------------------------------------------


def test_containers_start_side_by_side_from_threads(box: Box) -> None:
    statuses: list[int | None] = []

    def run(number: int) -> None:
        with box.on(Bind(lower_of(box))).start(Stdio(), "sh", "-c", f"exit {number}") as process:
            statuses.append(process.wait())

    threads = [threading.Thread(target=run, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(s for s in statuses if s is not None) == list(range(6))


def lower_of(box: Box) -> Path:
    assert isinstance(box.root, Overlay)
    return box.root.lower[0]


def test_a_killed_starter_takes_the_container_along(box: Box, tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    child = os.fork()
    if not child:
        try:
            process = box.start(Stdio(), "sleep", "5432")
            pid_file.with_suffix(".new").write_text(str(process.pid))
            pid_file.with_suffix(".new").rename(pid_file)
            signal.pause()
        finally:
            os._exit(1)
    deadline = time.monotonic() + 30
    while not pid_file.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    pid = int(pid_file.read_text())
    container = os.pidfd_open(pid)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    import select

    poller = select.poll()
    poller.register(container, select.POLLIN)
    assert poller.poll(20_000), "the container outlived its starter"
    os.close(container)
    while list(Path("/run/lamina").glob(f"*-bundles/test-{child}-*")):
        assert time.monotonic() < deadline, "the shim of crun and runc does not tidy up"
        time.sleep(0.01)


def test_the_image_s_config_says_what_is_not_asked(box: Box) -> None:
    from dataclasses import replace

    config = RunConfig(
        user="guest", env=("A=image",), entrypoint=("sh", "-c"), cmd=("id -un; pwd; echo $A",),
        working_dir="/opt",
    )  # fmt: skip
    asked = replace(box, config=config)
    plan = command.plan(
        f"test-{os.getpid()}-config",
        config,
        command.Options(),
        read_accounts(box.root),
        host.look(),
    )
    assert asked.run_plan(plan).lines == ["guest", "/opt", "image"]
