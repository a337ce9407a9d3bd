"""Comments that speak to the linter.

    # hadolint ignore=DL3008,DL3015     the line below
    # hadolint stage ignore=DL3008      the stage whose FROM is on the line below
    # hadolint global ignore=DL3008     the whole file
    # hadolint shell=powershell         what RUN is written for, from here on
    # lamina ignore=LM1001              as the first; takes the code of any rule
    # check=skip=StageNameCasing        the instruction below; BuildKit's checks only

A comment may follow behind another `#`. A list in which one name is no code counts for nothing.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING

from lamina.values import dataclass

if TYPE_CHECKING:
    from lamina.lint.file import File


class Kind(StrEnum):
    """What a pragma does."""

    LINE = "line"
    STAGE = "stage"
    GLOBAL = "global"
    SHELL = "shell"


@dataclass(frozen=True, slots=True)
class Pragma:
    """One comment that was understood."""

    kind: Kind
    line: int
    codes: frozenset[str] = frozenset()
    shell: str = ""


_HADOLINT = r"(?:DL|SC|LM)?[DLSC0-9]+"
_NAMED = r"[A-Za-z][A-Za-z0-9]*"
_LIST = r"{0}(?:[ \t]*,[ \t]*{0})*"
_IGNORE = re.compile(
    r"[ \t]*(?:hadolint[ \t]+(?:(global|stage)[ \t]+)?ignore[ \t]*=[ \t]*("
    + _LIST.format(_HADOLINT)
    + r")|lamina[ \t]+(?:(global|stage)[ \t]+)?ignore[ \t]*=[ \t]*("
    + _LIST.format(_NAMED)
    + r"))[ \t]*(?:#.*)?"
)
_SHELL = re.compile(r"[ \t]*hadolint[ \t]+shell[ \t]*=[ \t]*([^\s#]+)[ \t]*(?:#.*)?")


def pragmas(file: File) -> list[Pragma]:
    """The pragmas of a file, in the order of its lines."""
    if "hadolint" not in file.source.text and "lamina" not in file.source.text:
        return []
    inside = {
        number
        for node in file.reading.nodes
        for number in range(node.start_line, node.end_line + 1)
    }
    found: list[Pragma] = []
    for number, line in enumerate(file.source.lines, 1):
        stripped = line.lstrip()
        if stripped.startswith("#") and number not in inside:
            pragma = _parse(stripped[1:], number)
            if pragma is not None:
                found.append(pragma)
    return found


def _parse(comment: str, line: int) -> Pragma | None:
    match = _SHELL.fullmatch(comment)
    if match:
        return Pragma(Kind.SHELL, line, shell=match[1])
    match = _IGNORE.fullmatch(comment)
    if not match:
        return None
    kind = Kind(match[1] or match[3] or "line")
    codes = re.split(r"[ \t]*,[ \t]*", match[2] or match[4])
    return Pragma(kind, line, frozenset(codes))


class Silence:
    """Which rules the pragmas of a file silence, and where."""

    def __init__(self, file: File) -> None:
        self._lines: dict[int, frozenset[str]] = {}
        self._everywhere: frozenset[str] = frozenset()
        self._stages: list[tuple[int, int, frozenset[str]]] = []
        for pragma in pragmas(file):
            if pragma.kind is Kind.LINE:
                self._lines[pragma.line + 1] = pragma.codes
            elif pragma.kind is Kind.GLOBAL:
                self._everywhere |= pragma.codes
            elif pragma.kind is Kind.STAGE:
                self._add_stage(file, pragma)

    def _add_stage(self, file: File, pragma: Pragma) -> None:
        bases = [part.base for part in file.parts if part.base is not None]
        for at, base in enumerate(bases):
            if base.line == pragma.line + 1:
                last = bases[at + 1].line - 1 if at + 1 < len(bases) else 1 << 30
                self._stages.append((base.line, last, pragma.codes))

    def covers(self, code: str, line: int) -> bool:
        """Whether a finding on an instruction that begins on `line` is to be dropped."""
        return (
            code in self._everywhere
            or code in self._lines.get(line, ())
            or any(first <= line <= last and code in codes for first, last, codes in self._stages)
        )
