"""Nodes into instructions: flags and arguments are counted, checked and given their types."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from lamina.dockerfile import instructions as ins
from lamina.dockerfile.heredocs import chomp, parse_mark
from lamina.dockerfile.nodes import Node
from lamina.dockerfile.numbers import parse_duration
from lamina.dockerfile.source import Fault, Source, Span, Warning
from lamina.dockerfile.text import SPACE, did_you_mean, suggest
from lamina.errors import Invalid

_STAGE_NAME = re.compile(r"[a-z][a-z0-9\-_.]*")
_ONBUILD = re.compile(r"[\t\n\f\r ]*ONBUILD[\t\n\f\r ]*", re.IGNORECASE)
_RETRIES = re.compile(r"[+-]?[0-9]+")
_SHORTEST = 1_000_000  # nanoseconds: Docker refuses shorter intervals

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
_NETWORKS = ("default", "none", "host")
_SECURITIES = ("sandbox", "insecure")


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


def type_node(
    node: Node, source: Source, warnings: list[Warning]
) -> tuple[ins.Instruction | None, list[Fault]]:
    """The instruction of `node`, or None and all that is wrong with it."""
    request = Request(node, source, warnings)
    make = _MAKERS.get(node.name)
    try:
        if make is None:
            raise _unknown_instruction(node)
        faults = _read_flags(request) if node.flags else []
        if faults:
            return None, faults
        return make(request), []
    except Invalid as error:
        return None, [request.fault(error)]


def _unknown_instruction(node: Node) -> Refused:
    hint = did_you_mean(node.keyword, _MAKERS)
    if hint and node.keyword.islower():
        hint = hint.lower()
    shown = node.keyword if len(node.keyword) <= 60 else node.keyword[:57] + "..."
    return Refused(f'unknown instruction "{shown}"', hint=hint, culprit=node.keyword)


def _read_flags(request: Request) -> list[Fault]:
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


def _at_least_one(request: Request) -> None:
    if not request.args:
        raise Refused(f"{request.node.name} needs at least one argument")


def _exactly_one(request: Request) -> str:
    if len(request.args) != 1:
        raise Refused(f"{request.node.name} needs exactly one argument")
    return request.args[0]


def _from(request: Request) -> ins.From:
    args = request.args
    as_name = as_keyword = None
    if len(args) == 3 and args[1].lower() == "as":
        as_keyword, as_name = args[1], args[2].lower()
        if not _STAGE_NAME.fullmatch(as_name):
            raise Refused(
                f'"{args[2]}" cannot name a stage',
                hint="a name begins with a letter, and holds letters, digits, - _ and .",
                culprit=args[2],
            )
    elif len(args) != 1:
        raise Refused("FROM needs one argument or three", hint="write FROM image [AS name]")
    return ins.From(
        image=args[0],
        platform=request.one("platform"),
        as_name=as_name,
        as_keyword=as_keyword,
        **request.common(),
    )


def _pairs(request: Request) -> tuple[tuple[str, str], ...]:
    _at_least_one(request)
    args = request.args
    pairs = tuple([(args[at], args[at + 1]) for at in range(0, len(args), 3)])
    for key, value in pairs:
        if not key:
            raise Refused(f"{request.node.name} has a name that is empty", culprit=f"={value}")
    return pairs


def _env(request: Request) -> ins.Env:
    pairs = _pairs(request)
    return ins.Env(pairs=pairs, is_legacy=request.args[2] != "=", **request.common())


def _label(request: Request) -> ins.Label:
    pairs = _pairs(request)
    return ins.Label(pairs=pairs, is_legacy=request.args[2] != "=", **request.common())


def _arg(request: Request) -> ins.Arg:
    _at_least_one(request)
    args: list[tuple[str, str | None]] = []
    for word in request.args:
        key, equals, value = word.partition("=")
        if equals and not key:
            raise Refused("ARG has a name that is empty", culprit=word)
        args.append((key, value if equals else None))
    return ins.Arg(args=tuple(args), **request.common())


def _command(request: Request, args: tuple[str, ...] | None = None) -> ins.Command:
    node = request.node
    words = node.args if args is None else args
    if not node.is_json and words:
        words = (" ".join(words),)
    return ins.Command(words, not node.is_json, node.heredocs)


def _choice(request: Request, flag: str, known: tuple[str, ...]) -> str:
    value = request.one(flag)
    if value is None:
        return known[0]
    if value not in known:
        raise Refused(
            f'"{value}" is no {flag} of RUN',
            hint=did_you_mean(value, known) or f"use one of {', '.join(known)}",
            culprit=f"--{flag}",
        )
    return value


def _run(request: Request) -> ins.Run:
    mounts = request.flags.get("mount", [])
    if mounts:
        _check_mounts(mounts)
    return ins.Run(
        command=_command(request),
        mounts=tuple(mounts),
        network=_choice(request, "network", _NETWORKS),
        security=_choice(request, "security", _SECURITIES),
        devices=tuple(request.flags.get("device", ())),
        **request.common(),
    )


def _check_mounts(mounts: list[str]) -> None:
    from lamina.dockerfile.mounts import check_early

    for mount in mounts:
        try:
            check_early(mount)
        except Invalid as error:
            raise Refused(error.message, hint=error.hint, culprit="--mount") from None


def _mark(word: str) -> ins.Heredoc | None:
    if "<<" not in word:
        return None
    try:
        return parse_mark(word)
    except Invalid:
        return None


def _copied(request: Request) -> dict[str, Any]:
    """The fields that COPY and ADD share."""
    name = request.node.name
    if len(request.args) < 2:
        raise Refused(
            f"{name} needs at least one source and a destination",
            hint=f"write {name} source destination",
        )
    *sources, destination = request.args
    if _mark(destination):
        raise Refused(f"the destination of {name} cannot be a heredoc", culprit=destination)
    bodies = {heredoc.name: heredoc.content for heredoc in request.node.heredocs}
    paths: list[str] = []
    inline: list[ins.Heredoc] = []
    for word in sources:
        mark = _mark(word)
        if mark is None:
            paths.append(word)
            continue
        content = bodies.get(mark.name, "")
        inline.append(replace(mark, content=chomp(content) if mark.chomp else content))
    return {
        "sources": tuple(paths),
        "destination": destination,
        "heredocs": tuple(inline),
        "chown": request.one("chown"),
        "chmod": request.one("chmod"),
        "link": request.truth("link") or False,
        "excludes": tuple(request.flags.get("exclude", ())),
        **request.common(),
    }


def _copy(request: Request) -> ins.Copy:
    return ins.Copy(
        from_=request.one("from"),
        parents=request.truth("parents") or False,
        **_copied(request),
    )


def _add(request: Request) -> ins.Add:
    return ins.Add(
        checksum=request.one("checksum"),
        keep_git_dir=request.truth("keep-git-dir"),
        unpack=request.truth("unpack"),
        **_copied(request),
    )


def _expose(request: Request) -> ins.Expose:
    _at_least_one(request)
    return ins.Expose(ports=tuple(sorted(request.args)), **request.common())


def _volume(request: Request) -> ins.Volume:
    _at_least_one(request)
    paths = tuple([path.strip(SPACE) for path in request.args])
    if "" in paths:
        raise Refused("VOLUME has a path that is empty")
    return ins.Volume(paths=paths, **request.common())


def _shell(request: Request) -> ins.Shell:
    _at_least_one(request)
    if not request.node.is_json:
        raise Refused(
            "SHELL needs its arguments as a JSON array",
            hint='write SHELL ["/bin/sh", "-c"]',
        )
    return ins.Shell(args=request.args, **request.common())


def _healthcheck(request: Request) -> ins.Healthcheck:
    _at_least_one(request)
    kind, *rest = request.args
    kind = kind.upper()
    if kind == "NONE":
        if rest:
            raise Refused("HEALTHCHECK NONE takes no arguments", culprit=rest[0])
        return ins.Healthcheck(test=("NONE",), **request.common())
    if kind != "CMD":
        raise Refused(
            f'"{request.args[0]}" is no kind of HEALTHCHECK',
            hint="write HEALTHCHECK CMD command, or HEALTHCHECK NONE",
            culprit=request.args[0],
        )
    command = _command(request, tuple(rest))
    if not command.args:
        raise Refused("HEALTHCHECK CMD has no command")
    return ins.Healthcheck(
        test=("CMD-SHELL" if command.is_shell else "CMD", *command.args),
        interval=_interval(request, "interval"),
        timeout=_interval(request, "timeout"),
        start_period=_interval(request, "start-period"),
        start_interval=_interval(request, "start-interval"),
        retries=_retries(request),
        **request.common(),
    )


def _interval(request: Request, flag: str) -> int:
    text = request.one(flag)
    if not text:
        return 0
    try:
        value = parse_duration(text)
    except Invalid as error:
        raise Refused(f"--{flag}: {error.message}", hint=error.hint, culprit=f"--{flag}") from None
    if value and value < _SHORTEST:
        raise Refused(f'--{flag} is "{text}", less than 1ms', culprit=f"--{flag}")
    return value


def _retries(request: Request) -> int:
    text = request.one("retries")
    if not text:
        return 0
    if not _RETRIES.fullmatch(text) or len(text) > 20 or not 0 <= int(text) < 2**31:
        raise Refused(f'--retries is "{text}", expected a count', culprit="--retries")
    return int(text)


def _onbuild(request: Request) -> ins.OnBuild:
    _at_least_one(request)
    node = request.node
    inner = node.args[0].strip(SPACE).upper()
    if inner == "ONBUILD":
        raise Refused("ONBUILD cannot trigger another ONBUILD")
    if inner in ("FROM", "MAINTAINER"):
        raise Refused(f"ONBUILD cannot trigger {inner}", culprit=node.args[0])
    trigger = _ONBUILD.sub("", node.original, count=1)
    for heredoc in node.heredocs:
        trigger += f"\n{heredoc.content}{heredoc.name}"
    child = node.child or node
    child = replace(
        child, start_line=node.start_line, end_line=node.end_line, heredocs=node.heredocs
    )
    instruction, faults = type_node(child, request.source, request.warnings)
    for fault in faults:
        message = f"the trigger of ONBUILD will fail: {fault.message}"
        request.warnings.append(Warning(message, fault.span))
    return ins.OnBuild(trigger=trigger, instruction=instruction, **request.common())


_MAKERS: dict[str, Callable[[Request], ins.Instruction]] = {
    "ADD": _add,
    "ARG": _arg,
    "CMD": lambda request: ins.Cmd(command=_command(request), **request.common()),
    "COPY": _copy,
    "ENTRYPOINT": lambda request: ins.Entrypoint(command=_command(request), **request.common()),
    "ENV": _env,
    "EXPOSE": _expose,
    "FROM": _from,
    "HEALTHCHECK": _healthcheck,
    "LABEL": _label,
    "MAINTAINER": lambda request: ins.Maintainer(author=_exactly_one(request), **request.common()),
    "ONBUILD": _onbuild,
    "RUN": _run,
    "SHELL": _shell,
    "STOPSIGNAL": lambda request: ins.StopSignal(signal=_exactly_one(request), **request.common()),
    "USER": lambda request: ins.User(user=_exactly_one(request), **request.common()),
    "VOLUME": _volume,
    "WORKDIR": lambda request: ins.Workdir(path=_exactly_one(request), **request.common()),
}
