"""Everything that a container's mounts are made of, opened while the host's paths still mean it.

Each source becomes a detached mount, so that afterwards nothing of the host is named again.
"""

from __future__ import annotations

import os
import stat

from lamina.fs import detached, syscalls
from lamina.runtime.inside.report import Refused, explain

TYPE_CHECKING = False  # the `typing` module is too heavy for here
if TYPE_CHECKING:
    from typing import Any

_SAFE = syscalls.RESOLVE_IN_ROOT


def open_root(plan: tuple[Any, ...], *, with_devices: bool) -> int:
    """The detached mount of a plan, which `launch.plan_words` has spelled.

    ("overlay", lower, upper, work, narrow, volatile), ("bind", path, read_only) or
    ("erofs", image).

    Device nodes in it work only `with_devices`: otherwise a node that the container makes, or
    that its image brings, opens nothing, whatever control groups there are.
    """
    attributes = 0 if with_devices else syscalls.MOUNT_ATTR_NODEV
    try:
        if plan[0] == "overlay":
            _, lower, upper, work, narrow, volatile = plan
            return detached.overlay(
                lower, upper, work, attributes, narrow=narrow, volatile=volatile
            )
        if plan[0] == "erofs":
            return detached.erofs(plan[1], attributes)
        fd = detached.clone(plan[1])
        attributes |= syscalls.MOUNT_ATTR_RDONLY if plan[2] else 0
        if attributes:
            syscalls.mount_setattr(fd, "", set_=attributes)
        return fd
    except OSError as error:
        raise Refused("setup", explain("mounting the root", error)) from error


class Scratch:
    """A directory of the host where things are mounted for a moment, seen by this process alone.

    Detached mounts can be cloned in part only while they are attached somewhere (before Linux
    6.15).
    """

    def __init__(self, path: str) -> None:
        self._path = path

    def part(self, fd: int, path: str) -> int:
        """A bind mount of `path` inside the mount behind `fd`, which is closed."""
        detached.attach(fd, self._path)
        try:
            found = syscalls.openat2(fd, path.lstrip("/") or ".", os.O_PATH, 0, _SAFE)
            try:
                return detached.clone("", dirfd=found)
            finally:
                os.close(found)
        finally:
            os.close(fd)
            syscalls.umount2(self._path, syscalls.MNT_DETACH)

    def tree(self, plan: tuple[Any, ...], path: str) -> int:
        """A bind mount of one directory or file of a plan."""
        return self.part(open_root(plan, with_devices=False), path)

    def file(self, data: bytes, mode: int, uid: int, gid: int) -> int:
        """A bind mount of a new file in memory that no path leads to."""
        root = _memory()
        fd = os.open("file", os.O_WRONLY | os.O_CREAT, 0o600, dir_fd=root)
        while data:
            data = data[os.write(fd, data) :]
        os.fchown(fd, uid, gid)
        os.fchmod(fd, mode)
        os.close(fd)
        return self.part(root, "file")

    def devices(self, nodes: list[dict[str, Any]]) -> list[int]:
        """Bind mounts of new device nodes in memory, which work where others do not."""
        root = _memory()
        detached.attach(root, self._path)
        try:
            return [self._node(root, str(number), node) for number, node in enumerate(nodes)]
        finally:
            os.close(root)
            syscalls.umount2(self._path, syscalls.MNT_DETACH)

    @staticmethod
    def _node(root: int, name: str, node: dict[str, Any]) -> int:
        make_node(name, node, dirfd=root)
        return detached.clone(name, dirfd=root)


def _memory() -> int:
    context = syscalls.fsopen("tmpfs")
    try:
        syscalls.fsconfig_string(context, "mode", "0700")
        syscalls.fsconfig_create(context)
        return syscalls.fsmount(context, 0)
    finally:
        os.close(context)


_KINDS = {"c": stat.S_IFCHR, "u": stat.S_IFCHR, "b": stat.S_IFBLK, "p": stat.S_IFIFO}


def make_node(path: str, node: dict[str, Any], *, dirfd: int | None = None) -> None:
    """The device node that config-linux.md, "Devices" describes; the umask is 0."""
    device = 0 if node["type"] == "p" else os.makedev(node["major"], node["minor"])
    os.mknod(path, _KINDS[node["type"]] | node["fileMode"], device, dir_fd=dirfd)
    if node["uid"] or node["gid"]:
        os.chown(path, node["uid"], node["gid"], dir_fd=dirfd, follow_symlinks=False)


def open_binds(
    mounts: list[dict[str, Any]], sources: dict[str, tuple[Any, ...]], scratch: Scratch
) -> dict[str, int]:
    """A detached mount for every bind among `mounts`, by its destination."""
    opened = {}
    for mount in mounts:
        if mount["type"] == "bind":
            destination = mount["destination"]
            try:
                opened[destination] = _open(mount, sources.get(destination), scratch)
            except OSError as error:
                what = f'the source of the mount at "{destination}" cannot be opened:'
                raise Refused("setup", explain(what, error)) from error
    return opened


def _open(mount: dict[str, Any], source: tuple[Any, ...] | None, scratch: Scratch) -> int:
    if source is None:
        return detached.clone(mount["source"], recursive="rbind" in mount["options"])
    if source[0] == "tree":
        return scratch.tree(source[1], source[2])
    return scratch.file(*source[1:])
