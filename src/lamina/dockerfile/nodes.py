"""Logical lines into nodes: an instruction's keyword, flags, arguments and heredocs, not yet typed.

The cuts are those of BuildKit's parser, whose nodes these are.
"""

from __future__ import annotations

from collections.abc import Callable

from lamina.dockerfile.heredocs import marks_of
from lamina.dockerfile.instructions import Heredoc
from lamina.dockerfile.lines import Lines, LogicalLine
from lamina.dockerfile.text import BLANKS, SPACE
from lamina.errors import Invalid
from lamina.late import json, re
from lamina.values import dataclass, replace

_SURROGATE = r"[\ud800-\udfff]"
_ASCII_SPACE = "\t\n\v\f\r "  # flags and HEALTHCHECK are read byte by byte
_WITH_HEREDOC = frozenset(("RUN", "COPY", "ADD"))


class NotStrings(Invalid):
    """A JSON array that holds something else than strings."""


@dataclass(frozen=True, slots=True)
class Node:
    """One instruction, cut into pieces."""

    keyword: str  # as written
    flags: tuple[str, ...]  # with their dashes, quotes taken off
    args: tuple[str, ...]  # for ENV and LABEL three each: key, value, "=" or ""
    is_json: bool
    original: str
    start_line: int
    end_line: int
    comments: tuple[str, ...] = ()
    heredocs: tuple[Heredoc, ...] = ()
    child: Node | None = None  # of ONBUILD

    @property
    def name(self) -> str:
        return self.keyword.upper()


def parse_node(line: LogicalLine, escape: str) -> Node:
    """The node of one logical line, heredocs aside; Invalid if its arguments cannot be cut."""
    keyword, flags, rest = _split(line.text)
    name = keyword.upper()
    args: tuple[str, ...] = ("",)  # of what is unknown, as in BuildKit
    is_json = False
    child = None
    if name == "ONBUILD":
        args = ()
        if rest:
            child = parse_node(LogicalLine(rest, line.start_line, line.end_line, ()), escape)
            args = (child.keyword, *child.args)
    elif cut := _CUTS.get(name):
        args, is_json = cut(rest, escape)
    return Node(
        keyword, flags, args, is_json, line.text, line.start_line, line.end_line, line.comments,
        child=child,
    )  # fmt: skip


def with_heredocs(node: Node, lines: Lines) -> Node:
    """`node` with the bodies of its heredocs taken from `lines`; Invalid if one is not closed."""
    owner = node.child or node
    if owner.name not in _WITH_HEREDOC or owner.is_json or "<<" not in node.original:
        return node
    heredocs = tuple([_body(mark, lines, node) for mark in marks_of(node.original)])
    return replace(node, heredocs=heredocs, end_line=lines.at) if heredocs else node


def _body(mark: Heredoc, lines: Lines, node: Node) -> Heredoc:
    content: list[str] = []
    while (raw := lines.take()) is not None:
        line = raw.rstrip("\r\n")
        if (line.lstrip("\t") if mark.chomp else line) == mark.name:
            return replace(mark, content="".join(content))
        content.append(raw)
    raise Invalid(
        f'the heredoc "{mark.name}" is not closed',
        hint=f'a line that holds nothing but "{mark.name}" ends it',
    )


def _split(line: str) -> tuple[str, tuple[str, ...], str]:
    """Keyword, flags and the rest of a logical line."""
    parts = re.split(BLANKS, line.strip(SPACE), maxsplit=1)
    if len(parts) == 1:
        return parts[0], (), ""
    rest = parts[1].lstrip(_ASCII_SPACE)
    if not rest.startswith("--"):
        return parts[0], (), rest.strip(SPACE)
    rest, flags = _flags(rest)
    return parts[0], tuple(flags), rest.strip(SPACE)


def _flags(line: str) -> tuple[str, list[str]]:
    """The rest of `line`, and the flags before it; their quotes and backslashes are taken off."""
    flags: list[str] = []
    at = 0
    while True:
        at += len(line) - at - len(line[at:].lstrip(_ASCII_SPACE))
        if not line.startswith("--", at):
            return line[at:], flags
        word, at, was_quoted = _flag(line, at)
        if word == "--":
            return line[at:], flags
        if word or was_quoted:
            flags.append(word)


def _flag(line: str, at: int) -> tuple[str, int, bool]:
    """One flag from `at` on, where it ends, and whether it holds quotes."""
    out: list[str] = []
    quote = ""
    was_quoted = False
    while at < len(line):
        c = line[at]
        if quote:
            if c == quote:
                quote = ""
                at += 1
                continue
        elif c in _ASCII_SPACE:
            break
        elif c in "'\"":
            quote = c
            was_quoted = True
            at += 1
            continue
        if c == "\\":
            at += 1
            if at == len(line):
                break
            c = line[at]
        out.append(c)
        at += 1
    return "".join(out), at, was_quoted


