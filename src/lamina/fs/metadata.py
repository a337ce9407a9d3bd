"""What a file is besides its bytes: owner, mode, times, extended attributes; and its holes."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Mapping

_FICLONE = 0x40049409
_COPY = 1 << 20  # bytes per read where the kernel cannot copy by itself
_RANGE = 1 << 30  # bytes asked of one copy_file_range

# overlayfs keeps its own state in these, and would believe what a layer claims in them.
PRIVATE_XATTRS = ("trusted.overlay.", "user.overlay.")


def xattr_path(dirfd: int, name: str) -> str:
    """A path for the xattr calls, which take no directory descriptor; for `name` in `dirfd`."""
    return f"/proc/self/fd/{dirfd}/{name}"


def read_xattrs(target: int | str, *, follow: bool = False) -> dict[str, bytes]:
    """All extended attributes but overlayfs's own, by name; {} where there are none to keep."""
    try:
        names = (
            os.listxattr(target)
            if isinstance(target, int)
            else os.listxattr(target, follow_symlinks=follow)
        )
    except OSError as error:
        if error.errno == errno.ENOTSUP:
            return {}
        raise
    if not names:
        return {}
    found: dict[str, bytes] = {}
    for name in sorted(names):
        if name.startswith(PRIVATE_XATTRS):
            continue
        try:
            found[name] = (
                os.getxattr(target, name)
                if isinstance(target, int)
                else os.getxattr(target, name, follow_symlinks=follow)
            )
        except OSError as error:
            # ENODATA: removed since the list was read. ENOTSUP: listed by a security module only.
            if error.errno not in (errno.ENODATA, errno.ENOTSUP):
                raise
    return found


def write_xattrs(
    target: int | str, xattrs: Mapping[str, bytes], *, follow: bool = False
) -> list[str]:
    """Set each attribute but overlayfs's own; the names that this file system cannot keep."""
    refused: list[str] = []
    for name, value in xattrs.items():
        if name.startswith(PRIVATE_XATTRS):
            continue
        try:
            if isinstance(target, int):
                os.setxattr(target, name, value)
            else:
                os.setxattr(target, name, value, follow_symlinks=follow)
        except OSError as error:
            # EPERM: "user." on what is neither file nor directory, which no system allows.
            if error.errno == errno.ENOTSUP or (
                error.errno == errno.EPERM and name.startswith("user.")
            ):
                refused.append(name)
                continue
            raise
    return refused


def umask() -> int:
    """This process's umask, read without setting it, which other threads would notice."""
    try:
        with open("/proc/self/status", "rb") as status:
            for line in status:
                if line.startswith(b"Umask:"):
                    return int(line[6:], 8)
    except OSError:
        pass
    return 0o777  # not known: no bit counts as set by open


def copy_metadata(source: int, target: int, *, owner: bool = True, times: bool = True) -> None:
    """Give the open file or directory `target` the owner, mode, attributes, times of `source`."""
    found = os.fstat(source)
    if owner:
        os.fchown(target, found.st_uid, found.st_gid)
    # After the owner: chown clears the set-ID bits and security.capability.
    os.fchmod(target, found.st_mode & 0o7777)
    write_xattrs(target, read_xattrs(source))
    if times:
        os.utime(target, ns=(found.st_atime_ns, found.st_mtime_ns))


def copy_file(source: int, target: int) -> int:
    """Copy the whole content of an open file into an empty one; its size in bytes.

    Shares the blocks where the file system can, else copies inside the kernel, else by reading
    and writing; holes stay holes.
    """
    size = os.fstat(source).st_size
    if size == 0:
        return 0
    try:
        fcntl.ioctl(target, _FICLONE, source)
        return size
    except OSError:
        pass  # another file system, or one without shared blocks
    os.ftruncate(target, size)
    for start, length in data_extents(source, size):
        _copy_range(source, target, start, length)
    return size


def data_extents(fd: int, size: int) -> list[tuple[int, int]]:
    """Where the file has data, as (offset, length) in order; the rest up to `size` is holes."""
    extents: list[tuple[int, int]] = []
    at = 0
    while at < size:
        try:
            start = os.lseek(fd, at, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # nothing but a hole up to the end
                break
            if error.errno == errno.EINVAL:  # the file system does not say
                return [(0, size)]
            raise
        if start >= size:
            break
        at = min(os.lseek(fd, start, os.SEEK_HOLE), size)
        extents.append((start, at - start))
    return extents


def _copy_range(source: int, target: int, start: int, length: int) -> None:
    while length:
        try:
            done = os.copy_file_range(source, target, min(length, _RANGE), start, start)
        except OSError as error:
            if error.errno not in (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP):
                raise
            done = 0
        if not done:  # 0 also where a special file system pretends to be empty
            data = os.pread(source, min(length, _COPY), start)
            if not data:
                return  # it shrank meanwhile
            done = os.pwrite(target, data, start)
        start += done
        length -= done
