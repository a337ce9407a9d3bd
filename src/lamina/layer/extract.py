"""Entries onto a tree that may be hostile, as may be the entries.

Every directory is reached by openat2(2) below the root's descriptor, and every name is then made
in it without following links: nothing outside the root can be touched.
What is replaced is removed first, never written through.
"""

from __future__ import annotations

import os
import stat

from lamina.fs.atomic import write_all
from lamina.fs.metadata import read_xattrs, write_xattrs, xattr_path
from lamina.fs.root import remove_at
from lamina.layer import whiteout
from lamina.layer.entry import CHAR, DIR, FIFO, FILE, HARDLINK, SPECIAL, SYMLINK, Entry
from lamina.layer.header import printable
from lamina.layer.limits import BadEntry
from lamina.layer.places import Places
from lamina.layer.prune import remove_empty, remove_unmade
from lamina.layer.reader import Reader

_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_LOOK = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
_PLNK = whiteout.META_PREFIX + "plnk"  # where AUFS kept the files that hard links point at


class Leans(Exception):  # no error: the layer is unpacked in another way
    """An entry means something else on another tree than on an empty one."""


class Extraction:
    """One archive being laid onto the tree under `root_fd`; `close` when done or failed."""

    def __init__(self, root_fd: int, *, as_changeset: bool, specials: bool = True) -> None:
        self._places = Places(root_fd)
        self._as_changeset = as_changeset
        self._specials = specials
        self._uid, self._gid = os.geteuid(), os.getegid()
        self._masked = ~(0o777 & ~_umask())  # mode bits that open and mkdir would not set
        self._made: set[int] = set()  # hashes of the paths that this archive has made
        # Of directories: set when nothing changes in them any more.
        self._times: dict[str, int] = {}
        self._linked = False  # whether AUFS's link files have to go in the end
        self._refused: dict[str, int] = {}  # names of attributes the file system cannot keep

    def close(self) -> None:
        """Close what is open; the tree is as far as it got."""
        self._places.close()

    # --- entries

    def add(self, entry: Entry, reader: Reader) -> None:
        """Put `entry` in place."""
        path = entry.path
        directory, _, name = path.rpartition("/")
        if ".wh." in path and self._as_changeset and self._whiteout(path, directory, name):
            return
        kind = entry.type
        if not self._specials and kind in SPECIAL:
            return
        if kind is CHAR and entry.device == (0, 0) and self._as_changeset:
            # overlayfs's own spelling of a whiteout, which careless tools let into layers.
            self._remove(directory, name)
            return
        parent = self._places.fds.get(directory)
        if parent is None:
            parent = self._places.open(directory)
        if path == "." and kind is not DIR:
            raise BadEntry("the root of the layer is not a directory")
        self._made.add(hash(path))
        if kind is FILE:
            self._file(entry, reader, parent, name)
        elif kind is DIR:
            self._directory(entry, parent, name)
        elif kind is HARDLINK:
            self._hardlink(entry, parent, name)
        else:
            self._node(entry, parent, name)

    def _file(self, entry: Entry, reader: Reader, parent: int, name: str) -> None:
        mode = entry.mode
        try:
            fd = os.open(name, _CREATE, mode, dir_fd=parent)
        except FileExistsError:
            parent = self._clear(entry.path, parent, name)
            fd = os.open(name, _CREATE, mode, dir_fd=parent)
        try:
            if entry.sparse is None and (data := reader.whole()) is not None:
                if data and os.write(fd, data) != len(data):
                    os.lseek(fd, 0, os.SEEK_SET)  # interrupted, or nearly full
                    write_all(fd, data)
            else:
                _long(entry, reader, fd)
            inherits = parent in self._places.giving
            if entry.uid != self._uid or entry.gid != self._gid or inherits:
                os.fchown(fd, entry.uid, entry.gid)
                inherits = True
            # After the owner, which clears the set-ID bits and security.capability.
            if inherits or mode & self._masked:
                os.fchmod(fd, mode)
            if entry.xattrs:
                self._note(write_xattrs(fd, entry.xattrs))
            os.utime(fd, ns=(entry.mtime, entry.mtime))
        finally:
            os.close(fd)

    def _is_foreign(self, entry: Entry, parent: int) -> bool:
        """Whether what is made in `parent` would not have the owner that `entry` wants."""
        return entry.uid != self._uid or entry.gid != self._gid or parent in self._places.giving

    def _directory(self, entry: Entry, parent: int, name: str) -> None:
        path, mode = entry.path, entry.mode
        try:
            os.mkdir(name, mode, dir_fd=parent)
        except FileExistsError:
            found = os.stat(name, dir_fd=parent, follow_symlinks=False)
            if stat.S_ISDIR(found.st_mode):
                self._existing_directory(entry, parent, name)
                return
            parent = self._clear(path, parent, name)
            os.mkdir(name, mode, dir_fd=parent)
        is_foreign = self._is_foreign(entry, parent)
        if is_foreign:
            os.chown(name, entry.uid, entry.gid, dir_fd=parent, follow_symlinks=False)
        if is_foreign or mode & self._masked:
            os.chmod(name, mode, dir_fd=parent)
        if entry.xattrs:
            self._note(write_xattrs(xattr_path(parent, name), entry.xattrs))
        self._times[path] = entry.mtime
        # What comes next is mostly what is in it.
        fd = os.open(name, _LOOK | os.O_NOFOLLOW, dir_fd=parent)
        gives_on = bool(mode & stat.S_ISGID or entry.xattrs or parent in self._places.giving)
        self._places.keep(path, fd, gives_on=gives_on)

    def _existing_directory(self, entry: Entry, parent: int, name: str) -> None:
        """Make a lower layer's directory this layer's: what is in it stays."""
        os.chown(name, entry.uid, entry.gid, dir_fd=parent, follow_symlinks=False)
        os.chmod(name, entry.mode, dir_fd=parent)
        target = xattr_path(parent, name)
        for key in read_xattrs(target):
            if key not in entry.xattrs and key != "security.selinux":
                os.removexattr(target, key, follow_symlinks=False)
        if entry.xattrs:
            self._note(write_xattrs(target, entry.xattrs))
        known = self._places.fds.get("" if entry.path == "." else entry.path)
        if known is not None:
            self._places.giving.add(known)  # it may have become so: being careful costs little
        self._times[entry.path] = entry.mtime

    def _hardlink(self, entry: Entry, parent: int, name: str) -> None:
        directory, _, target = entry.link.rpartition("/")
        try:
            source = self._places.copy(directory)
            try:
                self._link(entry, source, target, parent, name)
            finally:
                os.close(source)
        except (FileNotFoundError, NotADirectoryError):
            raise BadEntry(
                f'"{printable(entry.path)}" is a hard link to "{printable(entry.link)}", '
                "which is not in the image"
            ) from None

    def _link(self, entry: Entry, source: int, target: str, parent: int, name: str) -> None:
        found = os.stat(target, dir_fd=source, follow_symlinks=False)
        if stat.S_ISDIR(found.st_mode):
            raise BadEntry(
                f'"{printable(entry.path)}" is a hard link to the directory '
                f'"{printable(entry.link)}"'
            )
        try:
            os.link(target, name, src_dir_fd=source, dst_dir_fd=parent, follow_symlinks=False)
        except FileExistsError:
            there = os.stat(name, dir_fd=parent, follow_symlinks=False)
            if (there.st_dev, there.st_ino) == (found.st_dev, found.st_ino):
                return  # already so; removing it first could lose the data
            parent = self._clear(entry.path, parent, name)
            os.link(target, name, src_dir_fd=source, dst_dir_fd=parent, follow_symlinks=False)
        self._take_over(entry, parent, name, found)

    def _take_over(self, entry: Entry, parent: int, name: str, found: os.stat_result) -> None:
        """Give a file what the header of its new name says: of several the last one counts.

        So do containerd, BuildKit and buildah; GNU tar and libarchive go by the first.
        """
        is_foreign = (found.st_uid, found.st_gid) != (entry.uid, entry.gid)
        if is_foreign:
            os.chown(name, entry.uid, entry.gid, dir_fd=parent, follow_symlinks=False)
        if not stat.S_ISLNK(found.st_mode):
            if is_foreign or stat.S_IMODE(found.st_mode) != entry.mode:
                os.chmod(name, entry.mode, dir_fd=parent)
            if entry.xattrs:
                self._note(write_xattrs(xattr_path(parent, name), entry.xattrs))
        if found.st_mtime_ns != entry.mtime:
            times = entry.mtime, entry.mtime
            os.utime(name, ns=times, dir_fd=parent, follow_symlinks=False)

    def _node(self, entry: Entry, parent: int, name: str) -> None:
        """A link, a pipe or a device."""
        try:
            _make(entry, parent, name)
        except FileExistsError:
            parent = self._clear(entry.path, parent, name)
            _make(entry, parent, name)
        if self._is_foreign(entry, parent):
            os.chown(name, entry.uid, entry.gid, dir_fd=parent, follow_symlinks=False)
        if entry.type is not SYMLINK:
            os.chmod(name, entry.mode, dir_fd=parent)
        if entry.xattrs:
            self._note(write_xattrs(xattr_path(parent, name), entry.xattrs))
        os.utime(name, ns=(entry.mtime, entry.mtime), dir_fd=parent, follow_symlinks=False)

    def _note(self, names: list[str]) -> None:
        for name in names:
            self._refused[name] = self._refused.get(name, 0) + 1

    def _clear(self, path: str, parent: int, name: str) -> int:
        """Remove what is at `path`, to make room; the parent anew, for it may be another."""
        mode = os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode
        if stat.S_ISDIR(mode):
            if path == ".":
                raise BadEntry("the root of the layer cannot be replaced")
            self._times.pop(path, None)
            remove_at(parent, name)
        else:
            os.unlink(name, dir_fd=parent)
            if not stat.S_ISLNK(mode):
                return parent
        self.close()  # what is open may have been below it, or reached through it
        return self._places.open(path.rpartition("/")[0])

    # --- whiteouts

    def _whiteout(self, path: str, directory: str, name: str) -> bool:
        """Act on a name of image-spec's or AUFS's; False if `path` is an ordinary one after all."""
        for part in directory.split("/"):
            if part.startswith(whiteout.META_PREFIX):
                self._linked = self._linked or directory == _PLNK
                return directory != _PLNK
            if part.startswith(whiteout.PREFIX):
                raise BadEntry(f'"{printable(path)}" lies below a whiteout, "{printable(part)}"')
        if name == whiteout.OPAQUE:
            self._hide(directory)
        elif name.startswith(whiteout.PREFIX) and not name.startswith(whiteout.META_PREFIX):
            target = name[len(whiteout.PREFIX) :]
            if target in ("", ".", ".."):
                raise BadEntry(f'"{printable(path)}" is a whiteout of nothing that has a name')
            self._remove(directory, target)
        return name.startswith(whiteout.PREFIX)

    def _hide(self, directory: str) -> None:
        """Remove what lower layers have in `directory`."""
        try:
            fd = self._places.root.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        except (FileNotFoundError, NotADirectoryError):
            return
        self.close()
        remove_unmade(fd, directory, self._made)

    def _remove(self, directory: str, name: str) -> None:
        """Remove what lower layers have at `name` in `directory`; nothing there is fine."""
        parent = self._places.find(directory)
        if parent is None:
            return
        try:
            mode = os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode
        except FileNotFoundError:
            return
        path = f"{directory}/{name}" if directory else name
        if not stat.S_ISDIR(mode):
            if hash(path) not in self._made:
                os.unlink(name, dir_fd=parent)
                if stat.S_ISLNK(mode):
                    self.close()
            return
        if not self._made:
            remove_at(parent, name)
            self.close()
            return
        remove_unmade(os.open(name, _DIRECTORY, dir_fd=parent), path, self._made)
        if hash(path) not in self._made:
            remove_empty(parent, name)
        self.close()

    # --- the end

    def finish(self) -> tuple[str, ...]:
        """Set the directories' times; what the file system could not keep, in words."""
        if self._linked:
            self._places.root.remove(_PLNK)
            self.close()
        self.close()
        self._places.set_times(self._times)
        return tuple(
            f'the file system cannot keep the attribute "{printable(name)}" ({count} times)'
            for name, count in sorted(self._refused.items())
        )