def parse_json(text: str) -> tuple[str, ...] | None:
    """The strings of a JSON array; None if `text` is no JSON array; NotStrings if not only those.

    What is not JSON is shell form, even where it begins with a bracket.
    """
    text = text.lstrip(SPACE)
    if not text.startswith("["):
        return None
    try:
        values = json.loads(text, parse_constant=_no_constant)
    except RecursionError:
        values = [None]
    except ValueError:
        return None
    if not all(isinstance(value, str) for value in values):
        raise NotStrings(
            "a JSON array of an instruction may hold strings only",
            hint="write each element between double quotes",
        )
    if text.isascii() and "\\" not in text:  # there is no way to spell a surrogate
        return tuple(values)
    return tuple([re.sub(_SURROGATE, "\ufffd", value) for value in values])


def _no_constant(name: str) -> object:
    raise ValueError(name)


def _maybe_json(rest: str, escape: str) -> tuple[tuple[str, ...], bool]:
    if not rest:
        return (), False
    values = parse_json(rest)
    return ((rest,), False) if values is None else (values, True)


def _maybe_json_list(rest: str, escape: str) -> tuple[tuple[str, ...], bool]:
    values = parse_json(rest)
    return _blank_separated(rest, escape) if values is None else (values, True)


def _blank_separated(rest: str, escape: str) -> tuple[tuple[str, ...], bool]:
    return tuple(re.split(BLANKS, rest)) if rest else (), False


def _whole(rest: str, escape: str) -> tuple[tuple[str, ...], bool]:
    return (rest,) if rest else (), False


def _health(rest: str, escape: str) -> tuple[tuple[str, ...], bool]:
    end = 0
    while end < len(rest) and rest[end] not in _ASCII_SPACE:
        end += 1
    if not end:
        return (), False
    args, is_json = _maybe_json(rest[end:].lstrip(_ASCII_SPACE), escape)
    return (rest[:end], *args), is_json


def _arg_words(rest: str, escape: str) -> tuple[tuple[str, ...], bool]:
    return tuple(split_words(rest, escape)), False


def _key_values(rest: str, escape: str) -> tuple[tuple[str, ...], bool]:
    words = split_words(rest, escape)
    if not words:
        return (), False
    if "=" not in words[0]:
        parts = re.split(BLANKS, rest, maxsplit=1)
        if len(parts) < 2:
            raise Invalid(f'"{rest}" has no value', hint=f"write {rest}=value")
        return (parts[0], parts[1], ""), False
    args: list[str] = []
    for word in words:
        key, equals, value = word.partition("=")
        if not equals:
            raise Invalid(
                f'"{word}" has no "="', hint="write key=value, and quotes round a value with blanks"
            )
        args += (key, value, "=")
    return tuple(args), False


def split_words(rest: str, escape: str) -> list[str]:
    """Words parted by unquoted blanks; quotes and escapes stay, for they are read later."""
    if "'" not in rest and '"' not in rest and escape not in rest:
        return [word for word in _any_space(rest) if word]
    words: list[str] = []
    word: list[str] = []
    quote = ""
    at = 0
    while at < len(rest):
        c = rest[at]
        if not quote and c in SPACE:
            if word:
                words.append("".join(word))
                word = []
            at += 1
            continue
        if quote:
            if c == quote:
                quote = ""
            escapes = c == escape and (quote or c) != "'"
        else:
            if c in "'\"":
                quote = c
            escapes = c == escape
        if escapes:
            if at + 1 == len(rest):
                break  # an escape at the very end is dropped
            word.append(c)
            at += 1
            c = rest[at]
        word.append(c)
        at += 1
    if word:
        words.append("".join(word))
    return words


def _any_space(rest: str) -> list[str]:
    return re.split(f"[{SPACE}]+", rest)


_CUTS: dict[str, Callable[[str, str], tuple[tuple[str, ...], bool]]] = {
    "ADD": _maybe_json_list,
    "ARG": _arg_words,
    "CMD": _maybe_json,
    "COPY": _maybe_json_list,
    "ENTRYPOINT": _maybe_json,
    "ENV": _key_values,
    "EXPOSE": _blank_separated,
    "FROM": _blank_separated,
    "HEALTHCHECK": _health,
    "LABEL": _key_values,
    "MAINTAINER": _whole,
    "RUN": _maybe_json,
    "SHELL": _maybe_json,
    "STOPSIGNAL": _whole,
    "USER": _whole,
    "VOLUME": _maybe_json_list,
    "WORKDIR": _whole,
}
