"""Copying files between a container and this host (docker cp, "Extended description").

The container may be hostile: every path in it resolves inside its root, links too.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lamina.errors import Denied, Invalid, NotFound
from lamina.fs.mounts import opened
from lamina.fs.root import Root
from lamina.run.archive import write_archive
from lamina.run.bundle import root_of
from lamina.run.container import Container, MountPoint
from lamina.run.create import volume_path
from lamina.run.ground import Ground
from lamina.run.lifecycle import state_of
from lamina.run.mounts import MountKind
from lamina.values import dataclass

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from typing import BinaryIO

_LINKS = 40  # as many as the kernel follows (path_resolution(7))


@dataclass(frozen=True, slots=True)
class Place:
    """A path below a root, for people called `shown`."""

    root: Root
    path: str  # absolute, in the root; a trailing "/" or "/." is kept, for it means something
    shown: str
    read_only: bool = False

    @property
    def wants_content(self) -> bool:
        """Whether it ends in "/.": what is in the directory, not the directory."""
        return self.path.endswith("/.") or self.path == "."

    @property
    def wants_directory(self) -> bool:
        return self.path.endswith(("/", "/."))

    @property
    def name(self) -> str:
        return os.path.basename(os.path.normpath(self.path)) or "."


@contextmanager
def here(path: str) -> Iterator[Place]:
    """A path of this host."""
    with Root.at(Path("/")) as root:
        absolute = os.path.join(os.getcwd(), path)
        yield Place(root, absolute, path)


@contextmanager
def inside(ground: Ground, container: Container, path: str) -> Iterator[Place]:
    """A path in a container, running or not; what is mounted there is seen as it sees it."""
    absolute = path if path.startswith("/") else f"/{path}"
    shown = f"{container.name}:{path}"
    state = state_of(ground, container)
    if state.is_running and state.process is not None:
        try:
            fd = os.open(f"/proc/{state.process.pid}/root", os.O_PATH | os.O_DIRECTORY)
        except OSError:
            raise NotFound(f'container "{container.name}" has just ended') from None
        try:
            if not state.process.is_alive():
                raise NotFound(f'container "{container.name}" has just ended')
            yield Place(Root(fd), absolute, shown)
        finally:
            os.close(fd)
        return
    mount = _mount_over(container, absolute)
    if mount is None:
        with opened(root_of(ground, container)) as fd:
            yield Place(Root(fd), absolute, shown, container.options.read_only)
    elif mount.kind is MountKind.TMPFS:
        raise NotFound(f'"{shown}" is in memory, and there only while the container runs')
    else:
        source = mount.source or volume_path(ground, container, mount)
        below = absolute[len(mount.target) :] or "/."
        with Root.at(Path(source)) as root:
            yield Place(root, below, shown, mount.read_only)


def _mount_over(container: Container, path: str) -> MountPoint | None:
    """The mount that the path of a stopped container lies in, if any."""
    clean = os.path.normpath(path)
    found = None
    for mount in container.mounts:
        below = clean == mount.target or clean.startswith(f"{mount.target}/")
        if below and (found is None or len(mount.target) > len(found.target)):
            found = mount
    return found


def copy(source: Place, target: Place, *, keep_owner: bool = False, follow: bool = False) -> None:
    """Copy a file or a directory with all below it, as `docker cp` has it.

    Owners become those who ask (the root of the container), unless kept.
    """
    path = _followed(source, source.path) if follow else source.path
    is_directory = _is_directory(source, path)
    into, name = _destination(source, target, is_directory)
    owner = None if keep_owner else (os.geteuid(), os.getegid())
    with _spool() as tar:
        write_archive(source.root, path.rstrip("/") or "/", name, tar, owner=owner)
        tar.seek(0)
        _unpack(target, into, tar)


def send(source: Place, out: BinaryIO, *, follow: bool = False) -> None:
    """Write it to `out` as a tar that holds it under its own name."""
    path = _followed(source, source.path) if follow else source.path
    is_directory = _is_directory(source, path)
    name = "." if source.wants_content and is_directory else source.name
    write_archive(source.root, path.rstrip("/") or "/", name, out)


def receive(target: Place, stream: BinaryIO) -> None:
    """Unpack a tar, compressed or not, into a directory that is there already."""
    if not _exists(target) or not _is_directory(target, target.path, follow=True):
        raise NotFound(f'"{target.shown}" is not a directory', hint="a tar is unpacked into one")
    _unpack(target, target.path, stream)


def _destination(source: Place, target: Place, is_directory: bool) -> tuple[str, str]:
    """The directory to unpack in, and what the copy is called there; "." for its content only."""
    path = target.path
    if _exists(target):
        if _is_directory(target, path, follow=True):
            if is_directory and source.wants_content:
                return path, "."
            return path, source.name
        if is_directory:
            raise Invalid(f'cannot copy a directory over the file "{target.shown}"')
        if target.wants_directory:
            raise Invalid(f'"{target.shown}" is not a directory')
        path = _followed(target, path)
        return os.path.dirname(path), os.path.basename(path)
    if target.wants_directory and not is_directory:
        raise NotFound(f'no such directory "{target.shown}"')
    clean = os.path.normpath(path)
    parent, name = os.path.dirname(clean), os.path.basename(clean)
    if not target.root.exists(parent):
        raise NotFound(f'no such directory "{parent}", for "{target.shown}"')
    return parent, name


def _unpack(target: Place, into: str, stream: BinaryIO) -> None:
    from lamina.layer.apply import apply

    if target.read_only:
        raise Denied(f'"{target.shown}" is in a read-only part of the container')
    fd = target.root.open(into, os.O_RDONLY | os.O_DIRECTORY)
    try:
        apply(stream, fd, as_changeset=False)
    finally:
        os.close(fd)


def _exists(place: Place) -> bool:
    return place.root.exists(place.path)


def _is_directory(place: Place, path: str, *, follow: bool = False) -> bool:
    """Whether it is a directory itself; NotFound if it is nothing."""
    import stat

    try:
        if follow or path.endswith(("/", "/.")):
            found = place.root.stat(path)
        else:
            found = place.root.lstat(path)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            raise NotFound(f'no such file or directory "{place.shown}"') from None
        raise
    return stat.S_ISDIR(found.st_mode)


def _followed(place: Place, path: str) -> str:
    """`path` with a link in its last part followed, as a path in the same root."""
    for _ in range(_LINKS):
        try:
            text = place.root.readlink(path.rstrip("/") or "/")
        except OSError:
            return path
        path = os.path.join(os.path.dirname(path.rstrip("/")), text)
    raise Invalid(f'too many links in "{place.shown}"')


@contextmanager
def _spool() -> Iterator[BinaryIO]:
    from tempfile import TemporaryFile

    with TemporaryFile() as file:
        yield file
