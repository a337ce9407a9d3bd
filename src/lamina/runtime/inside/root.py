"""The container's tree: its root, the file systems of its own, what is masked and what read-only.

Bind sources are open already (`sources`); from the pivot on a path means the container's, so a
hostile link leads nowhere but inside.
"""

from __future__ import annotations

import errno
import os
import stat

from lamina.fs import detached, syscalls
from lamina.runtime.inside import options
from lamina.runtime.inside.report import Refused, explain
from lamina.runtime.inside.sources import make_node

TYPE_CHECKING = False  # the `typing` module is too heavy for here
if TYPE_CHECKING:
    from typing import Any

_LINKS = (
    ("/dev/fd", "/proc/self/fd"),
    ("/dev/stdin", "/proc/self/fd/0"),
    ("/dev/stdout", "/proc/self/fd/1"),
    ("/dev/stderr", "/proc/self/fd/2"),
    ("/dev/ptmx", "pts/ptmx"),
    ("/dev/core", "/proc/kcore"),
)


def enter(fd: int, scratch: str) -> None:
    """Make the mount behind `fd` the root, and let go of the host's."""
    try:
        detached.attach(fd, scratch)
        os.fchdir(fd)
        os.close(fd)
        syscalls.pivot_root(".", ".")
        syscalls.umount2(".", syscalls.MNT_DETACH)
        os.chdir("/")
    except OSError as error:
        raise Refused("setup", explain("entering the root", error)) from error


