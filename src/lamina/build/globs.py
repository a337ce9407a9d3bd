"""Wildcards in sources, as Go's path/filepath.Match reads them, found below a directory."""

from __future__ import annotations

import os
from collections.abc import Iterator

from lamina.late import re

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_MEANINGFUL = frozenset("*?[")


def has_wildcards(text: str) -> bool:
    """Whether an unescaped `*`, `?` or `[` is in `text`."""
    if _MEANINGFUL.isdisjoint(text):
        return False
    return re.search(r"[*?\[]", re.sub(r"\\.", "", text, flags=re.DOTALL)) is not None


def split(path: str) -> tuple[str, tuple[str, ...]]:
    """`path` cut before its first part with a wildcard: the plain path, and the parts after."""
    parts = [part for part in path.split("/") if part]
    for index, part in enumerate(parts):
        if has_wildcards(part):
            return "/".join(parts[:index]), tuple(parts[index:])
    return "/".join(parts), ()


def matcher(pattern: str) -> re.Pattern[str] | None:
    """One path part as an expression; None for a malformed pattern, which matches nothing."""
    out: list[str] = []
    at = 0
    while at < len(pattern):
        char = pattern[at]
        at += 1
        if char == "*":
            out.append("[^/]*")
        elif char == "?":
            out.append("[^/]")
        elif char == "[":
            found = _character_class(pattern, at)
            if found is None:
                return None
            text, at = found
            out.append(text)
        else:
            if char == "\\":
                if at == len(pattern):
                    return None
                char = pattern[at]
                at += 1
            out.append(re.escape(char))
    return re.compile("".join(out), re.DOTALL)


def _character_class(pattern: str, at: int) -> tuple[str, int] | None:
    """What follows a "[", as an expression and the place after its "]"; None if malformed."""
    negated = pattern[at : at + 1] == "^"
    at += negated
    ranges: list[str] = []
    while True:
        if ranges and pattern[at : at + 1] == "]":
            return f"[{'^' if negated else ''}{''.join(ranges)}]", at + 1
        found = _class_character(pattern, at)
        if found is None:
            return None
        first, at = found
        last = first
        if pattern[at : at + 1] == "-":
            found = _class_character(pattern, at + 1)
            if found is None:
                return None
            last, at = found
        # An empty range is well formed for Go, and matches nothing.
        if first <= last:
            ranges.append(f"{re.escape(first)}-{re.escape(last)}")
        else:
            ranges.append("\\0")  # names never hold NUL


def _class_character(pattern: str, at: int) -> tuple[str, int] | None:
    char = pattern[at : at + 1]
    if char in ("", "-", "]"):
        return None
    if char != "\\":
        return char, at + 1
    escaped = pattern[at + 1 : at + 2]
    return (escaped, at + 2) if escaped else None


def find(
    root_fd: int, base: str, parts: tuple[str, ...], listed: list[str] | None = None
) -> Iterator[str]:
    """The paths below the directory `base` that match, in order of names; links not followed.

    FileNotFoundError or NotADirectoryError if `base` is no directory. Every directory that is
    read on the way is appended to `listed`.
    """
    expressions = [matcher(part) for part in parts]
    if any(expression is None for expression in expressions):
        return iter(())
    found = [expression for expression in expressions if expression is not None]
    return _below(root_fd, base, found, [] if listed is None else listed)


def _below(
    root_fd: int, base: str, expressions: list[re.Pattern[str]], listed: list[str]
) -> Iterator[str]:
    listed.append(base)
    fd = os.open(base or ".", _DIRECTORY, dir_fd=root_fd)
    try:
        with os.scandir(fd) as found:
            entries = sorted(
                (entry.name, entry.is_dir(follow_symlinks=False))
                for entry in found
                if expressions[0].fullmatch(entry.name)
            )
    finally:
        os.close(fd)
    for name, is_directory in entries:
        path = f"{base}/{name}" if base else name
        if len(expressions) == 1:
            yield path
        elif is_directory:
            yield from _below(root_fd, path, expressions[1:], listed)
