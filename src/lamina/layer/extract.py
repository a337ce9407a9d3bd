"""Entries onto a tree that may be hostile, as may be the entries.

Every directory is reached by openat2(2) below the root's descriptor, and every name is then made
in it without following links: nothing outside the root can be touched.
What is replaced is removed first, never written through.
"""

from __future__ import annotations

import os
import stat

from lamina.fs.atomic import write_all
from lamina.fs.metadata import read_xattrs, umask, write_xattrs, xattr_path
from lamina.fs.root import remove_at
from lamina.layer.deletion import Deletion
from lamina.layer.entry import CHAR, DIR, FIFO, FILE, HARDLINK, SPECIAL, SYMLINK, Entry
from lamina.layer.header import printable
from lamina.layer.limits import BadEntry
from lamina.layer.making import CREATE, MODE, OWNER
from lamina.layer.places import Places
from lamina.layer.reader import Reader

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_LOOK = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
MANY = 1000  # files of one layer before it is worth a second process
_NAME = 255  # bytes of a name that a file system may take

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from lamina.layer.mate import Mate


class Leans(Exception):  # no error: the layer is unpacked in another way
    """An entry means something else on another tree than on an empty one."""


class Extraction:
    """One archive being laid onto the tree under `root_fd`; `close` when done or failed."""

    def __init__(
        self, root_fd: int, *, as_changeset: bool, specials: bool = True, many: int = MANY
    ) -> None:
        self._places = Places(root_fd)
        self._as_changeset = as_changeset
        self._specials = specials
        self._uid, self._gid = os.geteuid(), os.getegid()
        self._masked = ~(0o777 & ~umask())  # mode bits that open and mkdir would not set
        self._made: set[int] = set()  # hashes of the paths that this archive has made
        self._deletion = Deletion(self._places, self._made)
        # Of directories: set when nothing changes in them any more.
        self._times: dict[str, int] = {}
        self._refused: dict[str, int] = {}  # names of attributes the file system cannot keep
        self.late: Entry | None = None  # an earlier entry, while it is made after all
        self._files = 0
        self._many = many
        self._mate: Mate | None = None
        self._is_new = self._places.root.is_empty()
        # On a tree that has something: hashes of the paths that the mate may not have made yet.
        self._sent: set[int] = set()

    def close(self) -> None:
        """Close what is open; the tree is as far as it got."""
        if self._mate is not None:
            self._mate.close()
            self._mate = None
        self._places.close()

    # --- entries

    def add(self, entry: Entry, reader: Reader) -> None:
        """Put `entry` in place."""
        path = entry.path
        directory, _, name = path.rpartition("/")
        kind = entry.type
        key = hash(path)
        again = key in self._made
        mate = self._mate
        if mate is not None and (
            again
            or kind is HARDLINK
            or mate.left
            or self._places.met_link
            or (self._sent and self._is_below_sent(path))
        ):
            self._settle()
        if ".wh." in path and self._as_changeset:
            self._settle()
            if self._deletion.act(path, directory, name):
                return
        if not self._specials and kind in SPECIAL:
            return
        if kind is CHAR and entry.device == (0, 0) and self._as_changeset:
            # overlayfs's own spelling of a whiteout, which careless tools let into layers.
            self._settle()
            self._deletion.remove(directory, name)
            return
        parent = self._places.fds.get(directory)
        if parent is None:
            parent = self._enter(directory)
        if path == "." and kind is not DIR:
            raise BadEntry("the root of the layer is not a directory")
        self._made.add(key)
        if kind is FILE:
            if again:
                self._make(entry, reader, parent, name)
            else:
                self._file(entry, reader, parent, name)
        elif kind is DIR:
            self._directory(entry, parent, name)
        elif kind is HARDLINK:
            self._hardlink(entry, parent, name)
        else:
            self._node(entry, parent, name)

    def _file(self, entry: Entry, reader: Reader, parent: int, name: str) -> None:
        if self._files == self._many and not self._places.met_link:
            from lamina.layer import mate

            self._mate = mate.start()
            self._places.leaving = self._leaving
        self._files += 1
        if self._mate is None or not self._give(self._mate, entry, reader, parent, name):
            self._make(entry, reader, parent, name)

    def _make(self, entry: Entry, source: Reader | memoryview, parent: int, name: str) -> None:
        """Make a file here, of what `source` has for it."""
        mode = entry.mode
        try:
            fd = os.open(name, CREATE, mode, dir_fd=parent)
        except FileExistsError:
            parent = self._clear(entry.path, parent, name)
            fd = os.open(name, CREATE, mode, dir_fd=parent)
        try:
            if isinstance(source, memoryview):
                write_all(fd, source)
            elif entry.sparse is None and (data := source.whole()) is not None:
                if data and os.write(fd, data) != len(data):
                    os.lseek(fd, 0, os.SEEK_SET)  # interrupted, or nearly full
                    write_all(fd, data)
            else:
                _long(entry, source, fd)
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

    # --- a second process for the files

    def _give(self, mate: Mate, entry: Entry, reader: Reader, parent: int, name: str) -> bool:
        """Let the mate make a file, if it can."""
        if entry.sparse is not None or entry.xattrs or len(name) > _NAME:
            return False
        if entry.path in self._places.implied:
            return False  # what is there must be gone before the next entry looks into it
        at = reader.here()
        if at < 0:
            return False
        if entry.uid != self._uid or entry.gid != self._gid or parent in self._places.giving:
            more = MODE | OWNER
        else:
            more = MODE if entry.mode & self._masked else 0
        mate.take(entry, name, parent, reader.view, at, more)
        if not self._is_new:
            self._sent.add(hash(entry.path))
        return True

    def _is_below_sent(self, path: str) -> bool:
        """Whether something above `path` is to be a file, and may still be a directory."""
        while path:
            path = path.rpartition("/")[0]
            if hash(path) in self._sent:
                return True
        return False

    def _enter(self, directory: str) -> int:
        """A directory that is not open; made if missing."""
        if self._mate is None:
            return self._places.open(directory)
        try:
            fd = self._places.enter(directory)
        except FileNotFoundError:
            if self._is_promised(directory):
                self._settle()  # what is in the way has to be there
            fd = self._places.open(directory)
        if self._places.met_link:
            self._settle()
            fd = self._places.open(directory)
        return fd

    def _is_promised(self, directory: str) -> bool:
        """Whether a part of `directory` that is missing may be a file that the mate has."""
        while hash(directory) not in self._made:
            directory = directory.rpartition("/")[0]
            if self._places.find(directory) is not None:
                return self._places.met_link
        return True

    def _leaving(self, fd: int) -> None:
        """A directory is about to be closed."""
        if self._mate is not None and self._mate.holds(fd):
            self._mate.send()

    def _settle(self) -> None:
        """Wait for the mate, and make what it could not."""
        if self._mate is None:
            return
        for entry, data in self._mate.settle():
            self.late = entry
            directory, _, name = entry.path.rpartition("/")
            self._make(entry, data, self._places.open(directory), name)
            self.late = None
        self._sent.clear()
        if self._places.met_link:
            # A file may have several paths from now on: what comes later has to be made later.
            self._mate.close()
            self._mate = None

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
                self._settle()
                parent = self._places.open(path.rpartition("/")[0])
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
        if self.late is None:
            self._settle()
            parent = self._places.open(path.rpartition("/")[0])
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
        self._places.close()  # what is open may have been below it, or reached through it
        return self._places.open(path.rpartition("/")[0])

    # --- the end

    def finish(self) -> tuple[str, ...]:
        """Set the directories' times; what the file system could not keep, in words."""
        self._settle()
        self._deletion.finish()
        self._places.close()
        self._places.set_times(self._times)
        return tuple(
            f'the file system cannot keep the attribute "{printable(name)}" ({count} times)'
            for name, count in sorted(self._refused.items())
        )


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
