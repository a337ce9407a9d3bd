"""System calls that Python's `os` does not offer, through plain ctypes; each raises OSError.

Nothing happens at import: the C library is opened by the first call.
The start of a container imports this module before anything else runs, so it stays light: no
dataclasses, no typing. Names are as in the kernel's headers (man 2 pages; `linux/mount.h`).
"""

from __future__ import annotations

import ctypes
import os
import sys

# openat2(2), "resolve"
RESOLVE_NO_XDEV = 0x01
RESOLVE_NO_MAGICLINKS = 0x02
RESOLVE_NO_SYMLINKS = 0x04
RESOLVE_BENEATH = 0x08
RESOLVE_IN_ROOT = 0x10

# clone(2), unshare(2), setns(2)
CLONE_PARENT = 0x00008000
CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

# mount(2)
MS_RDONLY = 0x1
MS_NOSUID = 0x2
MS_NODEV = 0x4
MS_NOEXEC = 0x8
MS_SYNCHRONOUS = 0x10
MS_REMOUNT = 0x20
MS_DIRSYNC = 0x80
MS_NOATIME = 0x400
MS_NODIRATIME = 0x800
MS_BIND = 0x1000
MS_MOVE = 0x2000
MS_REC = 0x4000
MS_UNBINDABLE = 0x20000
MS_PRIVATE = 0x40000
MS_SLAVE = 0x80000
MS_SHARED = 0x100000
MS_RELATIME = 0x200000
MS_STRICTATIME = 0x1000000
MNT_DETACH = 2

# fsopen(2), fsconfig(2), fsmount(2), open_tree(2), move_mount(2), mount_setattr(2)
FSOPEN_CLOEXEC = 1
FSMOUNT_CLOEXEC = 1
FSCONFIG_SET_FLAG = 0
FSCONFIG_SET_STRING = 1
FSCONFIG_CMD_CREATE = 6
OPEN_TREE_CLONE = 1
OPEN_TREE_CLOEXEC = os.O_CLOEXEC
MOVE_MOUNT_F_EMPTY_PATH = 0x4
MOVE_MOUNT_T_EMPTY_PATH = 0x40
MOUNT_ATTR_RDONLY = 0x1
MOUNT_ATTR_NOSUID = 0x2
MOUNT_ATTR_NODEV = 0x4
MOUNT_ATTR_NOEXEC = 0x8
MOUNT_ATTR_NOATIME = 0x10
AT_FDCWD = -100
AT_SYMLINK_NOFOLLOW = 0x100
AT_EMPTY_PATH = 0x1000
AT_RECURSIVE = 0x8000

# prctl(2)
PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_KEEPCAPS = 8
PR_SET_SECCOMP = 22
PR_CAPBSET_READ = 23
PR_CAPBSET_DROP = 24
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
PR_CAP_AMBIENT_CLEAR_ALL = 4

SECCOMP_MODE_FILTER = 2

# fanotify_init(2), fanotify_mark(2)
FAN_CLOEXEC = 0x1
FAN_NONBLOCK = 0x2
FAN_UNLIMITED_QUEUE = 0x10
FAN_OPEN = 0x20
FAN_MARK_ADD = 0x1
FAN_MARK_FILESYSTEM = 0x100

# Numbers that every architecture shares, then those that x86_64 numbered on its own.
_OPEN_TREE = 428
_MOVE_MOUNT = 429
_FSOPEN = 430
_FSCONFIG = 431
_FSMOUNT = 432
_CLOSE_RANGE = 436
_OPENAT2 = 437
_PIDFD_GETFD = 438
_MOUNT_SETATTR = 442
_OWN = {
    "x86_64": {"pivot_root": 155, "clone": 56},
    "aarch64": {"pivot_root": 41, "clone": 220},
}

_SYNC_FILE_RANGE_WRITE = 2
_M_ARENA_MAX = -8  # malloc.h

_library: ctypes.CDLL | None = None


