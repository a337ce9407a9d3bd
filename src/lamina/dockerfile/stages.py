"""Stages: what each FROM opens, and the ARGs before the first of them."""

from __future__ import annotations

from collections.abc import Sequence

from lamina.dockerfile.instructions import From, Instruction
from lamina.dockerfile.source import Span
from lamina.values import dataclass


@dataclass(frozen=True, slots=True)
class Stage:
    """One FROM and the instructions up to the next one."""

    index: int
    name: str | None  # lower case
    base: From
    instructions: tuple[Instruction, ...]
    span: Span


def find(stages: Sequence[Stage], name: str) -> Stage | None:
    """The last of `stages` that bears `name`, whatever its case, or that stands at that number."""
    wanted = name.lower()
    for stage in reversed(stages):
        if stage.name == wanted:
            return stage
    if wanted.isascii() and wanted.isdigit() and int(wanted) < len(stages):
        return stages[int(wanted)]
    return None
