"""What a rule is: data, and one pure function."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import IntEnum
from typing import TYPE_CHECKING

from lamina.lint.finding import Hit, Severity
from lamina.values import dataclass

if TYPE_CHECKING:
    from lamina.lint.file import File


class Phase(IntEnum):
    """When BuildKit looks: a build that fails has only the findings from before that."""

    LINES = 0
    PARSE = 1  # of one instruction after the other
    NAMES = 2
    DEFAULTS = 3
    BASES = 4  # of one stage after the other
    STEPS = 5  # of one instruction after the other


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. The docstring of `check` is its description, and makes its part of the manual."""

    code: str
    name: str  # for people: words joined by dashes
    severity: Severity
    summary: str  # one line; the message of a hit that has none of its own
    check: Callable[[File], Iterable[Hit]]
    url: str = ""
    phase: Phase | None = None  # only of BuildKit's checks
    on: bool = True  # False: only when asked for by its code
    twin: str | None = (
        None  # the rule that says the same of an instruction, and is shown where both do
    )

    @property
    def description(self) -> str:
        """The docstring, without its indentation."""
        from inspect import cleandoc

        return cleandoc(self.check.__doc__ or "")
