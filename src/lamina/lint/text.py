"""Where the characters of an instruction stand in its file.

An instruction is one logical line, made of physical ones: continuations are joined, comments and
empty lines between are dropped, heredocs follow. A rule works on that text; a person looks at the
file. `Located` is the way back.
"""

from __future__ import annotations

from bisect import bisect_right

from lamina.dockerfile.instructions import Heredoc
from lamina.dockerfile.nodes import Node
from lamina.dockerfile.source import Source, Span
from lamina.dockerfile.text import SPACE
from lamina.values import dataclass


@dataclass(frozen=True, slots=True)
class Located:
    """A text, and where its pieces come from."""

    text: str
    starts: tuple[int, ...]  # of each piece, in the text
    places: tuple[tuple[int, int], ...]  # line and column of each piece
    whole: Span  # the instruction: the answer where there are no pieces

    def place(self, offset: int) -> tuple[int, int]:
        """Line and column of one character."""
        at = bisect_right(self.starts, offset) - 1
        if at < 0:
            return self.whole.start_line, self.whole.start_column
        line, column = self.places[at]
        return line, column + offset - self.starts[at]

    def span(self, start: int, end: int) -> Span:
        """The span of the characters from `start` to before `end`."""
        if not self.starts:
            return self.whole
        line, column = self.place(start)
        last_line, last_column = self.place(max(start, end - 1))
        return Span(line, column, last_line, last_column + 1)

    def slice(self, start: int, end: int) -> Located:
        """The part from `start` to before `end`."""
        starts: list[int] = []
        places: list[tuple[int, int]] = []
        for at, piece in enumerate(self.starts):
            following = self.starts[at + 1] if at + 1 < len(self.starts) else len(self.text)
            if following <= start or piece >= end:
                continue
            first = max(piece, start)
            line, column = self.places[at]
            starts.append(first - start)
            places.append((line, column + first - piece))
        return Located(self.text[start:end], tuple(starts), tuple(places), self.whole)


def logical(source: Source, node: Node, span: Span, escape: str) -> Located:
    """The logical line of `node` with its places; without them if it cannot be retraced."""
    starts: list[int] = []
    places: list[tuple[int, int]] = []
    pieces: list[str] = []
    length = 0
    number = node.start_line
    goes_on = True
    while goes_on and number <= len(source.lines):
        line = source.lines[number - 1]
        stripped = line.lstrip(SPACE)
        is_first = number == node.start_line
        if is_first or (stripped and stripped[0] != "#"):
            column = len(line) - len(stripped) if is_first else 0
            piece = line[column:]
            trimmed = piece.rstrip(" \t")
            goes_on = trimmed.endswith(escape) and trimmed[-2:-1] != escape
            if goes_on:
                piece = trimmed[:-1]
            starts.append(length)
            places.append((number, column + 1))
            pieces.append(piece)
            length += len(piece)
        number += 1
    text = "".join(pieces)
    if text != node.original:
        return Located(node.original, (), (), span)
    return Located(text, tuple(starts), tuple(places), span)


def body(source: Source, first_line: int, document: Heredoc, span: Span) -> Located:
    """The lines of a heredoc, which begin on `first_line`; tabs are dropped where it says so."""
    starts: list[int] = []
    places: list[tuple[int, int]] = []
    pieces: list[str] = []
    length = 0
    lines = document.content.split("\n")
    for at, line in enumerate(lines):
        raw = line + "\n" * (at + 1 < len(lines))
        piece = raw.lstrip("\t") if document.chomp else raw
        starts.append(length)
        places.append((first_line + at, len(raw) - len(piece) + 1))
        pieces.append(piece)
        length += len(piece)
    return Located("".join(pieces), tuple(starts), tuple(places), span)


def joined(parts: list[Located]) -> Located:
    """Several texts as one."""
    starts: list[int] = []
    places: list[tuple[int, int]] = []
    length = 0
    for part in parts:
        starts += [length + start for start in part.starts]
        places += part.places
        length += len(part.text)
    text = "".join([part.text for part in parts])
    return Located(text, tuple(starts), tuple(places), parts[0].whole)
