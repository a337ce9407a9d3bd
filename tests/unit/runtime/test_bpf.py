"""Filters are run here by an interpreter of BPF, so that every architecture can be asked."""

from __future__ import annotations

import struct

import pytest

from lamina.errors import Invalid, Unsupported
from lamina.oci.bundle import Seccomp, SyscallArgument, SyscallRule
from lamina.runtime import bpf

ALLOW = 0x7FFF0000
EPERM, ENOSYS = 0x50001, 0x50026
TOKENS = {"x86_64": 0xC000003E, "i386": 0x40000003, "aarch64": 0xC00000B7, "arm": 0x40000028}
X86 = ("SCMP_ARCH_X86_64", "SCMP_ARCH_X86")


def run(program: bytes, machine: str, call: str | int, *arguments: int) -> int:
    """What the kernel would answer (seccomp(2), linux/filter.h)."""
    number = call if isinstance(call, int) else bpf.numbers()[machine][call]
    values = [*arguments, *[0] * (6 - len(arguments))]
    data = struct.pack("<IIQ6Q", number, TOKENS[machine], 0, *values)
    code = [struct.unpack_from("=HBBI", program, at) for at in range(0, len(program), 8)]
    at = accumulator = 0
    while True:
        operation, yes, no, k = code[at]
        at += 1
        match operation:
            case 0x20:
                accumulator = struct.unpack_from("<I", data, k)[0]
            case 0x54:
                accumulator &= k
            case 0x05:
                at += k
            case 0x15:
                at += yes if accumulator == k else no
            case 0x25:
                at += yes if accumulator > k else no
            case 0x35:
                at += yes if accumulator >= k else no
            case 0x06:
                return k
            case _:
                raise AssertionError(operation)


def of(
    *rules: SyscallRule, default: str = "SCMP_ACT_ERRNO", arches: tuple[str, ...] = X86
) -> bytes:
    return bpf.compile(Seccomp(default, arches, rules, 1))


def allowed(*names: str, args: tuple[SyscallArgument, ...] = ()) -> SyscallRule:
    return SyscallRule(names, "SCMP_ACT_ALLOW", args=args)


def test_every_number_of_every_architecture_gets_its_answer() -> None:
    names = ("read", "openat", "futex_time64", "mmap", "clone3", "openat2")
    arches = tuple(bpf.ARCHITECTURES)
    program = of(allowed(*names), arches=arches)
    for machine, table in bpf.numbers().items():
        newest = max(table[name] for name in names if name in table)
        for name, number in table.items():
            expected = ALLOW if name in names else EPERM if number <= newest else ENOSYS
            assert run(program, machine, number) == expected, (machine, name)


def test_an_architecture_that_is_not_named_gets_the_default() -> None:
    assert run(of(allowed("read")), "aarch64", "read") == EPERM


def test_the_x32_interface_is_not_there() -> None:
    assert run(of(allowed("read")), "x86_64", 0x40000000) == ENOSYS


def test_a_filter_that_allows_by_default_allows_what_is_newer() -> None:
    program = of(SyscallRule(("mkdir",), "SCMP_ACT_ERRNO", 30), default="SCMP_ACT_ALLOW")
    assert run(program, "x86_64", "mkdir") == 0x5001E
    assert run(program, "x86_64", "openat2") == run(program, "x86_64", 4000) == ALLOW


BIG = 1 << 40


@pytest.mark.parametrize(
    ("op", "value", "two", "yes", "no"),
    [
        ("EQ", BIG + 5, 0, [BIG + 5], [5, BIG, BIG + 6, BIG * 2 + 5]),
        ("NE", BIG + 5, 0, [5, BIG, BIG * 2 + 5, 0], [BIG + 5]),
        ("GT", BIG + 5, 0, [BIG + 6, BIG * 2], [BIG + 5, BIG + 4, 6, 0xFFFFFFFF]),
        ("GE", BIG + 5, 0, [BIG + 5, BIG + 6, BIG * 2], [BIG + 4, 0xFFFFFFFF]),
        ("LT", BIG + 5, 0, [BIG + 4, 0, 0xFFFFFFFF], [BIG + 5, BIG + 6, BIG * 2]),
        ("LE", BIG + 5, 0, [BIG + 5, BIG + 4, 0], [BIG + 6, BIG * 2]),
        ("MASKED_EQ", 0xF0, 0x30, [0x30, 0x3F, BIG + 0x31], [0, 0x40, 0xF0]),
    ],
)
def test_arguments_are_compared_as_64_bits(
    op: str, value: int, two: int, yes: list[int], no: list[int]
) -> None:
    argument = SyscallArgument(2, value, f"SCMP_CMP_{op}", two)
    program = of(allowed("read", args=(argument,)))
    assert {run(program, "x86_64", "read", 9, 9, given) for given in yes} == {ALLOW}
    assert {run(program, "x86_64", "read", 9, 9, given) for given in no} == {EPERM}


def test_all_conditions_of_a_rule_hold_or_the_next_rule_is_asked() -> None:
    first = SyscallArgument(0, 1, "SCMP_CMP_EQ"), SyscallArgument(1, 2, "SCMP_CMP_EQ")
    program = of(
        SyscallRule(("read",), "SCMP_ACT_ERRNO", 7),
        allowed("read", args=first),
        allowed("read", args=(SyscallArgument(0, 5, "SCMP_CMP_EQ"),)),
    )
    assert run(program, "x86_64", "read", 1, 2) == ALLOW
    assert run(program, "x86_64", "read", 1, 3) == 0x50007
    assert run(program, "x86_64", "read", 5, 3) == ALLOW


def test_names_that_no_architecture_has_are_passed_over() -> None:
    assert run(of(allowed("nosuchcall", "read")), "x86_64", "read") == ALLOW


@pytest.mark.parametrize("action", ["SCMP_ACT_TRACE", "SCMP_ACT_NOTIFY"])
def test_actions_that_need_a_companion_are_refused(action: str) -> None:
    with pytest.raises(Unsupported, match=action):
        of(SyscallRule(("read",), action))


def test_nonsense_is_refused() -> None:
    with pytest.raises(Invalid, match="SCMP_ACT_WHAT"):
        of(SyscallRule(("read",), "SCMP_ACT_WHAT"))
    with pytest.raises(Invalid, match="SCMP_CMP_WHAT"):
        of(allowed("read", args=(SyscallArgument(0, 1, "SCMP_CMP_WHAT"),)))
    with pytest.raises(Invalid, match="no argument 6"):
        of(allowed("read", args=(SyscallArgument(6, 1, "SCMP_CMP_EQ"),)))
