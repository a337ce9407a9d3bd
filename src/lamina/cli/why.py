"""`why`, `context` and `ignore explain`: what a build did and why, and what it would do."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, TextIO

from lamina.cli import units
from lamina.cli.command import Args, Command, Flag, Kind
from lamina.cli.table import render, visible
from lamina.errors import Invalid, NotFound

if TYPE_CHECKING:
    from lamina.build.report import Report, StepReport
    from lamina.engine import Engine
    from lamina.engine.building import BuildRequest

_FILES = 8  # shown of one step, unless it alone is asked about


def why(args: Args, engine: Engine) -> int:
    from lamina.build import report

    last = report.find(engine.store) if not engine.is_empty else None
    if last is None:
        raise NotFound("nothing was built here yet")
    path = args.text("next")
    if path is not None:
        return _foresee(engine, last, path)
    if args.text("format") == "json":
        print(last.encode().decode())
    elif args.rest:
        _tell_step(last, _index(last, args.rest[0]), sys.stdout)
    else:
        _tell(last, sys.stdout)
    return 0


WHY = Command(
    run=why,
    usage="[STEP]",
    flags=(
        Flag("format", help='How to show it: "json" for programs'),
        Flag("next", value="path", help="What editing this file of the context would rebuild"),
    ),
    arguments=(0, 1),
    about='Explains the last build. STEP is its number, or a line of the Dockerfile as "line:7".',
)


def explain(engine: Engine, out: TextIO) -> None:
    """The whole explanation of the build that has just ended."""
    from lamina.build import report

    last = report.find(engine.store)
    if last is not None:
        _tell(last, out)


def _index(last: Report, text: str) -> int:
    """The step that a person means."""
    number = text.removeprefix("line:").removeprefix("#")
    if not number.isdigit():
        raise Invalid(f'"{text}" is not a step', hint='expected its number, or "line:7"')
    for at, step in enumerate(last.steps):
        if int(number) == (step.line if text.startswith("line:") else at + 1):
            return at
    raise NotFound(f'the last build has no step "{text}"', hint=f"it has {len(last.steps)} steps")


def _tell(last: Report, out: TextIO) -> None:
    """A line for each step, and below it what made it run."""
    rows = [["STEP", "LINE", "STATE", "SECONDS", "LAST TIME", "INSTRUCTION"]]
    for at, step in enumerate(last.steps):
        rows.append(
            [str(at + 1), str(step.line or "-"), str(step.state), *_times(step), step.label]
        )
    print(*map(visible, render(rows)), sep="\n", file=out)
    for at, step in enumerate(last.steps):
        if step.reason and step.because_of is None:
            print(file=out)
            _tell_step(last, at, out, most=_FILES)


def _times(step: StepReport) -> tuple[str, str]:
    return _seconds(step.seconds), _seconds(step.before)


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _tell_step(last: Report, at: int, out: TextIO, *, most: int | None = None) -> None:
    step = last.steps[at]
    print(f"step {at + 1}: {visible(step.label)}", file=out)
    if not step.reason:
        print(f"  {step.state}", file=out)
        return
    print(f"  not cached: {visible(step.reason)}", file=out)
    if step.because_of is not None:
        cause = step
        while cause.because_of is not None:
            cause = last.steps[cause.because_of]
        print(f"  in the end: {visible(cause.label)}: {visible(cause.reason)}", file=out)
    if len(step.causes) > 1:
        for cause_ in step.causes[:most]:
            print(f"    {visible(cause_.describe())}", file=out)
        if most is not None and len(step.causes) > most:
            print(f"    … and {len(step.causes) - most} more", file=out)
    after = [one for one in last.depend_on(at) if one != at]
    if after:
        numbers = ", ".join(str(one + 1) for one in after)
        print(f"  rebuilt with it: steps {numbers}{_took(last, [at, *after])}", file=out)


def _took(last: Report, steps: list[int]) -> str:
    """How long these steps took the last time, as far as it is known."""
    known = [last.steps[at].before for at in steps]
    total = sum(seconds for seconds in known if seconds is not None)
    return f" (all that took {total:.1f} s the last time)" if total else ""


def _foresee(engine: Engine, last: Report, path: str) -> int:
    from lamina.engine import building

    request = request_of(last.words, last.directory)
    inside = _in_context(request, path, last.directory)
    report, direct = building.foresee(engine, request, inside)
    touched = sorted({at for index in direct for at in report.depend_on(index)})
    if not touched:
        print(f"nothing: no step reads {visible(path)}")
        return 0
    rows = [["STEP", "LINE", "SECONDS", "INSTRUCTION"]]
    for at in touched:
        step = report.steps[at]
        mark = "" if at in direct else "  (stands on what changes)"
        rows.append([str(at + 1), str(step.line or "-"), _seconds(step.seconds), step.label + mark])
    print(*map(visible, render(rows)), sep="\n")
    total = sum(report.steps[at].seconds or 0 for at in touched)
    print(f"{len(touched)} of {len(report.steps)} steps, {total:.1f} s as they took last")
    return 0


def request_of(words: tuple[str, ...], directory: str) -> BuildRequest:
    """The build that was asked for by `words` in `directory`."""
    import io
    from pathlib import Path

    from lamina.cli.build import BUILD
    from lamina.cli.build_flags import request
    from lamina.cli.flags import parse
    from lamina.values import replace

    args = parse("build", BUILD, list(words))
    if args.rest[0] == "-" or args.text("file") == "-":
        raise Invalid("the last build read from standard input: only a directory can be looked at")
    asked = request(args, os.environ, io.BytesIO())
    assert asked.directory is not None
    file = asked.dockerfile
    return replace(
        asked,
        context=Path(directory, asked.directory),
        dockerfile=Path(directory, file) if isinstance(file, str | Path) else file,
    )


def _in_context(request: BuildRequest, path: str, directory: str) -> str:
    """A path as typed here, or below the context, as the context names it."""
    from pathlib import Path

    assert request.directory is not None
    root = Path(request.directory).resolve()
    for start in (Path.cwd(), Path(directory), root):
        full = Path(os.path.normpath(start / path))
        if full.exists() and full.is_relative_to(root):
            return "" if full == root else full.relative_to(root).as_posix()
    raise NotFound(f'"{path}" is not in the build context "{root}"')


_BUILD_FILE = Flag("file", "f", value="path", help='The Dockerfile (default "PATH/Dockerfile")')


def _context_request(args: Args, where: str) -> BuildRequest:
    from pathlib import Path

    from lamina.engine.building import BuildRequest

    file = args.text("file")
    return BuildRequest(context=Path(where), dockerfile=Path(file) if file is not None else None)


def context(args: Args, engine: Engine) -> int:
    from lamina.build.foresee import weigh
    from lamina.engine.building import context_of

    found = weigh(context_of(_context_request(args, args.rest[0] if args.rest else ".")))
    whole = next(one for one in found if not one.path)
    size = units.human_size(whole.size, 3)
    print(f"{whole.files} files, {size}, as the builder sees them")
    rows = [["SIZE", "FILES", "DIRECTORY"]]
    most = args.number("top") or 10
    for one in [one for one in found if one.path][:most]:
        rows.append([units.human_size(one.size, 3), str(one.files), visible(one.path)])
    if len(rows) > 1:
        print(*render(rows), sep="\n")
    return 0


CONTEXT = Command(
    run=context,
    usage="[PATH]",
    flags=(
        _BUILD_FILE,
        Flag("top", kind=Kind.NUMBER, value="N", help="How many directories to show (10)"),
    ),
    arguments=(0, 1),
    about="Reports the largest directories of a build context, ignored files left out.",
)


def ignore_explain(args: Args, engine: Engine) -> int:
    from lamina.dockerfile.ignore import clean
    from lamina.engine.building import context_of

    found = context_of(_context_request(args, args.text("context") or "."))
    path = clean(args.rest[0])
    decided = found.ignore.explain(path) if found.ignore is not None else None
    if found.ignore is None:
        print(f"{visible(path)}: sent: there is no ignore file")
    elif decided is None:
        print(f"{visible(path)}: sent: no line of {found.ignore_name} matches it")
    else:
        word, sign = ("sent", "!") if decided.takes_back else ("ignored", "")
        where = f"{found.ignore_name} line {decided.line}"
        print(f'{visible(path)}: {word} by {where}: "{sign}{visible(decided.text)}"')
    return 0


IGNORE_EXPLAIN = Command(
    run=ignore_explain,
    usage="PATH",
    flags=(
        Flag("context", value="directory", help='The build context (default ".")'),
        _BUILD_FILE,
    ),
    arguments=(1, 1),
    about="Says which line of which ignore file decides about a path of the context.",
)
