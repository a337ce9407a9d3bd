"""Comments, and lines between the parts of an instruction."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator

from lamina.dockerfile import instructions as ins
from lamina.dockerfile.source import Span
from lamina.lint.file import File, Item
from lamina.lint.finding import Edit, Hit
from lamina.lint.pragma import Kind, pragmas
from lamina.lint.rule import Phase
from lamina.lint.rules.kin import INFO, buildkit, hadolint


def no_empty_continuation(file: File) -> Iterator[Hit]:
    """No empty line stands between the lines of one instruction.

    Docker will refuse it some day. A line with nothing but a comment is fine.

        EXPOSE \\
                       # no: remove this line
        80
    """
    starts = [item.line for item in file.items]
    for warning in file.reading.warnings:
        if warning.url and "no-empty-continuation" in warning.url:
            number = warning.span.start_line
            edit = Edit(Span(number, 1, number + 1, 1), "")
            at = bisect_right(starts, number) - 1
            owner = file.items[at] if at >= 0 and file.items[at].span.end_line >= number else None
            # Docker names the line on which the instruction ends, heredocs aside.
            bodies = sum(d.content.count("\n") + 1 for d in owner.node.heredocs) if owner else 0
            line = owner.node.end_line - bodies if owner else number
            index = owner.index if owner else -1
            yield Hit(index, warning.span, "Empty continuation line", None, (edit,), line)


def invalid_definition_description(file: File) -> Iterator[Hit]:
    """A comment straight above FROM or ARG begins with the name that it describes.

    Such comments are what `docker build --call=outline` shows. Experimental: it is looked for only
    where `# check=experimental=InvalidDefinitionDescription` asks for it.

        # the base of everything      # no
        # base  what all stages share # yes
        FROM alpine AS base
    """
    for item in file.of(ins.From, ins.Arg):
        line = item.instruction
        names = _defined(item)
        if not line.comments or not names or line.comments[-1].split(" ")[0] in names:
            continue
        if not file.source.lines[item.line - 2].lstrip().startswith("#"):
            continue  # an empty line parts them
        example = names[0] if len(names) == 1 else "<arg_key>"
        yield file.hit(
            item,
            f"Comment for {line.name} should follow the format: `# {example} <description>`",
        )


def _defined(item: Item) -> list[str]:
    line = item.instruction
    if isinstance(line, ins.From):
        return [line.as_name] if line.as_name else []
    assert isinstance(line, ins.Arg)
    return [name for name, _ in line.args]


def inline_pragma(file: File) -> Iterator[Hit]:
    """No comment silences a rule: exceptions stand in the configuration.

    For teams that review exceptions in one place. It is off unless its code is asked for.
    """
    for pragma in pragmas(file):
        if pragma.kind is Kind.LINE:
            end = len(file.source.lines[pragma.line - 1]) + 1
            yield Hit(-1, Span(pragma.line, 1, pragma.line, end))


RULES = (
    buildkit(
        "NoEmptyContinuation",
        "Empty continuation lines will become errors in a future release",
        no_empty_continuation,
        Phase.LINES,
    ),
    buildkit(
        "InvalidDefinitionDescription",
        "Comment for build stage or argument should follow the format: `# <arg/stage name>"
        " <description>`. If this is not intended to be a description comment, add an empty line"
        " or comment between the instruction and the comment.",
        invalid_definition_description,
        Phase.PARSE,
        on=False,
    ),
    hadolint("DL1001", "inline-pragma", INFO, "a comment silences rules", inline_pragma, on=False),
)
