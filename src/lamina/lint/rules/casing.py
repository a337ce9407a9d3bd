"""Upper and lower case of keywords."""

from __future__ import annotations

from collections.abc import Iterator

from lamina.dockerfile import instructions as ins
from lamina.dockerfile.source import Span
from lamina.lint.file import File, Item
from lamina.lint.finding import Edit, Hit
from lamina.lint.rule import Phase
from lamina.lint.rules.kin import buildkit


def stage_name_casing(file: File) -> Iterator[Hit]:
    """The name of a stage is written in lower case.

    Names of stages are compared without regard to case and kept in lower case, while the names of
    images may not hold capitals at all: `FROM Base` and `FROM base` then look like two things.

        FROM alpine AS BuilderBase    # no
        FROM alpine AS builder-base   # yes
    """
    for item in file.of(ins.From):
        if len(item.node.args) == 3 and item.node.args[2] != item.node.args[2].lower():
            name = item.node.args[2]
            span = file.find(item, name)
            yield file.hit(
                item,
                f"Stage name '{name}' should be lowercase",
                at=name,
                edits=(Edit(span, name.lower()),),
            )


def from_as_casing(file: File) -> Iterator[Hit]:
    """FROM and its AS are written in the same case.

    A line in two cases looks as if the words came from two places.

        FROM debian as base   # no
        FROM debian AS base   # yes
    """
    for item in file.of(ins.From):
        line = item.instruction
        assert isinstance(line, ins.From)
        if line.as_keyword is None:
            continue
        keyword, word = line.keyword, line.as_keyword
        if keyword == keyword.lower():
            wanted = word.lower()
        elif keyword == keyword.upper():
            wanted = word.upper()
        else:
            continue
        if word != wanted:
            span = _word_span(file, item, word)
            message = f"'{word}' and '{keyword}' keywords' casing do not match"
            yield Hit(item.index, span, message, None, (Edit(span, wanted),), item.line)


def consistent_instruction_casing(file: File) -> Iterator[Hit]:
    """All instructions of a file are in upper case, or all in lower case.

    The majority decides. Upper case is what everybody writes.

        From alpine    # no
        FROM alpine    # yes
    """
    items = [item for item in file.items if item.stage >= 0]
    keywords = [item.instruction.keyword for item in items]
    lower = sum(word == word.lower() for word in keywords)
    upper = sum(word == word.upper() for word in keywords)
    is_lower = lower > upper
    for item, word in zip(items, keywords, strict=True):
        wanted = word.lower() if is_lower else word.upper()
        if word != wanted:
            casing = "lowercase" if is_lower else "uppercase"
            message = f"Command '{word}' should match the case of the command majority ({casing})"
            span = file.keyword_span(item)
            yield Hit(item.index, span, message, None, (Edit(span, wanted),), item.line)


def _word_span(file: File, item: Item, word: str) -> Span:
    """Where the keyword AS stands: the last such word but one."""
    located = file.located(item)
    at = located.text.rstrip().rfind(f" {word} ") + 1
    if at <= 0:
        at = located.text.rfind(word, 0, located.text.rstrip().rfind(item.node.args[2]))
    return located.span(at, at + len(word)) if at > 0 else item.span


RULES = (
    buildkit("StageNameCasing", "Stage names should be lowercase", stage_name_casing, Phase.PARSE),
    buildkit(
        "FromAsCasing",
        "The 'as' keyword should match the case of the 'from' keyword",
        from_as_casing,
        Phase.PARSE,
    ),
    buildkit(
        "ConsistentInstructionCasing",
        "All commands within the Dockerfile should use the same casing (either upper or lower)",
        consistent_instruction_casing,
        Phase.NAMES,
    ),
)
