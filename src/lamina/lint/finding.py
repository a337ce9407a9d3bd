"""What a rule finds, and how bad it is."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from lamina.dockerfile.source import Span
from lamina.values import dataclass

if TYPE_CHECKING:
    from lamina.lint.measured import Measured


class Severity(StrEnum):
    """How bad a finding is, the worst first."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"
    STYLE = "style"

    @property
    def rank(self) -> int:
        """0 for the worst."""
        return _RANKS[self]

    def reaches(self, threshold: Severity) -> bool:
        """Whether this is as bad as `threshold`, or worse."""
        return _RANKS[self] <= _RANKS[threshold]


_RANKS = {severity: rank for rank, severity in enumerate(Severity)}


@dataclass(frozen=True, slots=True)
class Edit:
    """A change of the text that takes a finding away: `text` instead of what `span` holds."""

    span: Span
    text: str


@dataclass(frozen=True, slots=True)
class Hit:
    """One place where a rule fires, as the rule itself tells it."""

    item: int  # the instruction whose comments may silence it; -1 for none
    span: Span
    message: str = ""  # the rule's summary where empty
    hint: str | None = None
    edits: tuple[Edit, ...] = ()
    line: int = 0  # the line that other linters name; the first of `span` where 0


@dataclass(frozen=True, slots=True)
class Finding:
    """One piece of advice on a Dockerfile."""

    code: str
    severity: Severity
    message: str
    span: Span
    line: int  # where the instruction begins, which is what hadolint and docker name
    hint: str | None = None
    url: str = ""
    description: str = ""  # in one line, of the rule and not of the place
    edits: tuple[Edit, ...] = ()
    measured: Measured | None = None  # of a build, where one is at hand
