"""Names of stages, and what stages take from one another."""

from __future__ import annotations

from collections.abc import Iterator

from lamina.dockerfile import instructions as ins
from lamina.dockerfile.source import Span
from lamina.lint.file import File, Item
from lamina.lint.finding import Hit
from lamina.lint.rule import Phase
from lamina.lint.rules.kin import ERROR, WARNING, buildkit, hadolint, quote

_RESERVED = frozenset(("context", "scratch"))


def reserved_stage_name(file: File) -> Iterator[Hit]:
    """No stage is called `scratch` or `context`.

    Both mean something else already: the empty image, and the files beside the Dockerfile.
    """
    for item, name in _named(file):
        if name in _RESERVED:
            yield file.hit(
                item,
                f"Stage name should not use the same name as reserved stage {quote(name)}",
                at=item.node.args[-1],
            )


def duplicate_stage_name(file: File) -> Iterator[Hit]:
    """Every stage has a name of its own.

    Where two share one, `COPY --from` and `--target` mean the last, and the first cannot be
    reached.
    """
    seen: set[str] = set()
    for item, name in _named(file):
        if name in seen:
            yield file.hit(
                item,
                f"Duplicate stage name {quote(name)}, stage names should be unique",
                at=item.node.args[-1],
            )
        seen.add(name)


def unique_names(file: File) -> Iterator[Hit]:
    """Every stage has a name of its own (hadolint's number for DuplicateStageName)."""
    yield from duplicate_stage_name(file)


def reserved_names(file: File) -> Iterator[Hit]:
    """No stage is called `scratch` or `context` (hadolint's number for ReservedStageName)."""
    yield from reserved_stage_name(file)


def unknown_source(file: File) -> Iterator[Hit]:
    """`COPY --from` names a stage that stands above it.

    A name that is no stage is taken for an image and pulled; a misspelled stage is found out late,
    or never. Images in full, with a tag or a digest, are meant so and are let pass.

        COPY --from=bilder /app /app     # no, where the stage is called builder
    """
    names: set[str] = set()
    count = 0
    for item in file.items:
        line = item.instruction
        if isinstance(line, ins.From):
            count += 1
            names |= {line.as_name} if line.as_name else set()
        elif isinstance(line, ins.Copy) and line.from_ is not None:
            source = line.from_
            is_number = source.isdigit() and int(source) < count - 1
            if source.lower() not in names and not is_number and ":" not in source:
                yield file.hit(item, at=f"--from={source}")


def copy_from_itself(file: File) -> Iterator[Hit]:
    """`COPY --from` does not name its own stage: a stage is no source until it is finished."""
    for part in file.parts:
        if part.base is None:
            continue
        own = part.base.instruction
        assert isinstance(own, ins.From)
        for item in part.items:
            line = item.instruction
            if isinstance(line, ins.Copy) and line.from_ and line.from_.lower() == own.as_name:
                yield file.hit(item, at=f"--from={line.from_}")


def begins_with_from(file: File) -> Iterator[Hit]:
    """A Dockerfile begins with FROM; only ARG and comments may stand before it.

    Nothing can be done before there is an image to do it in.
    """
    for node in file.reading.nodes:
        if node.name == "FROM":
            return
        if node.name != "ARG":
            yield Hit(-1, _node_span(file, node.start_line), line=node.start_line)


def _named(file: File) -> Iterator[tuple[Item, str]]:
    for item in file.of(ins.From):
        assert isinstance(item.instruction, ins.From)
        if item.instruction.as_name:
            yield item, item.instruction.as_name


def _node_span(file: File, number: int) -> Span:
    line = file.source.lines[number - 1]
    return Span(number, len(line) - len(line.lstrip()) + 1, number, len(line.rstrip()) + 1)


RULES = (
    buildkit(
        "ReservedStageName",
        "Reserved words should not be used as stage names",
        reserved_stage_name,
        Phase.NAMES,
    ),
    buildkit(
        "DuplicateStageName", "Stage names should be unique", duplicate_stage_name, Phase.NAMES
    ),
    hadolint(
        "DL3022", "copy-from-known-stage", WARNING,
        "COPY --from names no stage that stands above", unknown_source,
    ),
    hadolint(
        "DL3023", "copy-from-itself", ERROR, "COPY --from names its own stage", copy_from_itself
    ),
    hadolint(
        "DL3024", "unique-stage-names", ERROR, "two stages share a name", unique_names,
        twin="DuplicateStageName",
    ),
    hadolint(
        "DL3061", "begins-with-from", ERROR, "the file begins with something else than FROM",
        begins_with_from,
    ),
    hadolint(
        "DL3063", "reserved-stage-name", WARNING, "a stage has a reserved name", reserved_names,
        twin="ReservedStageName",
    ),
)  # fmt: skip