def _libc() -> ctypes.CDLL:
    global _library
    if _library is None:
        _library = ctypes.CDLL(None, use_errno=True)
    return _library


def _fail(what: str, path: str | bytes | None = None) -> OSError:
    number = ctypes.get_errno()
    message = f"{what}: {os.strerror(number)}"
    return OSError(number, message) if path is None else OSError(number, message, path)


def _arguments(values: tuple[object, ...]) -> list[object]:
    # A bare int would travel as a C int: its upper half is not defined in a variadic call.
    return [ctypes.c_long(v) if isinstance(v, int) else v for v in values]


def _call(name: str, *values: object, path: str | bytes | None = None) -> int:
    result = getattr(_libc(), name)(*_arguments(values))
    if result < 0:
        raise _fail(name, path)
    return int(result)


def _syscall(name: str, number: int, *values: object, path: str | bytes | None = None) -> int:
    function = _libc().syscall
    function.restype = ctypes.c_long
    result = function(ctypes.c_long(number), *_arguments(values))
    if result < 0:
        raise _fail(name, path)
    return int(result)


def _number(name: str) -> int:
    machine = os.uname().machine
    table = _OWN.get(machine)
    if table is None:
        raise OSError(38, f'system calls of architecture "{machine}" are not known here')
    return table[name]


class _OpenHow(ctypes.Structure):
    _fields_ = [
        ("flags", ctypes.c_uint64),
        ("mode", ctypes.c_uint64),
        ("resolve", ctypes.c_uint64),
    ]


def openat2(dirfd: int, path: str | bytes, flags: int, mode: int = 0, resolve: int = 0) -> int:
    """openat2(2), Linux 5.6; always close-on-exec."""
    how = _OpenHow(flags | os.O_CLOEXEC, mode, resolve)
    size = ctypes.sizeof(how)
    name = os.fsencode(path)
    while True:
        try:
            return _syscall("openat2", _OPENAT2, dirfd, name, ctypes.byref(how), size, path=path)
        except BlockingIOError:
            continue  # somebody renamed while ".." was looked at; the manual says to try again


def unshare(flags: int) -> None:
    """unshare(2): of the calling thread alone."""
    _call("unshare", flags)


def setns(fd: int, kinds: int = 0) -> None:
    """setns(2); with a pidfd (Linux 5.8) `kinds` may name several namespaces."""
    _call("setns", fd, kinds)


def clone(flags: int) -> int:
    """fork(2) with flags: 0 in the child, its PID in the parent.

    For a process of one thread only: Python's own hooks around fork do not run.
    """
    child_on_death = 17  # SIGCHLD
    return _syscall("clone", _number("clone"), flags | child_on_death, 0, 0, 0, 0)


def mount(
    source: str | bytes | None, target: str | bytes, kind: str | None, flags: int, data: str = ""
) -> None:
    """mount(2)."""
    _call(
        "mount",
        None if source is None else os.fsencode(source),
        os.fsencode(target),
        None if kind is None else kind.encode(),
        flags,
        os.fsencode(data) if data else None,
        path=target,
    )


def umount2(target: str | bytes, flags: int = 0) -> None:
    """umount2(2)."""
    _call("umount2", os.fsencode(target), flags, path=target)


def pivot_root(new: str | bytes, put_old: str | bytes) -> None:
    """pivot_root(2); both may be "." (its NOTES)."""
    number = _number("pivot_root")
    _syscall("pivot_root", number, os.fsencode(new), os.fsencode(put_old), path=new)


def sethostname(name: str) -> None:
    """sethostname(2)."""
    encoded = os.fsencode(name)
    _call("sethostname", encoded, len(encoded))


def setdomainname(name: str) -> None:
    """setdomainname(2)."""
    encoded = os.fsencode(name)
    _call("setdomainname", encoded, len(encoded))