class Tree:
    """Mounts into the root after the pivot, and remembers the mount points that it had to make."""

    def __init__(self) -> None:
        self.created: list[str] = []
        self._device = os.stat("/").st_dev

    def mount(self, mount: dict[str, Any], bind: int | None, *, with_devices: bool) -> None:
        """One mount of config.md, "Mounts"; `bind` is the detached mount of its source."""
        destination = mount["destination"]
        flags, propagation, data, recursive = options.split(mount["options"])
        try:
            if bind is not None:
                target = self._bind(destination, bind, flags, recursive, with_devices=with_devices)
            else:
                target = self.directory(destination)
                if mount["type"] == "tmpfs" and not with_devices and destination == "/dev":
                    flags |= syscalls.MS_NODEV
                syscalls.mount(mount["source"], target, mount["type"], flags, data)
            if propagation:
                syscalls.mount(None, target, None, propagation)
        except OSError as error:
            what = f'mounting {mount["type"]} at "{destination}":'
            raise Refused("setup", explain(what, error)) from error

    def _bind(
        self, destination: str, fd: int, flags: int, recursive: bool, *, with_devices: bool
    ) -> str:
        found = os.fstat(fd)
        is_directory = stat.S_ISDIR(found.st_mode)
        is_device = stat.S_ISCHR(found.st_mode) or stat.S_ISBLK(found.st_mode)
        target = self.directory(destination) if is_directory else self.file(destination)
        wanted = options.attributes(flags)
        if not with_devices and not is_device:
            wanted |= syscalls.MOUNT_ATTR_NODEV
        if wanted:
            syscalls.mount_setattr(fd, "", set_=wanted, recursive=recursive)
        detached.attach(fd, target)
        os.close(fd)
        return target

    def directory(self, path: str) -> str:
        """A directory at `path`, made with its parents if missing; where links lead."""
        try:
            if stat.S_ISDIR(os.stat(path).st_mode):
                return path
            raise Refused("setup", f'"{path}" is not a directory, and a directory belongs there')
        except FileNotFoundError:
            path = os.path.realpath(path)
        self.directory(os.path.dirname(path))
        self._make(path, lambda: os.mkdir(path, 0o755))
        return path

    def file(self, path: str) -> str:
        """A file at `path`, made empty with its parents if missing; where links lead."""
        try:
            if not stat.S_ISDIR(os.stat(path).st_mode):
                return path
            raise Refused("setup", f'"{path}" is a directory, and a file belongs there')
        except FileNotFoundError:
            path = os.path.realpath(path)
        self.directory(os.path.dirname(path))
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        self._make(path, lambda: os.close(os.open(path, flags, 0o644)))
        return path

    def _make(self, path: str, make: Any) -> None:
        parent = os.path.dirname(path)
        before = os.stat(parent)
        try:
            make()
        except FileExistsError:
            if before.st_dev == self._device:
                raise
            return  # another container has made it, in a directory that both have mounted
        if before.st_dev == self._device:
            self.created.append(path)
            os.utime(parent, ns=(before.st_atime_ns, before.st_mtime_ns))

    def cgroups(self, mount: dict[str, Any], hierarchies: list[tuple[str, str, str]]) -> None:
        """/sys/fs/cgroup as the container's control group namespace shows it.

        `hierarchies` are the host's: (file system, options, name below /sys/fs/cgroup). One that
        this kernel does not mount again is left out; there is none to show then.
        """
        flags, _, _, _ = options.split(mount["options"])
        target = self.directory(mount["destination"])
        try:
            if [name for _, _, name in hierarchies] == [""]:
                syscalls.mount("cgroup", target, "cgroup2", flags)
                return
            writable = flags & ~syscalls.MS_RDONLY
            syscalls.mount("tmpfs", target, "tmpfs", writable, "mode=755,size=64k")
            for kind, data, name in hierarchies:
                self._hierarchy(f"{target}/{name}", kind, data, flags)
            remount = syscalls.MS_REMOUNT | syscalls.MS_BIND
            if flags & syscalls.MS_RDONLY:
                syscalls.mount(None, target, None, remount | flags)
        except OSError as error:
            raise Refused("setup", explain("mounting control groups", error)) from error

    @staticmethod
    def _hierarchy(path: str, kind: str, data: str, flags: int) -> None:
        os.mkdir(path, 0o755)
        try:
            syscalls.mount("cgroup", path, kind, flags, data)
        except OSError:
            os.rmdir(path)
            return
        for part in os.path.basename(path).split(","):
            if part != os.path.basename(path):
                os.symlink(os.path.basename(path), f"{os.path.dirname(path)}/{part}")

    def devices(self, nodes: list[dict[str, Any]], binds: list[int]) -> None:
        """What belongs into /dev; `binds` are the nodes as mounts, or none to make them."""
        try:
            for number, node in enumerate(nodes):
                self.directory(os.path.dirname(node["path"]))
                if binds:
                    detached.attach(binds[number], self.file(node["path"]))
                    os.close(binds[number])
                elif not os.path.lexists(node["path"]):
                    make_node(node["path"], node)
            for path, target in _LINKS:
                if not os.path.lexists(path):
                    os.symlink(target, path)
        except OSError as error:
            raise Refused("setup", explain("making device", error)) from error

    def mask(self, path: str) -> None:
        """Hide what is at `path`, if anything (config-linux.md, "Masked Paths")."""
        try:
            syscalls.mount("/dev/null", path, None, syscalls.MS_BIND)
        except OSError as error:
            if error.errno == errno.ENOTDIR:
                flags = syscalls.MS_RDONLY | syscalls.MS_NODEV | syscalls.MS_NOSUID
                syscalls.mount("tmpfs", path, "tmpfs", flags, "size=0k")
            elif error.errno != errno.ENOENT:
                raise Refused("setup", explain("masking", error)) from error

    def read_only(self, path: str) -> None:
        """Make what is at `path`, if anything, refuse writes (… "Readonly Paths")."""
        try:
            syscalls.mount(path, path, None, syscalls.MS_BIND | syscalls.MS_REC)
            syscalls.mount_setattr(
                syscalls.AT_FDCWD, path, set_=syscalls.MOUNT_ATTR_RDONLY, recursive=True
            )
        except OSError as error:
            if error.errno != errno.ENOENT:
                raise Refused("setup", explain("making read-only", error)) from error

    def seal(self) -> None:
        """Make the root itself refuse writes, not what is mounted in it."""
        try:
            syscalls.mount_setattr(syscalls.AT_FDCWD, "/", set_=syscalls.MOUNT_ATTR_RDONLY)
        except OSError as error:
            raise Refused("setup", explain("making the root read-only", error)) from error
