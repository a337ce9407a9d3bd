from __future__ import annotations

import json

import pytest

from lamina.errors import Invalid, Unsupported
from lamina.oci.bundle import Seccomp, SyscallArgument, SyscallRule
from lamina.runtime import bpf, seccomp, trampoline
from lamina.runtime.defaults import CAPABILITIES, DEFAULT_CAPABILITIES
from unit.runtime.test_bpf import ALLOW, ENOSYS, EPERM, run

MACHINES = pytest.mark.parametrize("machine", ["x86_64", "aarch64"])


def default(machine: str, *more: str) -> bytes:
    return bpf.compile(seccomp.default(machine, DEFAULT_CAPABILITIES | set(more)))


@MACHINES
def test_ordinary_calls_are_allowed(machine: str) -> None:
    program = default(machine)
    for name in ("read", "openat", "execve", "futex", "ptrace", "chroot", "fchmodat2", "statx"):
        assert run(program, machine, name) == ALLOW, name


@MACHINES
def test_calls_that_reach_out_are_refused(machine: str) -> None:
    program = default(machine)
    names = ("mount", "unshare", "setns", "keyctl", "bpf", "kexec_load", "io_uring_setup", "reboot")
    for name in names:
        assert run(program, machine, name) == EPERM, name


@MACHINES
def test_new_namespaces_are_refused_to_clone(machine: str) -> None:
    program = default(machine)
    assert run(program, machine, "clone", 0x11 | 0x100) == ALLOW
    assert run(program, machine, "clone", 0x11 | 0x10000000) == EPERM
    assert run(program, machine, "clone3") == ENOSYS
    assert run(default(machine, "CAP_SYS_ADMIN"), machine, "clone3") == ALLOW


@pytest.mark.parametrize(
    ("capability", "call"),
    [
        ("CAP_SYS_ADMIN", "mount"),
        ("CAP_SYS_TIME", "settimeofday"),
        ("CAP_SYS_BOOT", "reboot"),
        ("CAP_SYS_MODULE", "finit_module"),
        ("CAP_SYSLOG", "syslog"),
        ("CAP_BPF", "bpf"),
        ("CAP_DAC_READ_SEARCH", "open_by_handle_at"),
    ],
)
def test_a_capability_brings_its_calls(capability: str, call: str) -> None:
    assert run(default("x86_64"), "x86_64", call) == EPERM
    assert run(default("x86_64", capability), "x86_64", call) == ALLOW


def test_32_bit_programs_are_filtered_alike() -> None:
    program = default("x86_64")
    assert run(program, "i386", "clock_gettime64") == ALLOW
    assert run(program, "i386", "mount") == run(program, "i386", "vm86") == EPERM
    assert run(default("aarch64"), "arm", "set_tls") == ALLOW


def test_vsock_is_refused() -> None:
    assert run(default("x86_64"), "x86_64", "socket", 2) == ALLOW
    assert run(default("x86_64"), "x86_64", "socket", 40) == EPERM


def test_every_refused_name_is_a_call_of_some_architecture() -> None:
    known = {name for table in bpf.numbers().values() for name in table}
    needing = {name for names in seccomp._NEEDS.values() for name in names}
    assert needing - known == set()
    assert set(seccomp._NEEDS) <= set(CAPABILITIES)


def test_another_architecture_is_refused_by_name() -> None:
    with pytest.raises(Unsupported, match="riscv64"):
        seccomp.default("riscv64", DEFAULT_CAPABILITIES)


def profile(**entry: object) -> str:
    rule = {"names": ["mount"], "action": "SCMP_ACT_ALLOW", **entry}
    return json.dumps({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [rule]})


@pytest.mark.parametrize(
    ("entry", "applies"),
    [
        ({}, True),
        ({"includes": {"caps": ["CAP_CHOWN"]}}, True),
        ({"includes": {"caps": ["CAP_SYS_ADMIN"]}}, False),
        ({"excludes": {"caps": ["CAP_CHOWN"]}}, False),
        ({"includes": {"arches": ["amd64"]}}, True),
        ({"includes": {"arches": ["s390x"]}}, False),
        ({"excludes": {"arches": ["amd64"]}}, False),
        ({"includes": {"minKernel": "3.0"}}, True),
        ({"includes": {"minKernel": "99.1"}}, False),
    ],
)
def test_conditions_of_docker_s_profiles_are_decided(
    entry: dict[str, object], applies: bool
) -> None:
    loaded = seccomp.load(profile(**entry), "x86_64", frozenset({"CAP_CHOWN"}))
    assert bool(loaded.syscalls) is applies


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"defaultAction": "SCMP_ACT_WHAT", "syscalls": []}',
        profile(args=[{"index": "0", "value": 1, "op": "SCMP_CMP_EQ"}]),
        profile(names=7),
    ],
)
def test_what_is_no_profile_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        seccomp.load(text, "x86_64", frozenset())


@pytest.mark.parametrize(
    ("default", "rules", "expected"),
    [
        ("SCMP_ACT_ALLOW", (), True),
        ("SCMP_ACT_ERRNO", (), False),
        ("SCMP_ACT_ERRNO", (SyscallRule(("write", "fcntl"), "SCMP_ACT_ALLOW"),), True),
        ("SCMP_ACT_ERRNO", (SyscallRule(("write",), "SCMP_ACT_ALLOW"),), False),
        ("SCMP_ACT_ALLOW", (SyscallRule(("fcntl",), "SCMP_ACT_ERRNO"),), False),
        (
            "SCMP_ACT_ERRNO",
            (
                SyscallRule(("write",), "SCMP_ACT_ALLOW"),
                SyscallRule(
                    ("fcntl",), "SCMP_ACT_ALLOW", args=(SyscallArgument(0, 1, "SCMP_CMP_EQ"),)
                ),
            ),
            False,
        ),
    ],
)
def test_what_a_filter_lets_through_in_any_case(
    default: str, rules: tuple[SyscallRule, ...], expected: bool
) -> None:
    filter = Seccomp(default, (), rules)
    assert seccomp.allows(filter, ("write", "fcntl")) is expected


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_usual_filter_lets_the_trampoline_through(machine: str) -> None:
    assert seccomp.allows(seccomp.default(machine, frozenset()), trampoline.CALLS)
