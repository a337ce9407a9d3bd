"""A program of a few bytes that executes another one, and so stands between it and this Python.

A process of a container can find the file that it was executed from by way of /proc: an image's
command that begins with "#!/proc/self/exe" executes that file once more, and others inside could
write to it then (CVE-2019-5736). Were it this Python, every later command of the host would be the
image's. So a process that was cloned from this one executes this program first, from memory that
nobody can write to, and it executes the command.

    argv: path of the command, the command's argv...    descriptor 5: takes the errno if that fails
"""

from __future__ import annotations

import os

STATUS = 5  # the program has this number in it
CALLS = ("execveat", "execve", "fcntl", "write", "exit_group")  # to it, and by it

# What `as` makes of it, on x86_64:
#     mov $72, %eax; mov $5, %edi; mov $2, %esi; mov $1, %edx; syscall      fcntl(5, F_SETFD, 1)
#     test %eax, %eax; jnz 1f
#     mov (%rsp), %rax; mov 8(%rsp), %rdi; lea 16(%rsp), %rsi; lea 16(%rsp,%rax,8), %rdx
#     mov $59, %eax; syscall                                 execve(argv[0], argv + 1, environment)
# 1:  push %rax
#     mov $1, %eax; mov $5, %edi; mov %rsp, %rsi; mov $4, %edx; syscall     write(5, &errno, 4)
#     mov $125, %edi; mov $231, %eax; syscall                               exit_group(125)
# and the same on aarch64:
#     mov x8, #25; mov x0, #5; mov x1, #2; mov x2, #1; svc #0; cbnz w0, 1f
#     ldr x9, [sp]; ldr x0, [sp, #8]; add x1, sp, #16; add x2, x1, x9, lsl #3; mov x8, #221; svc #0
# 1:  str x0, [sp, #-16]!; mov x8, #64; mov x0, #5; mov x1, sp; mov x2, #4; svc #0
#     mov x0, #125; mov x8, #94; svc #0
_CODE = {
    "x86_64": bytes.fromhex(
        "b848000000bf05000000be02000000ba010000000f0585c0751a"
        "488b0424488b7c2408488d742410488d54c410b83b0000000f05"
        "50b801000000bf050000004889e6ba040000000f05bf7d000000b8e70000000f05"
    ),
    "aarch64": bytes.fromhex(
        "280380d2a00080d2410080d2220080d2010000d4e0000035"
        "e90340f9e00740f9e1430091220c098ba81b80d2010000d4"
        "e00f1ff8080880d2a00080d2e1030091820080d2010000d4a00f80d2c80b80d2010000d4"
    ),
}
_MACHINES = {"x86_64": 62, "aarch64": 183}  # e_machine
_BASE = 0x400000  # where it is loaded
_HEADER, _SEGMENT = 64, 56  # bytes
_MFD_EXEC = 0x10  # Linux 6.3; older ones know no other kind


def is_known() -> bool:
    """Whether there is such a program for this machine."""
    return os.uname().machine in _CODE


def make() -> int:
    """A descriptor to execute it by, sealed; OSError where memory may not be executed."""
    import fcntl

    data = program(os.uname().machine)
    flags = os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING
    try:
        fd = os.memfd_create("lamina", flags | _MFD_EXEC)
    except OSError:
        fd = os.memfd_create("lamina", flags)
    try:
        os.write(fd, data)
        seals = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
    except BaseException:
        os.close(fd)
        raise
    return fd


def program(machine: str) -> bytes:
    """The whole file (elf(5)): header, two segments, code; little-endian, 64 bits, static."""
    code = _CODE[machine]
    start = _HEADER + 2 * _SEGMENT
    size = start + len(code)
    header = b"".join(
        (
            b"\x7fELF\x02\x01\x01".ljust(16, b"\0"),
            _words(2, 2, _MACHINES[machine]),  # ET_EXEC
            _words(4, 1),
            _words(8, _BASE + start, _HEADER, 0),  # where it begins; the segments; no sections
            _words(4, 0),
            _words(2, _HEADER, _SEGMENT, 2, 64, 0, 0),
        )
    )
    text = _words(4, 1, 0b101) + _words(8, 0, _BASE, _BASE, size, size, 0x1000)  # PT_LOAD, r-x
    stack = _words(4, 0x6474E551, 0b110) + _words(8, 0, 0, 0, 0, 0, 16)  # PT_GNU_STACK, rw-
    return header + text + stack + code


def _words(size: int, *numbers: int) -> bytes:
    return b"".join(number.to_bytes(size, "little") for number in numbers)
