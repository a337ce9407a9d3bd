"""Nodes into instructions: flags and arguments are counted, checked and given their types."""

from __future__ import annotations

from collections.abc import Callable

from lamina.dockerfile import instructions as ins
from lamina.dockerfile.heredocs import chomp, parse_mark
from lamina.dockerfile.nodes import Node
from lamina.dockerfile.numbers import parse_duration
from lamina.dockerfile.request import Refused, Request, read_flags
from lamina.dockerfile.source import Fault, Source, Warning
from lamina.dockerfile.text import SPACE, did_you_mean
from lamina.errors import Invalid
from lamina.late import re
from lamina.values import replace

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from typing import Any

_STAGE_NAME = r"[a-z][a-z0-9\-_.]*"
_ONBUILD = r"(?i)[\t\n\f\r ]*ONBUILD[\t\n\f\r ]*"
_RETRIES = r"[+-]?[0-9]+"
_SHORTEST = 1_000_000  # nanoseconds: Docker refuses shorter intervals

_NETWORKS = ("default", "none", "host")
_SECURITIES = ("sandbox", "insecure")


def type_node(
    node: Node, source: Source, warnings: list[Warning]
) -> tuple[ins.Instruction | None, list[Fault]]:
    """The instruction of `node`, or None and all that is wrong with it."""
    request = Request(node, source, warnings)
    make = _MAKERS.get(node.name)
    try:
        if make is None:
            raise _unknown_instruction(node)
        faults = read_flags(request) if node.flags else []
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
        if not re.fullmatch(_STAGE_NAME, as_name):
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
    if not re.fullmatch(_RETRIES, text) or len(text) > 20 or not 0 <= int(text) < 2**31:
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
    trigger = re.sub(_ONBUILD, "", node.original, count=1)
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
