"""Which files COPY and ADD take, and under which names; nothing is changed here."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence

from lamina.build import globs, inside
from lamina.build.context import Context
from lamina.build.walking import Filter, Node, has_anything, walk
from lamina.errors import Invalid, NotFound, Unsupported
from lamina.values import dataclass, field

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from lamina.dockerfile.ignore import Ignore

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class CopySpec:
    """COPY or ADD after expansion of variables; paths as written, not yet resolved."""

    sources: tuple[str, ...]
    destination: str
    working_dir: str = "/"
    chown: str | None = None  # "user[:group]", names or numbers
    chmod: str | None = None  # octal or symbolic
    parents: bool = False
    excludes: tuple[str, ...] = ()
    link: bool = False
    unpack: bool = False  # archives are taken apart: ADD, unless --unpack=false
    inline: tuple[tuple[str, bytes], ...] = ()  # heredocs: name, content


_MANY, _LARGE = 400, 32 << 20  # files, and bytes of them: from there on it pays (docs/speed.md)


@dataclass(frozen=True, slots=True)
class Item:
    """One source, or one match of its wildcards."""

    source: str  # as written
    path: str  # in the context, links followed; "" is its root
    name: str  # what it is called in a destination that is a directory
    nodes: Sequence[Node]  # a directory with what is in it, or one file
    is_archive: bool = False  # to be taken apart, not copied

    @property
    def is_directory(self) -> bool:
        return stat.S_ISDIR(self.nodes[0].stat.st_mode)


@dataclass(frozen=True, slots=True)
class Selection:
    """The files that a spec takes from a context, seen once."""

    context: Context
    spec: CopySpec
    items: tuple[Item, ...] = field(repr=False)
    listed: tuple[str, ...] = ()  # directories whose names were read to find them
    is_plain: bool = True  # nothing else was looked at: no link led to them, no rule was undone

    @property
    def is_large(self) -> bool:
        """Whether the files take so long to be copied, or packed, that it pays to avoid it."""
        nodes = [node for item in self.items for node in item.nodes]
        return len(nodes) >= _MANY or sum(node.stat.st_size for node in nodes) >= _LARGE


def check(spec: CopySpec) -> None:
    """Refuse what needs no context to be refused: Invalid for a --chmod that makes no
    sense, Unsupported for a remote source."""
    if spec.chmod:
        from lamina.build.chmod import parse

        parse(spec.chmod)
    for source in spec.sources:
        if _is_git(source):
            raise Unsupported(
                f'git source "{source}" is not built yet',
                hint="clone it into the build context and copy it from there",
            )
        if source.startswith(("http://", "https://")):
            raise Unsupported(
                f'remote source "{source}" is not built yet',
                hint="fetch it with RUN, or put it into the build context",
            )


def _is_git(source: str) -> bool:
    if "://" not in source and "@" not in source:  # most of all sources
        return False
    from lamina.dockerfile.git import parse_ref

    try:
        return not parse_ref(source).looks_local
    except Invalid:
        return False


def select(context: Context, spec: CopySpec) -> Selection:
    """Which files, under which names. Changes nothing.

    NotFound names the source; the hint names the ignore rule that hid it.
    """
    check(spec)
    if not spec.sources:
        return Selection(context, spec, ())
    with context.open_root() as root_fd:
        chooser = _Chooser(context, spec, root_fd)
        items = tuple(item for source in spec.sources for item in chooser.items(source))
    return Selection(context, spec, items, tuple(chooser.listed), chooser.is_plain)


def _rules(patterns: tuple[str, ...]) -> Ignore | None:
    if not patterns:
        return None
    from lamina.dockerfile.ignore import Ignore

    return Ignore.from_patterns(patterns)


class _Chooser:
    def __init__(self, context: Context, spec: CopySpec, root_fd: int) -> None:
        self.context = context
        self.spec = spec
        self.root_fd = root_fd
        self.exclude = _rules(spec.excludes)
        self.listed: list[str] = []
        self.is_plain = True

    def items(self, source: str) -> Iterator[Item]:
        if self.spec.parents:
            yield from self._with_parents(source)
            return
        chosen = Filter(exclude=self.exclude) if self.exclude else None
        for match in self._matches(source, source):
            yield self._item(source, match, chosen)

    def _with_parents(self, source: str) -> Iterator[Item]:
        """Everything up to "/./" is where to look, the rest is a pattern kept as a path."""
        start, pivot, pattern = source.partition("/./")
        if not pivot:
            start, pattern = "", source
        pattern = inside.clean(pattern)
        if not globs.has_wildcards(start) and not globs.has_wildcards(pattern):
            self._resolved(source, inside.clean(inside.join(start, pattern)))
        include = _rules((pattern,) if pattern else ())
        chosen = Filter(include, (pattern,), self.exclude)
        for match in self._matches(source, start):
            yield self._item(source, match, chosen)

    def _matches(self, source: str, path: str) -> Iterator[str]:
        base, parts = globs.split(inside.clean(path))
        if not parts:
            yield base
            return
        real = self._resolved(source, base)
        try:
            for match in globs.find(self.root_fd, real, parts, self.listed):
                if self._is_visible(match) and not self._is_socket(match):
                    yield match
        except NotADirectoryError:
            raise self._missing(source, base) from None

    def _item(self, source: str, match: str, chosen: Filter | None) -> Item:
        path = self._resolved(source, match)
        info = os.stat(path or ".", dir_fd=self.root_fd, follow_symlinks=False)
        name = match.rpartition("/")[2]
        try:
            if stat.S_ISDIR(info.st_mode):
                ignore, listed = self.context.ignore, self.listed
                nodes = walk(self.root_fd, path, ignore=ignore, chosen=chosen, listed=listed)
                return Item(source, path, name, tuple(nodes))
            archive = self.spec.unpack and self._is_archive(path, info)
        except OSError as error:
            raise _unreadable(source, error) from error
        return Item(source, path, name, (Node("", info),), archive)

    def _is_archive(self, path: str, info: os.stat_result) -> bool:
        if not stat.S_ISREG(info.st_mode):
            return False
        from lamina.build.archives import is_archive

        with os.fdopen(os.open(path, _READ, dir_fd=self.root_fd), "rb") as stream:
            return is_archive(stream)

    def _resolved(self, source: str, path: str) -> str:
        """`path` with links followed; NotFound unless it is there and not hidden."""
        try:
            real = inside.follow(self.root_fd, path, is_hidden=self._is_hidden)
        except OSError:
            raise self._missing(source, path) from None
        info = inside.lstat(self.root_fd, real)
        if info is None or stat.S_ISSOCK(info.st_mode) or not self._is_visible(real):
            raise self._missing(source, real)
        self.is_plain = self.is_plain and real == path
        return real

    def _is_socket(self, path: str) -> bool:
        # Clients never send sockets, so that there are none.
        info = inside.lstat(self.root_fd, path)
        return info is not None and stat.S_ISSOCK(info.st_mode)

    def _is_hidden(self, path: str) -> bool:
        return self.context.ignore is not None and self.context.ignore.ignores(path)

    def _is_visible(self, path: str) -> bool:
        """A hidden directory is there all the same if something in it is not hidden."""
        ignore = self.context.ignore
        if ignore is None or not path or not ignore.ignores(path):
            return True
        info = inside.lstat(self.root_fd, path)
        if info is None or not stat.S_ISDIR(info.st_mode) or ignore.may_skip_dir(path):
            return False
        self.is_plain = False
        return has_anything(self.root_fd, path, ignore)

    def _missing(self, source: str, path: str) -> NotFound:
        where = "" if self.context.name == "build context" else f" in {self.context.name}"
        return NotFound(f'"/{inside.clean(source)}": not found{where}', hint=self._hint(path))

    def _hint(self, path: str) -> str | None:
        ignore = self.context.ignore
        if ignore is not None and inside.lstat(self.root_fd, path) is not None:
            found = ignore.explain(path)
            if found is not None and not found.takes_back:
                where = f"{self.context.ignore_name} line {found.line}"
                return f'excluded by {where}: "{found.text}"'
        near = self._near(path)
        return f'did you mean "{near}"' if near else None

    def _near(self, path: str) -> str | None:
        import difflib

        directory, _, name = path.rpartition("/")
        try:
            fd = os.open(directory or ".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=self.root_fd)
        except OSError:
            return None
        try:
            names = [found for found in os.listdir(fd) if found != name]
        finally:
            os.close(fd)
        names = [found for found in names if self._is_visible(inside.join(directory, found))]
        close = difflib.get_close_matches(name, names, 1, 0.7)
        return inside.join(directory, close[0]) if close else None


def _unreadable(source: str, error: OSError) -> Invalid:
    where = f' at "{error.filename}"' if error.filename else ""
    return Invalid(f'cannot read source "{source}"{where}: {error.strerror}')
