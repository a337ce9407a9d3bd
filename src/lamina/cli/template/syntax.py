"""Template text -> a tree of nodes that know where they stand."""

from __future__ import annotations

from collections.abc import Callable

from lamina.cli.template.values import Value
from lamina.errors import Invalid
from lamina.late import re
from lamina.values import dataclass


class TemplateError(Invalid):
    """A template that cannot be read, or that asks for what is not there."""

    def __init__(self, source: str, offset: int, message: str, *, hint: str | None = None) -> None:
        line = source.count("\n", 0, offset) + 1
        column = offset - (source.rfind("\n", 0, offset) + 1) + 1
        super().__init__(f"template, line {line}, column {column}: {message}", hint=hint)
        self.offset = offset


@dataclass(frozen=True, slots=True)
class Text:
    text: str


@dataclass(frozen=True, slots=True)
class Literal:
    value: Value


@dataclass(frozen=True, slots=True)
class Chain:
    """`base.A.B`: base is None for the dot, a "$name", or a parenthesis."""

    base: str | Pipeline | None
    fields: tuple[str, ...]
    offset: int


@dataclass(frozen=True, slots=True)
class Call:
    """A function by name."""

    name: str
    offset: int


Operand = Literal | Chain | Call


@dataclass(frozen=True, slots=True)
class Command:
    """An operand and its arguments."""

    operands: tuple[Operand, ...]
    offset: int


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Commands, each given the one before as its last argument; perhaps named."""

    commands: tuple[Command, ...]
    names: tuple[str, ...] = ()  # variables that it sets
    declares: bool = False  # := rather than =


@dataclass(frozen=True, slots=True)
class Action:
    pipeline: Pipeline


@dataclass(frozen=True, slots=True)
class Branch:
    """if, with or range; `otherwise` is what follows else."""

    word: str
    pipeline: Pipeline
    body: tuple[Node, ...]
    otherwise: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Jump:
    word: str  # "break" or "continue"


Node = Text | Action | Branch | Jump


@dataclass(frozen=True, slots=True)
class Template:
    source: str
    nodes: tuple[Node, ...]


_TOKEN = re.compile(
    r"""(?P<space>\s+)
      | (?P<string>"(?:[^"\\\n]|\\.)*"|`[^`]*`)
      | (?P<char>'(?:[^'\\\n]|\\.)')
      | (?P<number>[+-]?(?:0[xX][0-9a-fA-F]+|\d+(?:\.\d+)?(?:[eE][+-]?\d+)?))
      | (?P<field>\.[^\W\d]\w*)
      | (?P<variable>\$\w*)
      | (?P<word>[^\W\d]\w*)
      | (?P<sign>:=|=|\||\(|\)|,|\.)""",
    re.VERBOSE,
)
_WORDS = ("if", "else", "end", "range", "with", "break", "continue")
_REFUSED = ("define", "template", "block")


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    offset: int
    spaced: bool  # blanks before it


def parse(source: str) -> Template:
    """The template that `source` spells; TemplateError with its place otherwise."""
    return Template(source, _Parser(source).all())


def _tags(source: str) -> list[tuple[str, int, str | None]]:
    """Pieces of text, each with the offset and inside of the action after it (None: the end)."""
    pieces: list[tuple[str, int, str | None]] = []
    at, trim = 0, False
    while True:
        start = source.find("{{", at)
        text = source[at:] if start < 0 else source[at:start]
        if trim:
            text = text.lstrip(" \t\r\n")
        if start < 0:
            pieces.append((text, len(source), None))
            return pieces
        inside = start + 2
        if source.startswith("- ", inside) or source.startswith("-\t", inside):
            text, inside = text.rstrip(" \t\r\n"), inside + 1
        end = _end(source, start, inside)
        body = source[inside:end]
        trim = body.endswith((" -", "\t-", "\n-"))
        if trim:
            body = body[:-1]
        pieces.append((text, inside, body))
        at = end + 2


def _end(source: str, start: int, inside: int) -> int:
    """Where the action that began at `start` ends: at braces outside of strings and comments."""
    comment = source[inside:].lstrip().startswith("/*")
    at = inside
    while at < len(source):
        if comment:
            close = source.find("*/", at)
            at, comment = (len(source) if close < 0 else close + 2), False
        elif source.startswith("}}", at):
            return at
        elif source[at] in "\"`'" and (match := _TOKEN.match(source, at)):
            at = match.end()
        else:
            at += 1
    raise TemplateError(source, start, 'this "{{" has no "}}"')


class _Parser:
    def __init__(self, source: str) -> None:
        self.source = source
        self.pieces = _tags(source)[::-1]
        self.tokens: list[_Token] = []  # of one action, last first

    def all(self) -> tuple[Node, ...]:
        nodes, stop = self._nodes(())
        if stop is not None:
            raise self._error(stop, f'"{stop.text}" without an "if", "range" or "with" before it')
        return nodes

    def _error(self, where: _Token | int, message: str) -> TemplateError:
        offset = where if isinstance(where, int) else where.offset
        return TemplateError(self.source, offset, message)

    def _nodes(self, opener: tuple[_Token, ...]) -> tuple[tuple[Node, ...], _Token | None]:
        """Nodes up to the end, or up to the `else` or `end` that is returned."""
        nodes: list[Node] = []
        while True:
            text, offset, body = self.pieces.pop()
            if text:
                nodes.append(Text(text))
            if body is None:
                if opener:
                    raise self._error(opener[0], f'"{opener[0].text}" has no "end"')
                return tuple(nodes), None
            if body.strip().startswith("/*") and body.strip().endswith("*/"):
                continue
            self.tokens = self._scan(body, offset)[::-1]
            if not self.tokens:
                raise self._error(offset, "nothing between the braces")
            first = self.tokens[-1]
            if first.kind == "word" and first.text in ("else", "end"):
                self.tokens.pop()
                return tuple(nodes), first
            nodes.append(self._node(first))

    def _node(self, first: _Token) -> Node:
        if first.kind == "word" and first.text in _REFUSED:
            raise self._error(first, f'"{first.text}" is not supported here')
        if first.kind == "word" and first.text in _WORDS:
            self.tokens.pop()
            if first.text in ("break", "continue"):
                self._finish()
                return Jump(first.text)
            return self._branch(first)
        pipeline = self._pipeline(names=True)
        self._finish()
        return Action(pipeline)

    def _branch(self, opener: _Token) -> Branch:
        pipeline = self._pipeline(names=True, pair=opener.text == "range")
        self._finish()
        body, stop = self._nodes((opener,))
        otherwise: tuple[Node, ...] = ()
        if stop is not None and stop.text == "else":
            if self.tokens and self.tokens[-1].text in ("if", "with"):
                otherwise = (self._branch(self.tokens.pop()),)
                return Branch(opener.text, pipeline, body, otherwise)
            self._finish()
            otherwise, stop = self._nodes((opener,))
            if stop is not None and stop.text == "else":
                raise self._error(stop, 'a second "else"')
        self._finish()
        return Branch(opener.text, pipeline, body, otherwise)

    def _scan(self, body: str, start: int) -> list[_Token]:
        tokens: list[_Token] = []
        at, spaced = 0, False
        while at < len(body):
            match = _TOKEN.match(body, at)
            if match is None:
                what = "unterminated string" if body[at] in "\"`'" else f'unexpected "{body[at]}"'
                raise self._error(start + at, what)
            kind = str(match.lastgroup)
            if kind != "space":
                tokens.append(_Token(kind, match[0], start + at, spaced))
            spaced = kind == "space"
            at = match.end()
        return tokens

    def _finish(self) -> None:
        if self.tokens:
            token = self.tokens[-1]
            raise self._error(token, f'unexpected "{token.text}"')

    def _pipeline(self, *, names: bool = False, pair: bool = False) -> Pipeline:
        variables, declares = self._assigned(pair) if names else ((), False)
        commands = [self._command()]
        while self.tokens and self.tokens[-1].text == "|":
            self.tokens.pop()
            commands.append(self._command())
        return Pipeline(tuple(commands), variables, declares)

    def _assigned(self, pair: bool) -> tuple[tuple[str, ...], bool]:
        """The variables before := or =, taken off; none where there is no such sign."""
        ahead = self.tokens[::-1][:4]
        kinds = [token.kind for token in ahead]
        signs = [token.text for token in ahead]
        if kinds[:1] == ["variable"] and signs[1:2] in ([":="], ["="]):
            taken = 2
        elif pair and kinds[:3:2] == ["variable"] * 2 and signs[1] == "," and signs[3:] == [":="]:
            taken = 4
        else:
            return (), False
        del self.tokens[-taken:]
        return tuple(t.text for t in ahead[: taken - 1 : 2]), signs[taken - 1] == ":="

    def _command(self) -> Command:
        operands: list[Operand] = []
        offset = self.tokens[-1].offset if self.tokens else len(self.source)
        while self.tokens and self.tokens[-1].text not in ("|", ")"):
            operands.append(self._operand())
        if not operands:
            where = self.tokens[-1] if self.tokens else offset
            raise self._error(where, "a value is missing")
        return Command(tuple(operands), offset)

    def _operand(self) -> Operand:
        token = self.tokens.pop()
        make: dict[str, Callable[[_Token], Operand]] = {
            "string": lambda t: Literal(self._string(t)),
            "char": lambda t: Literal(ord(self._string(t))),
            "number": lambda t: Literal(_number(t.text)),
            "word": self._word,
            "variable": lambda t: Chain(t.text, self._fields(), t.offset),
            "field": lambda t: Chain(None, (t.text[1:], *self._fields()), t.offset),
        }
        if token.kind in make:
            return make[token.kind](token)
        if token.text == ".":
            return Chain(None, (), token.offset)
        if token.text == "(":
            inner = self._pipeline()
            if not self.tokens or self.tokens.pop().text != ")":
                raise self._error(token, 'this "(" has no ")"')
            return Chain(inner, self._fields(), token.offset)
        raise self._error(token, f'unexpected "{token.text}"')

    def _word(self, token: _Token) -> Operand:
        constants: dict[str, Value] = {"true": True, "false": False, "nil": None}
        if token.text in constants:
            return Literal(constants[token.text])
        if token.text in _WORDS or token.text in _REFUSED:
            raise self._error(token, f'unexpected "{token.text}"')
        return Call(token.text, token.offset)

    def _fields(self) -> tuple[str, ...]:
        names: list[str] = []
        while self.tokens and self.tokens[-1].kind == "field" and not self.tokens[-1].spaced:
            names.append(self.tokens.pop().text[1:])
        return tuple(names)

    def _string(self, token: _Token) -> str:
        if token.text[0] == "`":
            return token.text[1:-1]
        return re.sub(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|.)", _unescape, token.text[1:-1])


_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}


def _unescape(match: re.Match[str]) -> str:
    text = match[1]
    return chr(int(text[1:], 16)) if len(text) > 1 else _ESCAPES.get(text, text)


def _number(text: str) -> int | float:
    try:
        return int(text, 0)
    except ValueError:
        return float(text)