def _umask() -> int:
    """This process's umask, read without setting it, which other threads would notice."""
    try:
        with open("/proc/self/status", "rb") as status:
            for line in status:
                if line.startswith(b"Umask:"):
                    return int(line[6:], 8)
    except OSError:
        pass
    return 0o777  # not known: no bit counts as set by open


def _make(entry: Entry, parent: int, name: str) -> None:
    if entry.type is SYMLINK:
        if not entry.link:
            raise BadEntry(f'the link "{printable(entry.path)}" has no target')
        os.symlink(entry.link, name, dir_fd=parent)
    elif entry.type is FIFO:
        os.mkfifo(name, 0o600, dir_fd=parent)
    else:
        kind = stat.S_IFCHR if entry.type is CHAR else stat.S_IFBLK
        try:
            device = os.makedev(*entry.device)
        except OverflowError:
            raise BadEntry(f'"{printable(entry.path)}" has no possible device number') from None
        os.mknod(name, kind | 0o600, device, dir_fd=parent)


def _long(entry: Entry, reader: Reader, fd: int) -> None:
    """Write a file piece by piece, leaving its holes."""
    end = 0
    for at, piece in reader.chunks():
        if at != end:
            os.lseek(fd, at, os.SEEK_SET)
        write_all(fd, piece)
        end = at + len(piece)
    if end < entry.size:
        os.ftruncate(fd, entry.size)
