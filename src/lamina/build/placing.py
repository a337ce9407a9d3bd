"""Selected files put into an image's root, as BuildKit puts them.

Directories that nobody copied but that have to be there are root's and 0755, or as --chown and
--chmod say. A directory that was there keeps its owner and mode at the top of a copy, and takes
those of the source below it. Whatever is made gets the times of its source, and directories that
were there keep theirs, so that the same input makes the same layer.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager

from lamina.build import inside
from lamina.build.hashing import open_unchanged, require_unchanged
from lamina.build.inside import join
from lamina.build.selection import Item, Selection
from lamina.build.walking import Node
from lamina.errors import Error, Invalid
from lamina.fs.metadata import copy_file, read_xattrs, write_xattrs, xattr_path
from lamina.fs.root import Root, remove_at

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from lamina.build.chmod import Mode
    from lamina.build.users import Owner

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_SMALL = 256 << 10  # bytes up to which one read and one write beat asking the kernel to copy


def copy(selection: Selection, root_fd: int, *, epoch: int | None = None) -> tuple[str, ...]:
    """Put the selected files into the root; words for a person about what went oddly.

    `root_fd`: the merged tree, open for changes; its /etc/passwd and /etc/group translate names
    in --chown. `epoch`: seconds; mtime of everything written, instead of the sources' own.
    Not atomic: a failed copy leaves what was written so far, and the caller drops the draft.
    Invalid where the destination is in the way, Changed where a source is not what was selected.
    """
    placer = Placer(selection, root_fd, None if epoch is None else epoch * 1_000_000_000)
    if selection.items:
        with selection.context.open_root() as source_fd:
            for item in selection.items:
                placer.place(item, source_fd)
    for name, content in selection.spec.inline:
        placer.place_inline(name, content)
    placer.finish()
    return placer.notes


def _owner(root: Root, text: str) -> Owner:
    from lamina.build import users

    return users.find(root, text)


def _mode(text: str) -> Mode:
    from lamina.build import chmod

    return chmod.parse(text)


class Placer:
    """One COPY under way. Its directories get their times when it is finished."""

    def __init__(self, selection: Selection, root_fd: int, epoch: int | None) -> None:
        spec = selection.spec
        self.root = Root(root_fd)
        self.fd = root_fd
        self.source_fd = -1
        self.epoch = epoch  # nanoseconds
        self.unpack = spec.unpack
        self.keeps_owners = selection.context.keeps_owners
        self.owner = _owner(self.root, spec.chown) if spec.chown else None
        self.notes = self.owner.notes if self.owner else ()
        self.mode = _mode(spec.chmod) if spec.chmod else None
        # With --chmod BuildKit makes no layer of its own either.
        self.is_linked = spec.link and not spec.chmod
        self.made: dict[str, bool] = {}  # with --link: what this copy made, and whether a directory
        self.created: list[str] = []  # directories that lead to where things go
        self.times: dict[str, int] = {}  # mtime in nanoseconds that directories get in the end
        written = spec.destination
        path = written if written.startswith("/") else f"{spec.working_dir}/{written}"
        self.destination = inside.clean(path)
        self.wants_directory = written.rpartition("/")[2] in ("", ".", "..")

    # -- one source ------------------------------------------------------------------------

    def place(self, item: Item, source_fd: int) -> None:
        self.source_fd = source_fd
        mtime = item.nodes[0].stat.st_mtime_ns
        if item.is_archive:
            self._unpack(item, mtime)
            return
        target = self.target(item)
        links: dict[tuple[int, int], str] = {}
        if item.is_directory:
            self._place_tree(item, target, links)
            return
        directory, _, name = target.rpartition("/")
        with self._opened(directory) as fd:
            self._place_file(item.path, item.nodes[0], fd, name, target, links)

    def place_inline(self, name: str, content: bytes) -> None:
        """A heredoc: a file of its own, 0644."""
        target = self._target(name.rpartition("/")[2], None, is_directory=False)
        directory, _, last = target.rpartition("/")
        with self._opened(directory) as fd:
            new = self._created(fd, last, target)
            try:
                _write_all(new, content)
                uid, gid = (self.owner.uid, self.owner.gid) if self.owner else (0, 0)
                os.fchown(new, uid, gid)
                os.fchmod(new, self.mode_of(0o644, is_directory=False))
                if self.epoch is not None:
                    os.utime(new, ns=(self.epoch, self.epoch))
            finally:
                os.close(new)

    def finish(self) -> None:
        """Give directories their times, the deepest first."""
        for path in sorted(self.times, key=len, reverse=True):
            mtime = self.times[path]
            try:
                os.utime(path or ".", ns=(mtime, mtime), dir_fd=self.fd, follow_symlinks=False)
            except FileNotFoundError:
                continue  # replaced by a later source
        self.times.clear()

    # -- where it goes ---------------------------------------------------------------------

    def target(self, item: Item) -> str:
        """The real path that a source becomes; whatever leads to it is made."""
        mtime = item.nodes[0].stat.st_mtime_ns
        return self._target(item.name, mtime, is_directory=item.is_directory)

    def _target(self, name: str, mtime: int | None, *, is_directory: bool) -> str:
        parent, _, last = self.destination.rpartition("/")
        if self.wants_directory or not last:
            self._make_directories(self.destination, mtime)
        else:
            self._make_directories(parent, mtime)
        target = self._follow(self.destination)
        found = self._found(target)
        if not is_directory and found is not None and stat.S_ISDIR(found.st_mode):
            target = join(target, name)
        elif is_directory and found is not None and not stat.S_ISDIR(found.st_mode):
            raise Invalid(
                f'cannot copy a directory to "/{target}": it is not a directory',
                hint="choose another destination",
            )
        self._make_directories(target if is_directory else target.rpartition("/")[0], mtime)
        return target

    def _follow(self, path: str) -> str:
        if self.is_linked:
            return path
        try:
            return inside.follow(self.fd, path)
        except OSError as error:
            raise Invalid(f'destination "/{path}": {error.strerror}') from error

    def _found(self, path: str) -> os.stat_result | None:
        """What is there at a followed path; with --link only what this copy has put there."""
        if self.is_linked and path and path not in self.made:
            return None
        return inside.lstat(self.fd, path)

    def _make_directories(self, path: str, mtime: int | None, *, mode: int | None = None) -> None:
        uid, gid = (self.owner.uid, self.owner.gid) if self.owner else (0, 0)
        if mode is None:
            mode = self.mode_of(0o755, is_directory=True)
        made = self._made_linked(path, uid, gid) if self.is_linked else None
        if made is None:
            self._touch_way(path)
            try:
                made = self.root.makedirs(path, mode, uid, gid)
            except NotADirectoryError as error:
                raise Invalid(
                    f'cannot make the directory "/{path}": "{error.filename}" is in the way'
                ) from error
        self.created += made
        when = mtime if self.epoch is None else self.epoch
        if when is not None:
            for directory in made:
                self.times[directory] = when

    def _made_linked(self, path: str, uid: int, gid: int) -> list[str]:
        """With --link the way is made of directories, whatever the layers below have there."""
        made: list[str] = []
        here = ""
        for part in path.split("/") if path else ():
            directory, here = here, join(here, part)
            if self.made.get(here):
                continue
            if here in self.made:
                raise Invalid(f'cannot make the directory "/{path}": "/{here}" is in the way')
            with self._opened(directory) as fd:
                found = inside.lstat(fd, part)
                if found is not None and not stat.S_ISDIR(found.st_mode):
                    os.unlink(part, dir_fd=fd)
                    found = None
                if found is None:
                    os.mkdir(part, 0o700, dir_fd=fd)
                os.chown(part, uid, gid, dir_fd=fd, follow_symlinks=False)
                os.chmod(part, 0o755, dir_fd=fd)
            self.made[here] = True
            made.append(here)
        return made

    def _touch(self, directory: str) -> None:
        """Remember the time of a directory that is about to change."""
        if directory not in self.times:
            found = inside.lstat(self.fd, directory)
            if found is not None:
                self.times[directory] = found.st_mtime_ns

    def _touch_way(self, path: str) -> None:
        """`_touch` for the directory in which the first missing one of `path` is to be made."""
        there = ""
        for part in self._follow(path).split("/"):
            found = inside.lstat(self.fd, join(there, part))
            if found is None:
                self._touch(there)
                return
            there = join(there, part)

    @contextmanager
    def _opened(self, directory: str) -> Iterator[int]:
        self._touch(directory)
        fd = os.open(directory or ".", _DIRECTORY, dir_fd=self.fd)
        try:
            yield fd
        finally:
            os.close(fd)

    # -- trees -----------------------------------------------------------------------------

    def _place_tree(self, item: Item, target: str, links: dict[tuple[int, int], str]) -> None:
        # The open directories from the target down to where the last node was put.
        open_dirs: list[tuple[str, int]] = []
        try:
            self._enter(open_dirs, "", target)
            for node in item.nodes[1:]:
                parent, _, name = node.path.rpartition("/")
                while open_dirs[-1][0] != parent:
                    os.close(open_dirs.pop()[1])
                fd = open_dirs[-1][1]
                path = join(target, node.path)
                source = join(item.path, node.path)
                if stat.S_ISDIR(node.stat.st_mode):
                    self._place_directory(source, node, fd, name, path)
                    self._enter(open_dirs, node.path, path)
                else:
                    self._place_file(source, node, fd, name, path, links)
        finally:
            for _, fd in open_dirs:
                os.close(fd)

    def _enter(self, open_dirs: list[tuple[str, int]], relative: str, path: str) -> None:
        self._touch(path)
        open_dirs.append((relative, os.open(path or ".", _DIRECTORY, dir_fd=self.fd)))

    def _place_directory(self, source: str, node: Node, fd: int, name: str, path: str) -> None:
        created = False
        try:
            os.mkdir(name, 0o700, dir_fd=fd)
            created = True
        except FileExistsError:
            found = os.stat(name, dir_fd=fd, follow_symlinks=False)
            is_foreign = self.is_linked and path not in self.made
            if is_foreign and not stat.S_ISDIR(found.st_mode):
                os.unlink(name, dir_fd=fd)
                os.mkdir(name, 0o700, dir_fd=fd)
            elif not stat.S_ISDIR(found.st_mode):
                raise Invalid(
                    f'cannot copy the directory "{node.path}" to "/{path}": it is not a directory'
                ) from None
            created = is_foreign
        if self.is_linked:
            self.made[path] = True
        if node.is_implied and not created:
            # On the way to something else: only its mode is taken over.
            os.chmod(name, node.stat.st_mode & 0o7777, dir_fd=fd)
            return
        uid, gid = self.owner_of(node.stat)
        os.chown(name, uid, gid, dir_fd=fd, follow_symlinks=False)
        self._copy_xattrs(source, fd, name)
        mode = self.mode_of(node.stat.st_mode, is_directory=True)
        os.chmod(name, mode, dir_fd=fd)
        self.times[path] = node.stat.st_mtime_ns if self.epoch is None else self.epoch

    # -- files -----------------------------------------------------------------------------

    def _place_file(
        self,
        source: str,
        node: Node,
        fd: int,
        name: str,
        path: str,
        links: dict[tuple[int, int], str],
    ) -> None:
        info = node.stat
        if info.st_nlink > 1:
            first = links.setdefault((info.st_dev, info.st_ino), path)
            if first != path:
                self._free(fd, name, path)
                os.link(first, name, src_dir_fd=self.fd, dst_dir_fd=fd, follow_symlinks=False)
                return
        if stat.S_ISREG(info.st_mode):
            self._place_regular(source, info, fd, name, path)
            return
        self._free(fd, name, path)
        if stat.S_ISLNK(info.st_mode):
            os.symlink(os.readlink(source, dir_fd=self.source_fd), name, dir_fd=fd)
        elif stat.S_ISCHR(info.st_mode) and not info.st_rdev:
            raise Invalid(f'cannot copy "{source}": device 0:0 means a deleted file in a layer')
        else:
            os.mknod(name, stat.S_IFMT(info.st_mode) | 0o600, info.st_rdev, dir_fd=fd)
        uid, gid = self.owner_of(info)
        os.chown(name, uid, gid, dir_fd=fd, follow_symlinks=False)
        self._copy_xattrs(source, fd, name)
        if not stat.S_ISLNK(info.st_mode):
            os.chmod(name, self.mode_of(info.st_mode, is_directory=False), dir_fd=fd)
        mtime = info.st_mtime_ns if self.epoch is None else self.epoch
        os.utime(name, ns=(mtime, mtime), dir_fd=fd, follow_symlinks=False)

    def _place_regular(
        self, source: str, info: os.stat_result, fd: int, name: str, path: str
    ) -> None:
        old = open_unchanged(self.source_fd, source, info)
        try:
            new = self._created(fd, name, path)
            try:
                if info.st_size > _SMALL:
                    copy_file(old, new)
                elif info.st_size:
                    os.write(new, os.read(old, info.st_size))
                require_unchanged(old, source, info)
                uid, gid = self.owner_of(info)
                os.fchown(new, uid, gid)
                # After the content and the owner: both clear security.capability.
                write_xattrs(new, read_xattrs(old))
                os.fchmod(new, self.mode_of(info.st_mode, is_directory=False))
                mtime = info.st_mtime_ns if self.epoch is None else self.epoch
                os.utime(new, ns=(mtime, mtime))
            finally:
                os.close(new)
        finally:
            os.close(old)

    def _created(self, fd: int, name: str, path: str) -> int:
        """A new empty file, in the place of whatever was there but a directory."""
        try:
            new = os.open(name, _NEW, 0o600, dir_fd=fd)
        except FileExistsError:
            self._free(fd, name, path)
            new = os.open(name, _NEW, 0o600, dir_fd=fd)
        if self.is_linked:
            self.made[path] = False
        return new

    def _free(self, fd: int, name: str, path: str) -> None:
        """Make room for a file."""
        found = inside.lstat(fd, name)
        if found is not None:
            if not stat.S_ISDIR(found.st_mode):
                os.unlink(name, dir_fd=fd)
            elif self.is_linked and path not in self.made:
                remove_at(fd, name)
            else:
                raise Invalid(
                    f'cannot replace the directory "/{path}" with a file',
                    hint="end the destination with / to copy into it",
                )
        if self.is_linked:
            self.made[path] = False

    def owner_of(self, info: os.stat_result) -> tuple[int, int]:
        """The uid and gid that a file gets."""
        if self.owner is not None:
            return self.owner.uid, self.owner.gid
        return (info.st_uid, info.st_gid) if self.keeps_owners else (0, 0)

    def mode_of(self, mode: int, *, is_directory: bool) -> int:
        """The permission bits that a file gets, by the mode of its source."""
        if self.mode is not None:
            return self.mode.apply(mode, is_directory=is_directory)
        return mode & 0o7777

    def _copy_xattrs(self, source: str, fd: int, name: str) -> None:
        found = read_xattrs(xattr_path(self.source_fd, source))
        if found:
            write_xattrs(xattr_path(fd, name), found)

    # -- archives --------------------------------------------------------------------------

    def _unpack(self, item: Item, mtime: int) -> None:
        from lamina.build import archives

        # BuildKit does not apply --chmod to anything that an archive brings.
        self._make_directories(self.destination, mtime, mode=0o755)
        target = self._follow(self.destination)
        info = item.nodes[0].stat
        stream_fd = open_unchanged(self.source_fd, item.path, info)
        with os.fdopen(stream_fd, "rb") as stream, self._opened(target) as fd:
            owner = (self.owner.uid, self.owner.gid) if self.owner else None
            try:
                archives.unpack(stream, fd, owner=owner)
            except Error as error:
                error.message = f'cannot unpack "{item.source}": {error.message}'
                raise


def _write_all(fd: int, content: bytes) -> None:
    left = memoryview(content)
    while left:
        left = left[os.write(fd, left) :]