def fsopen(kind: str) -> int:
    """fsopen(2), Linux 5.2: a context for a new file system of `kind`."""
    return _syscall("fsopen", _FSOPEN, kind.encode(), FSOPEN_CLOEXEC)


def fsconfig_string(fd: int, key: str, value: str) -> None:
    """fsconfig(2) FSCONFIG_SET_STRING; the kernel takes at most 255 bytes of value."""
    encoded = os.fsencode(value)
    _syscall("fsconfig", _FSCONFIG, fd, FSCONFIG_SET_STRING, key.encode(), encoded, 0, path=key)


def fsconfig_flag(fd: int, key: str) -> None:
    """fsconfig(2) FSCONFIG_SET_FLAG."""
    _syscall("fsconfig", _FSCONFIG, fd, FSCONFIG_SET_FLAG, key.encode(), None, 0, path=key)


def fsconfig_create(fd: int) -> None:
    """fsconfig(2) FSCONFIG_CMD_CREATE."""
    _syscall("fsconfig", _FSCONFIG, fd, FSCONFIG_CMD_CREATE, None, None, 0)


def fsmount(fd: int, attributes: int = 0) -> int:
    """fsmount(2): a descriptor (O_PATH) of a new mount attached nowhere."""
    return _syscall("fsmount", _FSMOUNT, fd, FSMOUNT_CLOEXEC, attributes)


def open_tree(dirfd: int, path: str | bytes, flags: int) -> int:
    """open_tree(2), Linux 5.2; with OPEN_TREE_CLONE a bind mount attached nowhere."""
    name = os.fsencode(path)
    return _syscall("open_tree", _OPEN_TREE, dirfd, name, flags | OPEN_TREE_CLOEXEC, path=path)


def move_mount(fd: int, target_dirfd: int, target: str | bytes) -> None:
    """move_mount(2): attach the mount behind `fd` at `target` ("" for the directory itself)."""
    name = os.fsencode(target)
    flags = MOVE_MOUNT_F_EMPTY_PATH | (0 if name else MOVE_MOUNT_T_EMPTY_PATH)
    _syscall("move_mount", _MOVE_MOUNT, fd, b"", target_dirfd, name, flags, path=target)


class _MountAttr(ctypes.Structure):
    _fields_ = [
        ("attr_set", ctypes.c_uint64),
        ("attr_clr", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("userns_fd", ctypes.c_uint64),
    ]


def mount_setattr(
    dirfd: int, path: str | bytes, *, set_: int = 0, clear: int = 0, recursive: bool = False
) -> None:
    """mount_setattr(2), Linux 5.12; `path` "" means the mount behind `dirfd`."""
    attributes = _MountAttr(set_, clear, 0, 0)
    name = os.fsencode(path)
    flags = (0 if name else AT_EMPTY_PATH) | (AT_RECURSIVE if recursive else 0)
    size = ctypes.sizeof(attributes)
    pointer = ctypes.byref(attributes)
    _syscall("mount_setattr", _MOUNT_SETATTR, dirfd, name, flags, pointer, size, path=path)


def prctl(option: int, *values: int) -> int:
    """prctl(2)."""
    return _call("prctl", option, *(list(values) + [0] * (4 - len(values))))


def capset(*, effective: int, permitted: int, inheritable: int) -> None:
    """capset(2), version 3, of the calling thread; each set is a mask by capability number."""
    words = ctypes.c_uint32
    header = (words * 2)(0x20080522, 0)
    sets = (effective, permitted, inheritable)
    data = (words * 6)(*(s & 0xFFFFFFFF for s in sets), *(s >> 32 for s in sets))
    _call("capset", ctypes.byref(header), ctypes.byref(data))


def fanotify_init(flags: int, event_flags: int) -> int:
    """fanotify_init(2): a descriptor to read events from."""
    return _call("fanotify_init", flags, event_flags)


def fanotify_mark(fd: int, flags: int, mask: int, path: str | bytes) -> None:
    """fanotify_mark(2)."""
    _call("fanotify_mark", fd, flags, mask, AT_FDCWD, os.fsencode(path), path=path)


class _FilterProgram(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_char_p)]


