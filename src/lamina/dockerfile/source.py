"""Where things stand in a Dockerfile, and how its faults are shown.

Lines and columns count from 1; a column counts characters, and `end_column` is one past the last.
"""

from __future__ import annotations

from collections.abc import Sequence

from lamina.errors import Invalid
from lamina.values import dataclass

_CONTEXT = 2  # lines shown before the first line of a fault
_WIDTH = 160  # characters of a line that are shown
_TALL = 12  # lines of a fault that are shown


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of text, from its first character to one past its last."""

    start_line: int
    start_column: int
    end_line: int
    end_column: int

    def __str__(self) -> str:
        return f"{self.start_line}:{self.start_column}"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong in a Dockerfile."""

    message: str
    span: Span
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class Warning:
    """Something that still works, and should not be written so."""

    message: str
    span: Span
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """The text of a Dockerfile, cut into lines without their ends."""

    name: str
    text: str
    lines: tuple[str, ...]

    def excerpt(self, span: Span) -> str:
        """The lines of `span` with two before them, numbered, and a caret below the first one."""
        first, last = span.start_line, max(span.start_line, span.end_line)
        shown_last = min(last, first + _TALL - 1, len(self.lines))
        width = len(str(shown_last))
        rows: list[str] = []
        for number in range(max(1, first - _CONTEXT), shown_last + 1):
            mark = ">>>" if number >= first else "   "
            line = self.lines[number - 1]
            rows.append(f"{number:>{width}} | {mark} {_visible(line)[:_WIDTH]}".rstrip())
            if number == first:
                rows.append(f"{'':>{width}} |     {self._carets(span, line)}")
        if shown_last < last:
            rows.append(f"{'':>{width}} |     ({last - shown_last} more lines)")
        return "\n".join(rows)

    def _carets(self, span: Span, line: str) -> str:
        start = min(max(span.start_column, 1), len(line) + 1)
        end = span.end_column if span.end_line == span.start_line else len(line) + 1
        width = max(1, min(end, len(line) + 1) - start)
        if start > _WIDTH:
            return " " * (_WIDTH - 1) + "^"
        pad = "".join("\t" if c == "\t" else " " for c in line[: start - 1])
        return pad + "^" * min(width, _WIDTH - start + 1)


class DockerfileErrors(Invalid):
    """All the faults of one Dockerfile, in the order of their lines; `render` shows them."""

    def __init__(self, source: Source, faults: Sequence[Fault]) -> None:
        self.source = source
        self.faults = tuple(sorted(faults, key=lambda fault: fault.span.start_line))
        first = self.faults[0]
        message = f"{source.name}:{first.span}: {first.message}"
        if len(self.faults) > 1:
            message += f" (and {len(self.faults) - 1} more)"
        super().__init__(message, hint=first.hint)

    def render(self) -> str:
        """Every fault with its lines, a caret and its hint, one blank line between two."""
        blocks: list[str] = []
        for fault in self.faults:
            rows = [f"{self.source.name}:{fault.span}: {fault.message}"]
            rows.append(self.source.excerpt(fault.span))
            if fault.hint:
                rows.append(f"hint: {fault.hint}")
            blocks.append("\n".join(rows))
        return "\n\n".join(blocks)


def _visible(line: str) -> str:
    """`line` with control characters shown as Unicode's pictures of them, so that none acts."""
    if line.isprintable():
        return line
    return "".join(
        c if c == "\t" or c.isprintable() else chr(0x2400 + ord(c)) if ord(c) < 32 else "\ufffd"
        for c in line
    )
