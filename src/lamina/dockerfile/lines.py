"""Physical lines into logical ones: comments, continuations, directives.

The rules are those of BuildKit's parser: a line whose last character but blanks is the escape goes
on, unless another escape stands before it; comments and empty lines inside are skipped.
"""

from __future__ import annotations

from collections.abc import Iterator

from lamina.dockerfile.directives import Directives
from lamina.dockerfile.source import Fault, Source, Span, Warning
from lamina.dockerfile.text import SPACE
from lamina.errors import Invalid
from lamina.values import dataclass

LINE_LIMIT = 65535  # bytes of one physical line, as in BuildKit
_EMPTY_CONTINUATION = "https://docs.docker.com/go/dockerfile/rule/no-empty-continuation/"


@dataclass(frozen=True, slots=True)
class LogicalLine:
    """What is read at once: its physical lines joined, without what was skipped."""

    text: str
    start_line: int
    end_line: int
    comments: tuple[str, ...]


class Lines:
    """Walks a source; `faults` and `warnings` grow while it does."""

    def __init__(self, source: Source, raw: list[str]) -> None:
        self.source = source
        self.raw = raw  # each line with its end
        self.faults: list[Fault] = []
        self.warnings: list[Warning] = []
        self.directives = Directives()
        self.escape = "\\"
        self.at = 0  # lines consumed

    @classmethod
    def of(cls, text: str, name: str) -> Lines:
        """The lines of `text`; those that are too long, or hold a NUL, are faults already."""
        text = text.removeprefix("\ufeff")
        raw = text.split("\n")
        last = raw.pop()
        raw = [line + "\n" for line in raw]
        if last:
            raw.append(last)
        source = Source(name, text, tuple([line.rstrip("\r\n") for line in raw]))
        lines = cls(source, raw)
        lines._check()
        return lines

    def _check(self) -> None:
        text = self.source.text
        if len(text) > LINE_LIMIT // 4:
            for number, line in enumerate(self.raw, 1):
                if len(line) > LINE_LIMIT // 4:
                    size = len(line.removesuffix("\n").encode("utf-8", "surrogateescape"))
                    if size > LINE_LIMIT:
                        self._fault(number, f"a line of {size} bytes, {LINE_LIMIT} are allowed")
        if "\0" in text:
            for number, line in enumerate(self.source.lines, 1):
                if "\0" in line and not line.lstrip(SPACE).startswith("#"):
                    column = line.index("\0") + 1
                    span = Span(number, column, number, column + 1)
                    self.faults.append(
                        Fault("a NUL character", span, "save the file as plain UTF-8 text")
                    )

    def _fault(self, number: int, message: str, hint: str | None = None) -> None:
        end = len(self.source.lines[number - 1]) + 1
        self.faults.append(Fault(message, Span(number, 1, number, end), hint))

    def __iter__(self) -> Iterator[LogicalLine]:
        comments: list[str] = []
        while self.at < len(self.raw):
            raw = self.raw[self.at]
            self.at += 1
            stripped = raw.lstrip(SPACE)
            if not stripped:
                self.directives.done = True
                continue
            is_comment = stripped[0] == "#"
            if is_comment:
                # The first character goes, whatever it is, as in BuildKit.
                comment = raw[1:].strip(SPACE)
                comments = [*comments, comment] if comment else []
            if not self.directives.done and self._read_directive(stripped.rstrip("\r\n")):
                del comments[-1:]
            if is_comment:
                continue
            start = self.at
            text, goes_on = self._continued(stripped.rstrip("\r\n"))
            if goes_on:
                text = self._join(text, start)
            yield LogicalLine(text, start, self.at, tuple(comments))
            comments = []

    def _read_directive(self, line: str) -> bool:
        try:
            directive = self.directives.read(line, self.at)
        except Invalid as error:
            self._fault(self.at, error.message, error.hint)
            return False
        if directive is None:
            return False
        if directive.name == "escape":
            if directive.value not in ("\\", "`"):
                self._fault(self.at, f'"{directive.value}" cannot be the escape', "use ` or \\")
            else:
                self.escape = directive.value
        return True

    def _continued(self, line: str) -> tuple[str, bool]:
        """`line` without the escape that ends it, and whether there was one."""
        trimmed = line.rstrip(" \t")
        if not trimmed.endswith(self.escape) or trimmed[-2:-1] == self.escape:
            return line, False
        return trimmed[:-1], True

    def _join(self, text: str, start: int) -> str:
        pieces = [text]
        empty = 0
        goes_on = True
        while goes_on and self.at < len(self.raw):
            line = self.raw[self.at].rstrip("\r\n")
            self.at += 1
            stripped = line.lstrip(SPACE)
            if not stripped:
                empty = empty or self.at
            elif stripped[0] != "#":
                piece, goes_on = self._continued(line)
                pieces.append(piece)
        joined = "".join(pieces)
        if empty:
            span = Span(empty, 1, empty, len(self.source.lines[empty - 1]) + 1)
            message = f"Empty continuation line found in: {joined}"
            self.warnings.append(Warning(message, span, _EMPTY_CONTINUATION))
        return joined

    def take(self) -> str | None:
        """The next physical line, with its end: the body of a heredoc; None at the end."""
        if self.at >= len(self.raw):
            return None
        self.at += 1
        return self.raw[self.at - 1]
