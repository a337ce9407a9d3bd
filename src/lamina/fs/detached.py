"""Mounts attached nowhere: descriptors that show up in no mount table and die with their holder.

Plain arguments only and nothing heavy imported, for the start of a container comes through here.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress

from lamina.fs import lending, syscalls

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Image = tuple[str, str, bool]  # of metadata, the file with the data, whether by loop devices

# Each may be on by default in a kernel's configuration, and would store in an upper directory
# what a reader of that directory alone cannot follow.
_OVERLAY_OPTIONS = (
    ("source", "overlay"),  # what df shows, as in docker's containers
    ("redirect_dir", "off"),
    ("metacopy", "off"),
    ("index", "off"),
)
_DIRECTORY = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC


def overlay(
    lower: Sequence[str | Image],
    upper: str | None,
    work: str | None,
    attributes: int = 0,
    *,
    narrow: bool = False,
    volatile: bool = False,
    attached: bool = False,
) -> int:
    """A new overlay mount, `lower` topmost first; caller closes. OSError as the kernel's.

    `narrow`: inode numbers of 32 bits. `volatile`: nothing is synced, not even when asked for or
    at the end. Before Linux 6.15 what lies below an overlay has to be attached somewhere: so it is
    for a moment, in a namespace of its own, if there is no other way or `attached` says so.
    """

    def mount(attached: bool) -> int:
        return _overlay(
            lower, upper, work, attributes, narrow=narrow, volatile=volatile, attached=attached
        )

    if not attached:
        try:
            return mount(False)
        except OSError as error:
            if error.errno != errno.EINVAL or all(isinstance(path, str) for path in lower):
                raise
    return _aside(lambda: mount(True))


def _overlay(
    lower: Sequence[str | Image],
    upper: str | None,
    work: str | None,
    attributes: int,
    *,
    narrow: bool,
    volatile: bool,
    attached: bool,
) -> int:
    """`overlay`; if `attached`, each image is mounted where it lies, in a namespace for that.

    Directories are named by descriptor: no path is too long for fsconfig(2), and none needs the
    escaping of ":" and ",".
    """
    paths = [path for path in (*lower, upper, work) if isinstance(path, str)]
    held: dict[str | Image, int] = {}
    context = syscalls.fsopen("overlay")
    try:
        for path in paths:
            held[path] = os.open(path, _DIRECTORY)
        for image in lower:
            if not isinstance(image, str) and image not in held:
                fd = None if attached else lending.found(image[0])
                held[image] = new_erofs(image) if fd is None else fd
                if attached:
                    attach(held[image], os.path.dirname(image[0]))
        names = {path: f"/proc/self/fd/{fd}" for path, fd in held.items()}
        _add_lowers(context, [names[path] for path in lower])
        if upper is not None:
            syscalls.fsconfig_string(context, "upperdir", names[upper])
        if work is not None:
            syscalls.fsconfig_string(context, "workdir", names[work])
        if volatile and work is not None:
            _forget_volatile(held[work])
            syscalls.fsconfig_flag(context, "volatile")
        for key, value in _OVERLAY_OPTIONS:
            syscalls.fsconfig_string(context, key, value)
        # One device number for all files, where they come from several file systems: programs
        # that stay on one would pass over every file of the others. Nothing of it is stored. It
        # takes inode numbers of 64 bits, by which old programs of 32 bits cannot stat a file.
        is_mixed = any(not isinstance(path, str) for path in lower)
        syscalls.fsconfig_string(context, "xino", "on" if is_mixed and not narrow else "off")
        syscalls.fsconfig_create(context)
        return syscalls.fsmount(context, attributes)
    finally:
        for fd in (context, *held.values()):
            os.close(fd)


def null() -> int:
    """A null device in a file system of its own, whose owner is nobody else's matter; to close.

    OSError where this process may make no device.
    """
    context = syscalls.fsopen("tmpfs")
    try:
        syscalls.fsconfig_create(context)
        root = syscalls.fsmount(context)
    finally:
        os.close(context)
    try:
        os.mknod("null", stat.S_IFCHR | 0o666, os.makedev(1, 3), dir_fd=root)
        return os.open("null", os.O_RDWR | os.O_CLOEXEC, dir_fd=root)
    finally:
        os.close(root)


def _forget_volatile(work: int) -> None:
    """Take away the mark by which the kernel refuses to mount again what was volatile once.

    It means that something may be lost. Whoever says `volatile` does not mind.
    """
    place = "work/incompat/volatile"
    with suppress(FileNotFoundError):
        os.unlink(f"{place}/dirty", dir_fd=work)
    for name in (place, os.path.dirname(place)):
        with suppress(FileNotFoundError):
            os.rmdir(name, dir_fd=work)


def _aside(call: Callable[[], int]) -> int:
    """What `call` returns, made in a thread whose mount namespace goes with it."""
    from threading import Thread

    found: list[int | BaseException] = []

    def run() -> None:
        try:
            syscalls.unshare(syscalls.CLONE_NEWNS)
            syscalls.mount(None, "/", None, syscalls.MS_REC | syscalls.MS_PRIVATE)
            found.append(call())
        except BaseException as error:  # noqa: BLE001  # carried over to the caller's thread
            found.append(error)

    thread = Thread(target=run, name="lamina-mount")
    thread.start()
    thread.join()
    if isinstance(found[0], BaseException):
        raise found[0]
    return found[0]


def erofs(image: Image, attributes: int = 0) -> int:
    """A mount of an EROFS image whose file data is in another file; caller closes.

    It shares the superblock of one that somebody lends, else it is as `new_erofs` makes it.
    """
    fd = lending.taken(image[0])
    if fd is None:
        return new_erofs(image, attributes)
    if attributes:
        try:
            syscalls.mount_setattr(fd, "", set_=attributes)
        except BaseException:
            os.close(fd)
            raise
    return fd


def new_erofs(image: Image, attributes: int = 0) -> int:
    """As `erofs`, a superblock of its own.

    From the files where the kernel can (Linux 6.12; ENOTBLK where it cannot), or by loop devices,
    which go with the mount.
    """
    path, data, by_loop = image
    held: list[int] = []

    def name(path: str) -> str:
        held.append(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
        if not by_loop:
            return f"/proc/self/fd/{held[-1]}"
        from lamina.fs import loop  # few kernels need it

        fd, device = loop.attached(held[-1])
        held.append(fd)
        return device

    try:
        context = syscalls.fsopen("erofs")
        held.append(context)
        syscalls.fsconfig_string(context, "source", name(path))
        syscalls.fsconfig_string(context, "device", name(data))
        syscalls.fsconfig_flag(context, "ro")
        syscalls.fsconfig_create(context)
        return syscalls.fsmount(context, attributes | syscalls.MOUNT_ATTR_RDONLY)
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
