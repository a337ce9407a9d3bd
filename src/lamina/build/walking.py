"""A tree of input files walked once, in the order of copying: parents before children."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

from lamina.build.inside import join
from lamina.values import dataclass, replace

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from lamina.dockerfile.ignore import Ignore

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Node:
    """One file as it was seen."""

    path: str  # below the directory that is walked; "" is that directory
    stat: os.stat_result
    is_implied: bool = False  # a directory that is there only for what is selected below it


@dataclass(frozen=True, slots=True)
class Filter:
    """What of a directory is taken; patterns are relative to that directory."""

    include: Ignore | None = None  # only what these match, and what lies below
    wanted: tuple[str, ...] = ()  # the patterns of `include`, to know where not to look
    exclude: Ignore | None = None

    def takes(self, path: str) -> bool:
        if self.include is not None and not self.include.ignores(path):
            return False
        return self.exclude is None or not self.exclude.ignores(path)

    def may_skip(self, directory: str) -> bool:
        """Whether nothing below a directory that is not taken can be taken."""
        if self.exclude is not None and self.exclude.ignores(directory):
            return self.exclude.may_skip_dir(directory)
        return self.include is not None and not any(
            _may_lead(pattern, directory) for pattern in self.wanted
        )


class _Level:
    """A directory on the way down to what is being looked at."""

    __slots__ = ("entries", "is_emitted", "is_hidden", "is_taken", "node")

    def __init__(self, node: Node, entries: Iterator[tuple[str, os.stat_result]]) -> None:
        self.node = node
        self.entries = entries
        self.is_hidden = False  # by an ignore rule, until something below it is not
        self.is_taken = True
        self.is_emitted = True


def walk(
    root_fd: int,
    base: str,
    *,
    ignore: Ignore | None = None,
    chosen: Filter | None = None,
    listed: list[str] | None = None,
) -> Iterator[Node]:
    """What lies in the directory `base`, itself first, sorted by name at each level.

    Files that `ignore` hides do not exist, and neither do directories that it hides with all
    that is in them; its patterns are relative to the root. Sockets are left out. OSError for a
    directory that cannot be read, or is gone. Every directory that is read, itself or not one of
    those that are yielded, is appended to `listed`, by its path below the root.
    """
    listed = [] if listed is None else listed
    top = Node("", os.stat(base or ".", dir_fd=root_fd, follow_symlinks=False))
    yield top
    levels = [_Level(top, _entries(root_fd, base, listed))]
    plain = ignore is None and chosen is None
    while levels:
        entry = next(levels[-1].entries, None)
        if entry is None:
            levels.pop()
            continue
        name, info = entry
        path = join(levels[-1].node.path, name)
        if stat.S_ISSOCK(info.st_mode):
            continue
        is_directory = stat.S_ISDIR(info.st_mode)
        if plain:
            node = Node(path, info)
            yield node
            if is_directory:
                levels.append(_Level(node, _entries(root_fd, join(base, path), listed)))
            continue
        is_hidden = ignore is not None and ignore.ignores(join(base, path))
        is_taken = chosen is None or chosen.takes(path)
        if not is_hidden:
            yield from _seen(levels)
            if is_taken:
                yield from _emitted(levels, len(levels))
                yield Node(path, info)
        if not is_directory:
            continue
        if is_hidden and ignore is not None and ignore.may_skip_dir(join(base, path)):
            continue
        if not is_taken and chosen is not None and chosen.may_skip(path):
            continue
        level = _Level(Node(path, info), _entries(root_fd, join(base, path), listed))
        level.is_hidden, level.is_taken = is_hidden, is_taken
        level.is_emitted = is_taken and not is_hidden
        levels.append(level)


def has_anything(root_fd: int, base: str, ignore: Ignore) -> bool:
    """Whether anything in the directory `base` is not hidden by `ignore`."""
    nodes = walk(root_fd, base, ignore=ignore)
    next(nodes)
    return next(nodes, None) is not None


def _entries(root_fd: int, path: str, listed: list[str]) -> Iterator[tuple[str, os.stat_result]]:
    listed.append(path)
    fd = os.open(path or ".", _DIRECTORY, dir_fd=root_fd)
    try:
        names = sorted(os.listdir(fd))
        return iter([(name, os.stat(name, dir_fd=fd, follow_symlinks=False)) for name in names])
    finally:
        os.close(fd)


def _seen(levels: list[_Level]) -> Iterator[Node]:
    """Something that exists was found: hidden directories above it exist with it."""
    deepest = 0
    for depth, level in enumerate(levels, 1):
        if level.is_hidden:
            level.is_hidden = False
            if level.is_taken:
                deepest = depth
    return _emitted(levels, deepest)


def _emitted(levels: list[_Level], depth: int) -> Iterator[Node]:
    for level in levels[:depth]:
        if not level.is_emitted:
            level.is_emitted = True
            yield replace(level.node, is_implied=not level.is_taken)


def _may_lead(pattern: str, directory: str) -> bool:
    """Whether something below `directory` can match `pattern`; True when in doubt."""
    from lamina.build.globs import has_wildcards

    for part, name in zip(pattern.split("/"), directory.split("/"), strict=False):
        if has_wildcards(part) or "\\" in part:
            if "**" in part:
                return True
            continue
        if part != name:
            return False
    return True