def seccomp_filter(program: bytes) -> None:
    """Install a BPF program (packed `struct sock_filter`s) by prctl(2) PR_SET_SECCOMP."""
    fields = _FilterProgram(len(program) // 8, program)
    values = (SECCOMP_MODE_FILTER, ctypes.byref(fields), 0, 0)
    _call("prctl", PR_SET_SECCOMP, *values)


def pidfd_getfd(pidfd: int, fd: int) -> int:
    """pidfd_getfd(2), Linux 5.6: a duplicate of another process's descriptor."""
    return _syscall("pidfd_getfd", _PIDFD_GETFD, pidfd, fd, 0)


def begin_writing(fd: int) -> None:
    """Let the kernel write what it has of a file to the disk, and wait for nothing.

    sync_file_range(2), which promises nothing: fsync(2) has less to do later, and no more.
    """
    function = getattr(_libc(), "sync_file_range", None)
    if function is not None:
        function(fd, ctypes.c_int64(0), ctypes.c_int64(0), ctypes.c_uint(_SYNC_FILE_RANGE_WRITE))


def close_from(first: int) -> None:
    """Close every descriptor from `first` on (close_range(2), Linux 5.9, else one by one)."""
    try:
        _syscall("close_range", _CLOSE_RANGE, first, 0x7FFFFFFF, 0)
    except OSError:
        os.closerange(first, os.sysconf("SC_OPEN_MAX"))


def ignore_or_default(signal: int, *, ignore: bool) -> None:
    """signal(2) with SIG_IGN or SIG_DFL, without the `signal` module's cost at start."""
    function = _libc().signal
    function.restype = ctypes.c_void_p
    function(ctypes.c_int(signal), ctypes.c_void_p(1 if ignore else 0))


_SIGNAL_SET = 128  # bytes of a sigset_t, in glibc and musl alike


def _set_signal_mask(how: int, *, full: bool) -> None:
    signals = ctypes.create_string_buffer(_SIGNAL_SET)
    if full:
        _libc().sigfillset(signals)
    _call("sigprocmask", how, signals, None)


def block_signals() -> None:
    """Let every signal wait for `next_signal`."""
    _set_signal_mask(2, full=True)  # SIG_SETMASK


def unblock_signals() -> None:
    """Let every signal through."""
    _set_signal_mask(2, full=False)


def next_signal() -> int:
    """Wait for a blocked signal and take it (sigwait(3))."""
    signals = ctypes.create_string_buffer(_SIGNAL_SET)
    _libc().sigfillset(signals)
    number = ctypes.c_int()
    _libc().sigwait(signals, ctypes.byref(number))
    return number.value


def loopback_up() -> None:
    """Bring up the interface "lo" of the caller's network namespace; the kernel adds ::1 and
    127.0.0.1 (netdevice(7), SIOCSIFFLAGS)."""
    datagrams = _call("socket", 2, 2 | os.O_CLOEXEC, 0)  # AF_INET, SOCK_DGRAM
    try:
        up_and_running = 0x1 | 0x40
        request = ctypes.create_string_buffer(
            b"lo".ljust(16, b"\0") + up_and_running.to_bytes(2, sys.byteorder), 40
        )
        _call("ioctl", datagrams, 0x8914, request)
    finally:
        os.close(datagrams)


def use_one_heap() -> None:
    """Let all threads of this process share one heap (mallopt(3)); with glibc alone."""
    set_option = getattr(_libc(), "mallopt", None)
    if set_option is not None:
        set_option(_M_ARENA_MAX, 1)


def give_back_heap() -> None:
    """Return to the kernel what is free in this process's heap (malloc_trim(3)); with glibc."""
    trim = getattr(_libc(), "malloc_trim", None)
    if trim is not None:
        trim(0)
