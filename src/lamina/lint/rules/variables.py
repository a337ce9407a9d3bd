"""Variables: declared before they are used, and written the new way."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lamina.dockerfile import instructions as ins
from lamina.dockerfile import words
from lamina.dockerfile.source import Span
from lamina.errors import Invalid
from lamina.lint.file import File, Item
from lamina.lint.finding import Edit, Hit
from lamina.lint.rule import Phase
from lamina.lint.rules.kin import ERROR, buildkit, hadolint

_PLAIN = re.compile(r"[A-Za-z0-9_./:@%+,${}-]*")


def undefined_arg_in_from(file: File) -> Iterator[Hit]:
    """The variables of a FROM line are declared above the first FROM.

    ARGs behind a FROM belong to its stage, and nothing else is known there.

        FROM node:22${VARIANT}         # no

        ARG VARIANT="-alpine3.20"      # yes
        FROM node:22${VARIANT}
    """
    for each in file.trace.unset_in_from:
        near = f" (did you mean {each.near}?)" if each.near else ""
        message = f"FROM argument '{each.name}' is not declared{near}"
        yield _at_variable(file, each.item, each.name, message, each.near)


def undefined_var(file: File) -> Iterator[Hit]:
    """A variable is set, by ARG or ENV, before an instruction uses it.

    What no ARG, ENV or base image sets expands to nothing, and nobody is told. RUN, CMD and
    ENTRYPOINT are not looked at: there the shell expands.

        COPY $DIR_ASSET .    # no, where the ARG is called DIR_ASSETS
    """
    for each in file.trace.unset:
        near = f" (did you mean ${each.near}?)" if each.near else ""
        message = f"Usage of undefined variable '${each.name}'{near}"
        yield _at_variable(file, each.item, each.name, message, each.near)


def invalid_default_arg_in_from(file: File) -> Iterator[Hit]:
    """A FROM line names an image even if no build argument is given.

    Otherwise the build fails for everybody who does not know what to pass.

        ARG TAG           # no
        ARG TAG=latest    # yes
        FROM busybox:${TAG}
    """
    for item in file.trace.bad_defaults:
        line = item.instruction
        assert isinstance(line, ins.From)
        yield file.hit(
            item,
            f"Default value for ARG {line.image} results in empty or invalid base image name",
            at=line.image,
        )


def legacy_key_value_format(file: File) -> Iterator[Hit]:
    """ENV and LABEL are written with an equals sign.

    Without one, all the rest of the line is the value, and what looks like a second variable is
    a part of the first.

        ENV DEPS curl git      # no
        ENV DEPS="curl git"    # yes
    """
    for item in file.of(ins.Env, ins.Label):
        line = item.instruction
        assert isinstance(line, ins.Env | ins.Label)
        if line.is_legacy:
            name = line.keyword
            yield file.hit(
                item,
                f'"{name} key=value" should be used instead of legacy "{name} key value" format',
                edits=_with_equals(file, item, line),
            )


def refers_to_itself(file: File) -> Iterator[Hit]:
    """An ENV does not use a variable that it sets itself.

    All values of one ENV are expanded with what was set before the line.

        ENV ROOT=/opt BIN=${ROOT}/bin     # no: BIN becomes /bin

        ENV ROOT=/opt                     # yes
        ENV BIN=${ROOT}/bin
    """
    known: set[str] = set()
    for item in file.items:
        line = item.instruction
        if isinstance(line, ins.Arg):
            known |= {name for name, _ in line.args}
        if not isinstance(line, ins.Env):
            continue
        for at, (name, _) in enumerate(line.pairs):
            others = [value for other, (_, value) in enumerate(line.pairs) if other != at]
            if name not in known and any(name in _names(value) for value in others):
                yield file.hit(item, f'"{name}" is used in the ENV that sets it', at=f"{name}=")
                break
        known |= {name for name, _ in line.pairs}


def _names(value: str) -> set[str]:
    try:
        return words.used_names(value)
    except Invalid:
        return set()


def _at_variable(file: File, item: Item, name: str, message: str, near: str | None) -> Hit:
    located = file.located(item)
    match = re.search(rf"\$\{{?({re.escape(name)})(?![A-Za-z0-9_])", located.text)
    if match is None:
        return file.hit(item, message)
    span = located.span(match.start(1), match.end(1))
    hint = f'did you mean "{near}"?' if near else None
    edits = (Edit(span, near),) if near else ()
    return Hit(item.index, span, message, hint, edits, item.line)


def _with_equals(file: File, item: Item, line: ins.Env | ins.Label) -> tuple[Edit, ...]:
    """The same with `=`; the value quoted where it has to be, if that is certain."""
    ((key, value),) = line.pairs
    located = file.located(item)
    match = re.search(rf"(?<=\s){re.escape(key)}([\t\v\f\r ]+)", located.text)
    if match is None or not located.starts:
        return ()
    start, end = match.start(1), len(located.text.rstrip())
    if located.text[match.end() : end] != value:
        return ()
    is_quoted = re.fullmatch(r'"[^"\\]*"|\'[^\']*\'', value) is not None
    if not _PLAIN.fullmatch(value) and not is_quoted:
        if "\\" in value or '"' in value or "'" in value or "`" in value:
            return ()
        return (
            Edit(located.span(start, match.end()), '="'),
            Edit(_behind(located.span(end - 1, end)), '"'),
        )
    return (Edit(located.span(start, match.end()), "="),)


def _behind(span: Span) -> Span:
    return Span(span.end_line, span.end_column, span.end_line, span.end_column)


RULES = (
    buildkit(
        "UndefinedArgInFrom", "FROM command must use declared ARGs", undefined_arg_in_from,
        Phase.BASES,
    ),
    buildkit(
        "UndefinedVar", "Variables should be defined before their use", undefined_var, Phase.STEPS
    ),
    buildkit(
        "InvalidDefaultArgInFrom",
        "Default value for global ARG results in an empty or invalid base image name",
        invalid_default_arg_in_from,
        Phase.DEFAULTS,
    ),
    buildkit(
        "LegacyKeyValueFormat",
        "Legacy key/value format with whitespace separator should not be used",
        legacy_key_value_format,
        Phase.STEPS,
    ),
    hadolint(
        "DL3044", "env-uses-itself", ERROR, "an ENV uses a variable that it sets itself",
        refers_to_itself,
    ),
)  # fmt: skip
