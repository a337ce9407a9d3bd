"""Mounts attached nowhere: descriptors that show up in no mount table and die with their holder.

Plain arguments only and nothing heavy imported, for the start of a container comes through here.
"""

from __future__ import annotations

import errno
import os

from lamina.fs import syscalls

# Each may be on by default in a kernel's configuration, and would store in an upper directory
# what a reader of that directory alone cannot follow.
_OVERLAY_OPTIONS = (
    ("redirect_dir", "off"),
    ("metacopy", "off"),
    ("index", "off"),
    ("xino", "off"),
)
_DIRECTORY = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC


def overlay(lower: list[str], upper: str | None, work: str | None, attributes: int = 0) -> int:
    """A new overlay mount, `lower` topmost first; caller closes. OSError as the kernel's.

    Directories are named by descriptor: no path is too long for fsconfig(2), and none needs the
    escaping of ":" and ",".
    """
    held: list[int] = []

    def name(path: str) -> str:
        held.append(os.open(path, _DIRECTORY))
        return f"/proc/self/fd/{held[-1]}"

    try:
        context = syscalls.fsopen("overlay")
        held.append(context)
        _add_lowers(context, [name(path) for path in lower])
        if upper is not None:
            syscalls.fsconfig_string(context, "upperdir", name(upper))
        if work is not None:
            syscalls.fsconfig_string(context, "workdir", name(work))
        for key, value in _OVERLAY_OPTIONS:
            syscalls.fsconfig_string(context, key, value)
        syscalls.fsconfig_create(context)
        return syscalls.fsmount(context, attributes)
    finally:
        for fd in held:
            os.close(fd)


def _add_lowers(context: int, names: list[str]) -> None:
    try:
        for name in names:
            syscalls.fsconfig_string(context, "lowerdir+", name)
    except OSError as error:
        if error.errno != errno.EINVAL or name != names[0]:
            raise
        # Linux before 6.5 knows only the joined form, of at most 255 bytes.
        syscalls.fsconfig_string(context, "lowerdir", ":".join(names))


def clone(path: str, *, recursive: bool = False, dirfd: int = syscalls.AT_FDCWD) -> int:
    """A bind mount of `path` (links followed), with what is mounted below it if `recursive`."""
    flags = syscalls.OPEN_TREE_CLONE | (syscalls.AT_RECURSIVE if recursive else 0)
    if not path:
        flags |= syscalls.AT_EMPTY_PATH
    return syscalls.open_tree(dirfd, path, flags)


def make_read_only(fd: int, *, recursive: bool = False) -> None:
    """Make the mount behind `fd` refuse writes; ENOSYS before Linux 5.12."""
    syscalls.mount_setattr(fd, "", set_=syscalls.MOUNT_ATTR_RDONLY, recursive=recursive)


def attach(fd: int, target: str) -> None:
    """Put the mount behind `fd` at the existing `target`, in the caller's mount namespace."""
    syscalls.move_mount(fd, syscalls.AT_FDCWD, target)
