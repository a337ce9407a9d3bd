"""Text into a Dockerfile: lines, nodes, instructions, stages; every fault at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lamina.dockerfile.directives import Directive
from lamina.dockerfile.instructions import Arg, From, Instruction
from lamina.dockerfile.lines import Lines
from lamina.dockerfile.nodes import Node, parse_node, with_heredocs
from lamina.dockerfile.source import DockerfileErrors, Fault, Source, Span, Warning
from lamina.dockerfile.stages import Stage
from lamina.dockerfile.typed import type_node
from lamina.errors import Invalid
from lamina.late import re
from lamina.values import dataclass, replace

_SURROGATE = r"[\udc80-\udcff]"


@dataclass(frozen=True, slots=True)
class Dockerfile:
    """A Dockerfile that can be read; it may still have no stage."""

    source: Source
    directives: Mapping[str, Directive]  # by name
    escape: str
    nodes: tuple[Node, ...]
    meta_args: tuple[Arg, ...]  # the ARGs before the first FROM
    stages: tuple[Stage, ...]
    warnings: tuple[Warning, ...]

    @property
    def instructions(self) -> tuple[Instruction, ...]:
        """Every instruction, in the order of the file."""
        staged = [each for stage in self.stages for each in (stage.base, *stage.instructions)]
        return (*self.meta_args, *staged)


@dataclass(frozen=True, slots=True)
class Reading:
    """What of a Dockerfile can be read, beside all that is wrong with it."""

    source: Source
    directives: Mapping[str, Directive]  # by name
    escape: str
    nodes: tuple[Node, ...]
    instructions: tuple[Instruction, ...]  # also those that stand before the first FROM
    warnings: tuple[Warning, ...]
    broken_lines: tuple[Fault, ...]  # what cannot be cut into instructions
    broken_instructions: tuple[Fault, ...]


def parse(data: bytes | str, *, name: str = "Dockerfile") -> Dockerfile:
    """The Dockerfile that `data` spells; `name` is what its faults call it.

    Bytes that are not UTF-8 are kept (surrogateescape). DockerfileErrors holds every fault.
    """
    reading = read(data, name=name)
    faults = (*reading.broken_lines, *reading.broken_instructions)
    if faults:
        raise DockerfileErrors(reading.source, faults)
    meta_args, stages = staged(reading.instructions)
    return Dockerfile(
        source=reading.source,
        directives=reading.directives,
        escape=reading.escape,
        nodes=reading.nodes,
        meta_args=meta_args,
        stages=stages,
        warnings=reading.warnings,
    )


def read(data: bytes | str, *, name: str = "Dockerfile") -> Reading:
    """As `parse`, but faults are part of the answer; DockerfileErrors only for UTF-16."""
    lines = Lines.of(_decoded(data, name), name)
    nodes = _nodes(lines)
    broken_lines = tuple(lines.faults)
    typed: list[Instruction] = []
    for node in nodes:
        instruction, faults = type_node(node, lines.source, lines.warnings)
        lines.faults += faults
        if instruction is not None:
            typed.append(instruction)
    if not nodes and not lines.faults:
        lines.faults.append(
            Fault("no instructions", Span(1, 1, 1, 1), "a Dockerfile begins with FROM image")
        )
    _warn_of_bytes(lines)
    _refuse_stray(typed, nodes, lines)
    return Reading(
        source=lines.source,
        directives=lines.directives.found,
        escape=lines.escape,
        nodes=tuple(nodes),
        instructions=tuple(typed),
        warnings=tuple(lines.warnings),
        broken_lines=broken_lines,
        broken_instructions=tuple(lines.faults[len(broken_lines) :]),
    )


def parse_nodes(data: bytes | str, *, name: str = "Dockerfile") -> list[Node]:
    """Only the nodes: instructions are cut into pieces, and not checked; DockerfileErrors."""
    lines = Lines.of(_decoded(data, name), name)
    nodes = _nodes(lines)
    if lines.faults:
        raise DockerfileErrors(lines.source, lines.faults)
    return nodes


def instruction(text: str, span: Span | None = None) -> Instruction:
    """The one instruction that `text` spells, as the trigger of an ONBUILD does.

    `span`, where given, becomes the instruction's. DockerfileErrors if it is not one instruction.
    """
    lines = Lines.of(text, "ONBUILD trigger")
    nodes = _nodes(lines)
    if len(nodes) > 1:
        lines.faults.append(Fault("more than one instruction", Span(1, 1, 1, 1)))
    elif not nodes and not lines.faults:
        lines.faults.append(Fault("no instruction", Span(1, 1, 1, 1)))
    if not lines.faults:
        made, faults = type_node(nodes[0], lines.source, lines.warnings)
        if made is not None:
            return made if span is None else replace(made, span=span)
        lines.faults += faults
    raise DockerfileErrors(lines.source, lines.faults)


def _decoded(data: bytes | str, name: str) -> str:
    if isinstance(data, str):
        return data
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        source = Source(name, "", ("",))
        raise DockerfileErrors(
            source, [Fault("UTF-16 text", Span(1, 1, 1, 1), "save the file as UTF-8")]
        )
    return data.decode("utf-8", "surrogateescape")


def _nodes(lines: Lines) -> list[Node]:
    nodes: list[Node] = []
    for line in lines:
        try:
            nodes.append(with_heredocs(parse_node(line, lines.escape), lines))
        except (Invalid, RecursionError) as error:
            last = max(line.end_line, line.start_line)
            span = Span(line.start_line, 1, last, len(lines.source.lines[last - 1]) + 1)
            if isinstance(error, RecursionError):
                error = Invalid("ONBUILD inside ONBUILD, many times over")
            lines.faults.append(Fault(error.message, span, error.hint))
    return nodes


def _warn_of_bytes(lines: Lines) -> None:
    text = lines.source.text
    if text.isascii() or not re.search(_SURROGATE, text):
        return
    for number, line in enumerate(lines.source.lines, 1):
        match = re.search(_SURROGATE, line)
        if match:
            span = Span(number, match.start() + 1, number, match.end() + 1)
            lines.warnings.append(Warning("not UTF-8; its bytes are kept as they are", span))
            return


def staged(instructions: Sequence[Instruction]) -> tuple[tuple[Arg, ...], tuple[Stage, ...]]:
    """Meta ARGs and stages; what else stands before the first FROM is in neither."""
    meta_args: list[Arg] = []
    groups: list[tuple[From, list[Instruction]]] = []
    for each in instructions:
        if isinstance(each, From):
            groups.append((each, []))
        elif groups:
            groups[-1][1].append(each)
        elif isinstance(each, Arg):
            meta_args.append(each)
    stages = [
        Stage(index, base.as_name, base, tuple(rest), _span_over(base, rest))
        for index, (base, rest) in enumerate(groups)
    ]
    return tuple(meta_args), tuple(stages)


def _refuse_stray(instructions: list[Instruction], nodes: list[Node], lines: Lines) -> None:
    """Adds a fault for the first instruction but ARG that no FROM, right or wrong, precedes."""
    froms = [node.start_line for node in nodes if node.name == "FROM"]
    for each in instructions:
        if froms and each.span.start_line >= froms[0]:
            return
        if not isinstance(each, Arg):
            message = f"{each.name} stands before the first FROM"
            lines.faults.append(Fault(message, each.span, "begin with FROM image"))
            return


def _span_over(base: From, rest: list[Instruction]) -> Span:
    last = rest[-1].span if rest else base.span
    return replace(base.span, end_line=last.end_line, end_column=last.end_column)
