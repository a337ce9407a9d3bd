"""What a command may: capabilities, system calls, devices, limits."""

from __future__ import annotations

import errno
import os
import sys

import pytest

import containers
from containers import Box
from lamina.oci.bundle import Resources
from lamina.runtime import cgroups, host

MIB = 1024 * 1024


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
    script = "i=0; while [ $i -lt 40 ]; do sleep 1 & i=$((i+1)); done; echo started"
    # runc's own start counts too: it has several threads, and dies of a limit as low as four.
    ended = _limited(box, script, Resources(pids=20))
    assert "ork" in ended.err  # "can't fork"


def test_a_cpu_limit_is_visible_in_the_group(box: Box) -> None:
    with_limit = Resources(cpu_quota=50_000, cpu_period=100_000)
    script = "cat /sys/fs/cgroup/cpu.max /sys/fs/cgroup/cpu*/cpu.cfs_quota_us 2>/dev/null; true"
    assert "50000" in _limited(box, script, with_limit).out
