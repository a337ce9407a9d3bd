""".dockerignore: which paths of a context are left out (moby/patternmatcher).

A pattern matches as Go's filepath.Match, `**` also matches any number of directories, and what it
matches takes everything below along. Patterns are asked in order; one after `!` takes paths back.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable

from lamina.dockerfile.text import SPACE
from lamina.errors import Invalid
from lamina.late import re
from lamina.values import dataclass, field

_CLASSES = {
    "d": "[0-9]",
    "D": "[^0-9]",
    "w": "[0-9A-Za-z_]",
    "W": "[^0-9A-Za-z_]",
    "s": "[\\t\\n\\f\\r ]",
    "S": "[^\\t\\n\\f\\r ]",
}


@dataclass(frozen=True, slots=True)
class Pattern:
    """One line of an ignore file."""

    text: str  # as it is matched, cleaned, without the exclamation mark
    takes_back: bool
    line: int  # 0 where it did not come from a file
    matches: Callable[[str], bool] = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Ignore:
    """Patterns in their order; equal patterns give equal answers."""

    patterns: tuple[Pattern, ...]
    _parents: dict[str, int] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def parse(cls, text: str | bytes) -> Ignore:
        """The patterns of an ignore file; Invalid names the line of a pattern that is none."""
        return cls._of(read_patterns(text))

    @classmethod
    def from_patterns(cls, patterns: Iterable[str]) -> Ignore:
        """Patterns given one by one, as --exclude gives them; Invalid for one that is none."""
        return cls._of((0, pattern) for pattern in patterns)

    @classmethod
    def _of(cls, numbered: Iterable[tuple[int, str]]) -> Ignore:
        found: list[Pattern] = []
        for line, text in numbered:
            stripped = text.strip(SPACE)
            if not stripped:
                continue
            cleaned = clean(stripped)
            takes_back = cleaned.startswith("!")
            try:
                found.append(_pattern(cleaned[1:] if takes_back else cleaned, takes_back, line))
            except Invalid as error:
                place = f" on line {line}" if line else ""
                raise Invalid(f'pattern "{text}"{place}: {error.message}') from None
        return cls(tuple(found))

    def ignores(self, path: str) -> bool:
        """Whether `path`, relative to the context, is left out; the context itself never is."""
        path = clean(path)
        if path == "." or not self.patterns:
            return False
        hits = self._hits(path)
        ignored = False
        for pattern in self.patterns:
            if hits & 1:
                ignored = not pattern.takes_back
            hits >>= 1
        return ignored

    def explain(self, path: str) -> Pattern | None:
        """The pattern that decides about `path`, by leaving it out or by taking it back.

        The first that turned it to what it is in the end; None if no pattern matches.
        """
        path = clean(path)
        hits = self._hits(path) if path != "." else 0
        decisive: Pattern | None = None
        for pattern in self.patterns:
            if hits & 1 and (decisive is None or decisive.takes_back != pattern.takes_back):
                decisive = pattern
            hits >>= 1
        return decisive

    def may_skip_dir(self, path: str) -> bool:
        """Whether the directory `path` and all below are left out, so that a walk need not enter.

        True is certain; False may be cautious, where a `!` pattern could match something below.
        """
        if not self.ignores(path):
            return False
        parts = clean(path).split("/")
        return not any(
            pattern.takes_back and _may_match_below(pattern.text, parts)
            for pattern in self.patterns
        )

    def _hits(self, path: str) -> int:
        """One bit for each pattern that matches `path` or a directory above it."""
        hits = self._parents.get(path)
        if hits is not None:
            return hits
        parent, slash, _ = path.rpartition("/")
        hits = 0
        if slash:
            hits = self._parents.get(parent, -1)
            if hits < 0:
                hits = self._parents[parent] = self._hits(parent)
        for bit, pattern in enumerate(self.patterns):
            if not hits >> bit & 1 and pattern.matches(path):
                hits |= 1 << bit
        return hits


def read_patterns(text: str | bytes) -> list[tuple[int, str]]:
    """(line, pattern) of an ignore file: comments dropped, patterns cleaned and made relative."""
    if isinstance(text, bytes):
        text = text.decode("utf-8", "surrogateescape")
    patterns: list[tuple[int, str]] = []
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
        if line.startswith("#"):
            continue
        pattern = line.strip(SPACE)
        if not pattern:
            continue
        takes_back = pattern.startswith("!")
        if takes_back:
            pattern = pattern[1:].strip(SPACE)
        if pattern:
            pattern = clean(pattern)
            if len(pattern) > 1:
                pattern = pattern.removeprefix("/")
        patterns.append((number, "!" + pattern if takes_back else pattern))
    return patterns


def clean(path: str) -> str:
    """The shortest spelling of `path` (Go, path.Clean)."""
    cleaned = posixpath.normpath(path) if path else "."
    # POSIX leaves two leading slashes alone; Go does not.
    return "/" + cleaned.lstrip("/") if cleaned.startswith("//") else cleaned


def _pattern(text: str, takes_back: bool, line: int) -> Pattern:
    if not text:
        raise Invalid('nothing after "!"')
    check_glob(text)
    return Pattern(text, takes_back, line, _matcher(text))


def _matcher(text: str) -> Callable[[str], bool]:
    """What matches one whole path, as moby compiles it: four ways, by the shape of the pattern."""
    expression, kind = _compile(text)
    if kind == "exact":
        return text.__eq__
    if kind == "prefix":
        prefix = text[:-2]
        return lambda path: path.startswith(prefix)
    if kind == "suffix":
        suffix = text[2:]
        whole = suffix[1:] if suffix.startswith("/") else None
        return lambda path: path.endswith(suffix) or path == whole
    try:
        matcher = re.compile(expression).fullmatch
    except re.error:
        raise Invalid("not a pattern") from None
    return lambda path: matcher(path) is not None


def _compile(text: str) -> tuple[str, str]:
    out: list[str] = []
    kind = "exact"
    at = 0
    while at < len(text):
        c = text[at]
        is_first = at == 0
        at += 1
        if c == "*" and text.startswith("*", at):
            at += 1
            if text.startswith("/", at):
                at += 1
            if at < len(text):
                out.append("(?:.*/)?")
                kind = "regex"
            elif kind == "exact":
                kind = "prefix"
            else:
                out.append(".*")
                kind = "regex"
            if is_first:
                kind = "suffix"
        elif c == "*":
            out.append("[^/]*")
            kind = "regex"
        elif c == "?":
            out.append("[^/]")
            kind = "regex"
        elif c == "[":
            piece, at = _class(text, at)
            out.append(piece)
            kind = "regex"
        elif c == "\\" and at < len(text):
            out.append(_escaped(text[at]))
            at += 1
            kind = "regex"
        else:
            out.append(re.escape(c))
            if c == "]":
                kind = "regex"
    return "".join(out), kind


def _escaped(c: str) -> str:
    """A character after a backslash: itself, but that letters keep what they mean to Go."""
    if not c.isalnum() or not c.isascii():
        return re.escape(c)
    if c in _CLASSES:
        return _CLASSES[c]
    raise Invalid(f'"\\{c}" is no escape')


def _class(text: str, at: int) -> tuple[str, int]:
    """A bracket expression, checked already, from after its bracket; and where it ends."""
    out = ["["]
    if text.startswith("^", at):
        out.append("^")
        at += 1
    start = at
    while text[at] != "]" or at == start:
        if text[at] == "\\":
            at += 1
            out.append(_in_class(text[at]))
        elif text[at] in "*?":
            # moby turns these to "[^/]*" and "[^/]" even here, which ends the bracket.
            return "".join(out) + "\\[\\^/]" + ("*" if text[at] == "*" else ""), at + 1
        elif text[at] == "-":
            out.append("-")
        else:
            out.append(_in_class(text[at]))
        at += 1
    return "".join(out) + "]", at + 1


def _in_class(c: str) -> str:
    return "\\" + c if c in "\\]^-[&~|" else c


def check_glob(text: str) -> None:
    """Invalid if `text` is no pattern of Go's filepath.Match: a bracket or an escape is open."""
    at = 0
    while at < len(text):
        c = text[at]
        at += 1
        if c == "\\":
            if at == len(text):
                raise Invalid("a backslash ends it")
            at += 1
        elif c == "[":
            at = _check_class(text, at)


def _check_class(text: str, at: int) -> int:
    if text.startswith("^", at):
        at += 1
    count = 0
    while True:
        if count and text.startswith("]", at):
            return at + 1
        low, at = _class_character(text, at)
        high = low
        if text.startswith("-", at):
            high, at = _class_character(text, at + 1)
        if high < low:
            raise Invalid(f'the range "{low}-{high}" ends before it starts')
        count += 1


def _class_character(text: str, at: int) -> tuple[str, int]:
    c = text[at : at + 1]
    if c == "\\":
        at += 1
        c = text[at : at + 1]
    elif c and c in "-]":
        raise Invalid(f'a bracket holds a bare "{c}"')
    if not c or at + 1 == len(text):
        raise Invalid("a bracket is not closed")
    return c, at + 1


def _may_match_below(pattern: str, directory: list[str]) -> bool:
    """Whether `pattern` could match something strictly below `directory`."""
    parts = pattern.split("/")
    for part, name in zip(parts, directory, strict=False):
        if "**" in part or "[" in part:
            return True  # a bracket may hold a slash
        if not _matcher(part)(name):
            return False
    return len(parts) > len(directory)
