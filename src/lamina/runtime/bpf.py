"""Seccomp filters as BPF programs (runtime-spec, config-linux.md, "Seccomp"; seccomp(2)).

For each architecture a binary search over ranges of call numbers that share one fate; a call
with conditions ends in a block of its own that compares arguments. Every piece of code ends in a
return, so that pieces need no labels: a jump only ever skips the piece that follows it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from functools import cache

from lamina.errors import Invalid, Unsupported
from lamina.oci.bundle import Seccomp, SyscallArgument, SyscallRule

Instruction = tuple[int, int, int, int]  # code, jump if true, jump if false, constant
Code = list[Instruction]
Numbers = Mapping[str, Mapping[str, int]]  # call numbers by architecture, then by name

# linux/audit.h; the names are those of `syscalls.json`.
ARCHITECTURES = {
    "SCMP_ARCH_X86_64": ("x86_64", 0xC000003E),
    "SCMP_ARCH_X86": ("i386", 0x40000003),
    "SCMP_ARCH_AARCH64": ("aarch64", 0xC00000B7),
    "SCMP_ARCH_ARM": ("arm", 0x40000028),
}

# linux/filter.h
_LOAD = 0x20  # BPF_LD | BPF_W | BPF_ABS
_AND = 0x54  # BPF_ALU | BPF_AND | BPF_K
_JUMP = 0x05  # BPF_JMP | BPF_JA
_EQUAL = 0x15
_GREATER = 0x25
_AT_LEAST = 0x35
_RETURN = 0x06
_MAX_LENGTH = 4096  # BPF_MAXINSNS
_FAR = 255  # the longest conditional jump

_NUMBER, _ARCH, _ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data
_X32 = 0x40000000  # the bit that marks a call of the x32 interface
_ENOSYS = 38

_FAIL = -1  # a jump to the end of its rule, resolved when the rule's length is known


@cache
def compile(filter: Seccomp) -> bytes:
    """The program, as packed `struct sock_filter`s in this machine's byte order.

    Names that no architecture here knows are passed over, as libseccomp does. Numbers newer than
    every name in a filter that refuses give ENOSYS, so that a C library tries an older call.
    """
    tables = numbers()
    default = action(filter.default_action, filter.default_errno)
    code: Code = [(_LOAD, 0, 0, _ARCH)]
    for name in filter.architectures:
        known = ARCHITECTURES.get(name)
        if known is not None:
            table, token = known
            section = _section(filter.syscalls, tables[table], default, is_x86=table == "x86_64")
            code += [(_EQUAL, 1, 0, token), (_JUMP, 0, 0, len(section)), *section]
    code.append((_RETURN, 0, 0, default))
    if len(code) > _MAX_LENGTH:
        raise Invalid(f"a seccomp filter of {len(code)} instructions is too long")
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in code)


@cache
def numbers() -> Numbers:
    """The call numbers of every architecture that filters are made for."""
    import os

    from lamina.late import json

    with open(os.path.join(os.path.dirname(__file__), "syscalls.json"), "rb") as file:
        table: Numbers = json.loads(file.read())
    return table


def action(name: str, errno: int | None) -> int:
    """What the kernel calls an action (seccomp(2), "SECCOMP_RET_…")."""
    match name:
        case "SCMP_ACT_ALLOW":
            return 0x7FFF0000
        case "SCMP_ACT_LOG":
            return 0x7FFC0000
        case "SCMP_ACT_ERRNO":
            return 0x00050000 | (1 if errno is None else errno)
        case "SCMP_ACT_TRAP":
            return 0x00030000
        case "SCMP_ACT_KILL" | "SCMP_ACT_KILL_THREAD":
            return 0
        case "SCMP_ACT_KILL_PROCESS":
            return 0x80000000
        case "SCMP_ACT_TRACE" | "SCMP_ACT_NOTIFY":
            raise Unsupported(f'seccomp action "{name}" is not supported')
    raise Invalid(f'unknown seccomp action "{name}"')


def _section(
    rules: tuple[SyscallRule, ...], table: Mapping[str, int], default: int, *, is_x86: bool
) -> Code:
    """The decision for one architecture, from loading the number to returns."""
    by_number: dict[int, list[SyscallRule]] = {}
    for rule in rules:
        for name in rule.names:
            if name in table:
                by_number.setdefault(table[name], []).append(rule)
    ranges: list[tuple[int, Code]] = []  # first number, and what happens from there on

    def begin(number: int, block: Code) -> None:
        if ranges and ranges[-1][0] == number:
            ranges.pop()
        if not ranges or ranges[-1][1] != block:
            ranges.append((number, block))

    refused = [(_RETURN, 0, 0, default)]
    absent: Code = [(_RETURN, 0, 0, action("SCMP_ACT_ERRNO", _ENOSYS))]
    begin(0, refused)
    for number, of_number in sorted(by_number.items()):
        begin(number, _block(of_number, default))
        begin(number + 1, refused)
    newest = max(by_number, default=-1)
    if default < action("SCMP_ACT_LOG", None):  # what is refused otherwise
        begin(newest + 1, absent)
    x32: Code = [(_AT_LEAST, 0, 1, _X32), *absent] if is_x86 else []
    return [(_LOAD, 0, 0, _NUMBER), *x32, *_search(ranges)]


def _search(ranges: list[tuple[int, Code]]) -> Code:
    if len(ranges) == 1:
        return ranges[0][1]
    middle = len(ranges) // 2
    below, above = _search(ranges[:middle]), _search(ranges[middle:])
    start = ranges[middle][0]
    if len(below) <= _FAR:
        return [(_AT_LEAST, len(below), 0, start), *below, *above]
    return [(_AT_LEAST, 0, 1, start), (_JUMP, 0, 0, len(below)), *below, *above]


def _block(rules: list[SyscallRule], default: int) -> Code:
    """What happens to one call: the first rule that holds, those without conditions last."""
    code: Code = []
    for rule in sorted(rules, key=lambda rule: not rule.args):
        verdict = action(rule.action, rule.errno)
        body: Code = []
        for argument in rule.args:
            body += _COMPARISONS[_operator(argument)](argument)
        body.append((_RETURN, 0, 0, verdict))
        code += _resolve(body)
        if not rule.args:
            return code
    return [*code, (_RETURN, 0, 0, default)]


def _operator(argument: SyscallArgument) -> str:
    if argument.op not in _COMPARISONS:
        raise Invalid(f'unknown seccomp comparison "{argument.op}"')
    if not 0 <= argument.index < 6:
        raise Invalid(f"a system call has no argument {argument.index}")
    return argument.op


def _resolve(body: Code) -> Code:
    """Jumps of _FAIL land behind the body."""

    def distance(jump: int, at: int) -> int:
        return len(body) - at - 1 if jump == _FAIL else jump

    return [
        (code, distance(yes, at), distance(no, at), k) for at, (code, yes, no, k) in enumerate(body)
    ]


def _halves(argument: SyscallArgument) -> tuple[Instruction, Instruction, int, int]:
    """Loads of the upper and the lower word, and the words compared with (little-endian)."""
    low = _ARGUMENTS + 8 * argument.index
    value = argument.value
    upper, lower = (value >> 32) & 0xFFFFFFFF, value & 0xFFFFFFFF
    return (_LOAD, 0, 0, low + 4), (_LOAD, 0, 0, low), upper, lower


def _equal(argument: SyscallArgument) -> Code:
    load_upper, load_lower, upper, lower = _halves(argument)
    return [load_upper, (_EQUAL, 0, _FAIL, upper), load_lower, (_EQUAL, 0, _FAIL, lower)]


def _differs(argument: SyscallArgument) -> Code:
    load_upper, load_lower, upper, lower = _halves(argument)
    return [load_upper, (_EQUAL, 0, 2, upper), load_lower, (_EQUAL, _FAIL, 0, lower)]


def _masked(argument: SyscallArgument) -> Code:
    load_upper, load_lower, upper, lower = _halves(argument)
    wanted = argument.value_two
    return [
        load_upper,
        (_AND, 0, 0, upper),
        (_EQUAL, 0, _FAIL, (wanted >> 32) & 0xFFFFFFFF),
        load_lower,
        (_AND, 0, 0, lower),
        (_EQUAL, 0, _FAIL, wanted & 0xFFFFFFFF),
    ]


def _above(test: int) -> Callable[[SyscallArgument], Code]:
    def code(argument: SyscallArgument) -> Code:
        load_upper, load_lower, upper, lower = _halves(argument)
        return [
            load_upper,
            (_GREATER, 3, 0, upper),
            (_EQUAL, 0, _FAIL, upper),
            load_lower,
            (test, 0, _FAIL, lower),
        ]

    return code


def _below(test: int) -> Callable[[SyscallArgument], Code]:
    def code(argument: SyscallArgument) -> Code:
        load_upper, load_lower, upper, lower = _halves(argument)
        return [
            load_upper,
            (_GREATER, _FAIL, 0, upper),
            (_EQUAL, 0, 2, upper),
            load_lower,
            (test, _FAIL, 0, lower),
        ]

    return code


_COMPARISONS: Mapping[str, Callable[[SyscallArgument], Code]] = {
    "SCMP_CMP_EQ": _equal,
    "SCMP_CMP_NE": _differs,
    "SCMP_CMP_MASKED_EQ": _masked,
    "SCMP_CMP_GT": _above(_GREATER),
    "SCMP_CMP_GE": _above(_AT_LEAST),
    "SCMP_CMP_LT": _below(_AT_LEAST),
    "SCMP_CMP_LE": _below(_GREATER),
}
