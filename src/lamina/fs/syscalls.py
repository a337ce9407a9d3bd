"""Linux system calls that the standard library lacks, by ctypes; each raises OSError."""

from __future__ import annotations

import ctypes
import os
from functools import cache

_SYS_OPENAT2 = 437  # the same on every architecture since the 2019 renumbering

RESOLVE_NO_XDEV = 0x01
RESOLVE_NO_MAGICLINKS = 0x02
RESOLVE_NO_SYMLINKS = 0x04
RESOLVE_BENEATH = 0x08
RESOLVE_IN_ROOT = 0x10


class _OpenHow(ctypes.Structure):
    _fields_ = [
        ("flags", ctypes.c_uint64),
        ("mode", ctypes.c_uint64),
        ("resolve", ctypes.c_uint64),
    ]


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def openat2(
    dirfd: int, path: bytes | str, flags: int, mode: int = 0, resolve: int = RESOLVE_IN_ROOT
) -> int:
    """openat2(2): a new descriptor, always close-on-exec; the caller closes it."""
    name = os.fsencode(path)
    how = _OpenHow(flags | os.O_CLOEXEC, mode, resolve)
    while True:
        fd = int(
            _libc().syscall(
                ctypes.c_long(_SYS_OPENAT2),
                ctypes.c_int(dirfd),
                ctypes.c_char_p(name),
                ctypes.byref(how),
                ctypes.c_size_t(ctypes.sizeof(how)),
            )
        )
        if fd >= 0:
            return fd
        error = ctypes.get_errno()
        if error not in (4, 11):  # EINTR; EAGAIN: a rename elsewhere raced with a ".."
            raise OSError(error, os.strerror(error), os.fsdecode(name))
