"""One node on its way to an instruction: its flags, and where its faults stand."""

from __future__ import annotations

from collections.abc import Mapping

from lamina.dockerfile.nodes import Node
from lamina.dockerfile.source import Fault, Source, Span, Warning
from lamina.dockerfile.text import SPACE, suggest
from lamina.errors import Invalid

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from typing import Any

_ONE, _MANY, _TRUTH = "one", "many", "truth"
_FLAGS: dict[str, dict[str, str]] = {
    "FROM": {"platform": _ONE},
    "RUN": {"mount": _MANY, "network": _ONE, "security": _ONE, "device": _MANY},
    "COPY": {
        "from": _ONE,
        "chown": _ONE,
        "chmod": _ONE,
        "link": _TRUTH,
        "parents": _TRUTH,
        "exclude": _MANY,
    },
    "ADD": {
        "chown": _ONE,
        "chmod": _ONE,
        "link": _TRUTH,
        "exclude": _MANY,
        "checksum": _ONE,
        "keep-git-dir": _TRUTH,
        "unpack": _TRUTH,
    },
    "HEALTHCHECK": {
        "interval": _ONE,
        "timeout": _ONE,
        "start-period": _ONE,
        "start-interval": _ONE,
        "retries": _ONE,
    },
}
_FLAGS_UNREAD = frozenset(("ARG", "STOPSIGNAL"))


class Refused(Invalid):
    """What is wrong with one instruction; `culprit` is the text to point at."""

    def __init__(self, message: str, *, hint: str | None = None, culprit: str = "") -> None:
        super().__init__(message, hint=hint)
        self.culprit = culprit


class Request:
    """One node on its way to an instruction."""

    __slots__ = ("_span", "flags", "node", "source", "warnings")

    def __init__(self, node: Node, source: Source, warnings: list[Warning]) -> None:
        self.node = node
        self.source = source
        self.warnings = warnings
        self.flags: dict[str, list[str]] = {}
        self._span: Span | None = None

    @property
    def args(self) -> tuple[str, ...]:
        return self.node.args

    @property
    def span(self) -> Span:
        if self._span is None:
            lines = self.source.lines
            start, end = self.node.start_line, min(self.node.end_line, len(lines))
            first = lines[start - 1]
            column = len(first) - len(first.lstrip(SPACE)) + 1
            self._span = Span(start, column, end, len(lines[end - 1]) + 1)
        return self._span

    def one(self, flag: str) -> str | None:
        values = self.flags.get(flag)
        return values[0] if values else None

    def truth(self, flag: str) -> bool | None:
        values = self.flags.get(flag)
        return values[0] == "true" if values else None

    def common(self) -> dict[str, Any]:
        """The fields that every instruction has."""
        node = self.node
        return {
            "name": node.name,
            "keyword": node.keyword,
            "span": self.span,
            "original": node.original,
            "flags": node.flags,
            "comments": node.comments,
        }

    def fault(self, error: Invalid) -> Fault:
        culprit = error.culprit if isinstance(error, Refused) else ""
        return Fault(error.message, self.place(culprit), error.hint)

    def place(self, culprit: str) -> Span:
        """Where `culprit` stands in the instruction; all of it where it cannot be found."""
        span = self.span
        if culprit:
            for number in range(span.start_line, span.end_line + 1):
                line = self.source.lines[number - 1]
                start = span.start_column - 1 if number == span.start_line else 0
                column = line.find(culprit, start)
                if column >= 0:
                    return Span(number, column + 1, number, column + 1 + len(culprit))
        return span


def read_flags(request: Request) -> list[Fault]:
    """Fills `request.flags`; every flag that is wrong gives a fault."""
    node = request.node
    is_none = node.name == "HEALTHCHECK" and [arg.upper() for arg in node.args] == ["NONE"]
    if node.name in _FLAGS_UNREAD or is_none:
        # BuildKit takes them and never looks at them.
        message = f"flags of {node.name} mean nothing: {' '.join(node.flags)}"
        request.warnings.append(Warning(message, request.place(node.flags[0])))
        return []
    known = _FLAGS.get(node.name, {})
    faults: list[Fault] = []
    for text in node.flags:
        flag, equals, value = text[2:].partition("=")
        try:
            taken = _flag_value(request, known, flag, value if equals else None)
            request.flags.setdefault(flag, []).append(taken)
        except Refused as error:
            faults.append(request.fault(error))
    return faults


def _flag_value(request: Request, known: Mapping[str, str], flag: str, value: str | None) -> str:
    name = request.node.name
    culprit = f"--{flag}"
    if flag not in known:
        near = suggest(flag, known)
        if near:
            hint: str | None = f'did you mean "--{near}"?'
        elif known:
            hint = f"{name} knows {', '.join('--' + each for each in known)}"
        else:
            hint = f"{name} takes no flags"
        raise Refused(f'unknown flag "{culprit}" of {name}', hint=hint, culprit=culprit)
    kind = known[flag]
    if kind != _MANY and flag in request.flags:
        raise Refused(f'flag "{culprit}" is given twice', culprit=culprit)
    if kind == _TRUTH:
        lower = "true" if value is None else value.lower()
        if lower not in ("true", "false"):
            raise Refused(f'flag "{culprit}" is "{value}", expected true or false', culprit=culprit)
        return lower
    if value is None:
        raise Refused(
            f'flag "{culprit}" has no value', hint=f"write {culprit}=value", culprit=culprit
        )
    return value
