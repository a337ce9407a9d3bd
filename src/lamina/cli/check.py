"""`lamina check`: advice on Dockerfiles, in words or for programs."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lamina.cli.command import Args, Command, Flag, Kind
from lamina.errors import Error, Invalid, NotFound, Unsupported

if TYPE_CHECKING:
    from lamina.engine import Engine
    from lamina.engine.advising import Place
    from lamina.engine.building import BuildRequest
    from lamina.engine.measuring import Evidence
    from lamina.lint import Report, Settings

_LIST, _BOOL = Kind.LIST, Kind.BOOL
_LEVELS = ("error", "warning", "info", "style")
_FORMATS = ("tty", "json", "sarif")  # of hadolint's, those that are built


def check(args: Args, engine: Engine) -> int:
    """Look at every Dockerfile that is named; 1 if a finding is as bad as --fail-on."""
    from lamina.engine import advising
    from lamina.lint import examine
    from lamina.lint.formats import renderer
    from lamina.values import replace

    if args.flag("verify") and not args.flag("fix"):
        raise args.misused("--verify proves what --fix does: give both")
    if args.given("explain"):
        return _explain(args.texts("explain"))
    settings = _settings(args)
    form = _format(args, settings)
    render = renderer(form)
    found: list[tuple[str, Report]] = []
    outlooks: list[str] = []
    for where in args.rest or (".",):
        place = advising.find(engine, where, args.text("file"), sys.stdin.buffer)
        evidence = _evidence(args, engine, place)
        if evidence is not None:
            from lamina.engine import measuring

            place = replace(place, facts=measuring.facts(evidence, place.facts))
        data = place.data
        if args.flag("fix"):
            mended = _mended(args, engine, place, settings)
            if mended is None:
                return 1
            data = mended
        report = examine(data, name=place.name, settings=settings, facts=place.facts)
        if evidence is not None and data == place.data:
            report = measuring.measure(engine, evidence, report)
            outlooks += _outlook(engine, evidence, place, settings)
        found.append((place.name, report))
    text = render(found)
    if text:
        print(text)
    if form == "text" and outlooks:
        print(*outlooks, sep="\n")
    return int(any(report.fails(settings.fail_on) for _, report in found))


def _evidence(args: Args, engine: Engine, place: Place) -> Evidence | None:
    """What --image, or the last build of this Dockerfile, has shown."""
    image = args.text("image")
    if place.path is None or place.context is None:
        if image is not None or args.flag("git"):
            raise Invalid("what comes on standard input has no build to measure")
        return None
    found = None
    if not engine.is_empty or image is not None:
        from lamina.engine import measuring

        with_git = args.flag("git") if args.given("git") else None
        request = _plain_or_last(engine, place.context, place.path)
        found = measuring.gather(engine, request, image=image, with_git=with_git)
    if found is None and args.flag("git"):
        message = f'"{place.name}" was not built here: there are no seconds to count with'
        raise NotFound(message, hint="build it first, or leave --git out")
    return found


def _outlook(engine: Engine, evidence: Evidence, place: Place, settings: Settings) -> Iterator[str]:
    """What a commit costs now, and with all that --fix mends, where that is another figure."""
    from lamina.engine import measuring
    from lamina.lint.fix import fix

    text = place.data.decode("utf-8", "surrogateescape")
    mended, count = fix(text, settings=settings, facts=place.facts)
    seen = measuring.outlook(engine, evidence, mended) if count else None
    if seen is not None:
        yield (
            f"{place.name}: {seen.now:.1f} s to rebuild per commit, {seen.mended:.1f} s after --fix"
            f" (over the last {seen.commits} commits)"
        )


def _plain_or_last(engine: Engine, context: Path, dockerfile: Path) -> BuildRequest:
    """As `_request`; without the flags of the last build where they cannot be met any more."""
    from lamina.engine.building import BuildRequest

    try:
        return _request(engine, context, dockerfile)
    except Error:  # a secret that is gone, say: to look at the plan it is not needed
        return BuildRequest(context=context, dockerfile=dockerfile)


def _request(engine: Engine, context: Path, dockerfile: Path) -> BuildRequest:
    """The build of a Dockerfile: with the flags of the last one, if there was one."""
    from lamina.cli.why import request_of
    from lamina.engine import measuring
    from lamina.engine.building import BuildRequest

    last = measuring.last_build(engine, context, dockerfile)
    if last is None or not last.words:
        return BuildRequest(context=context, dockerfile=dockerfile)
    return request_of(last.words, last.directory)


def _mended(args: Args, engine: Engine, place: Place, settings: Settings) -> bytes | None:
    """The text with every certain edit made, also in its file; None if --verify refuses it."""
    from lamina.fs import atomic
    from lamina.lint.fix import fix

    text = place.data.decode("utf-8", "surrogateescape")
    changed, count = fix(text, settings=settings, facts=place.facts)
    data = changed.encode("utf-8", "surrogateescape")
    if place.path is None:
        raise Invalid("--fix cannot write standard input back", hint="name the file")
    if count and args.flag("verify"):
        from lamina.cli import verify

        assert place.context is not None  # it has a path
        request = _request(engine, place.context, place.path)
        if not verify.prove(engine, request, place.name, (place.data, data)):
            return None
    if count:
        path = place.path.resolve()  # a link stays one
        before = path.stat()
        atomic.write(path, data, before.st_mode & 0o777)
        if (before.st_uid, before.st_gid) != (os.geteuid(), os.getegid()):
            os.chown(path, before.st_uid, before.st_gid)
        print(f"{place.name}: {count} mended", file=sys.stderr)
    return data


def _explain(codes: tuple[str, ...]) -> int:
    from lamina.dockerfile.text import did_you_mean
    from lamina.lint.rules import BY_CODE

    blocks: list[str] = []
    for code in codes:
        rule = BY_CODE.get(code)
        if rule is None:
            raise Invalid(f'"{code}" is no rule', hint=did_you_mean(code, BY_CODE))
        head = f"{rule.code} ({rule.name}), {rule.severity}"
        blocks.append("\n".join([head, "", rule.description, *(["", rule.url] * bool(rule.url))]))
    print("\n\n".join(blocks))
    return 0


def _settings(args: Args) -> Settings:
    """The configuration file, the environment over it, and the flags over both."""
    from lamina.lint.settings import label, parse_hadolint, places, threshold
    from lamina.values import replace

    config = args.text("config")
    path = Path(config) if config is not None else None
    if path is None:
        path = next((one for one in places(Path(), os.environ) if one.is_file()), None)
    said = path.read_text("utf-8") if path is not None else None
    settings = parse_hadolint(said, environment=os.environ)
    severities = dict(settings.severities)
    for level in _LEVELS:
        chosen = threshold(level)
        assert chosen is not None
        severities |= dict.fromkeys(_codes(args, level), chosen)
    changes: dict[str, Any] = {"severities": severities}
    if args.given("ignore"):
        changes["ignored"] = frozenset(_codes(args, "ignore"))
    if args.given("only"):
        changes["only"] = frozenset(_codes(args, "only"))
    if args.given("fail-on"):
        changes["fail_on"] = threshold(args.text("fail-on") or "")
    if args.flag("no-fail"):
        changes["fail_on"] = None
    if args.given("trusted-registry"):
        changes["registries"] = args.texts("trusted-registry")
    if args.given("require-label"):
        changes["labels"] = dict(map(label, args.texts("require-label")))
    if args.flag("strict-labels"):
        changes["strict_labels"] = True
    if args.flag("disable-ignore-pragma"):
        changes["use_pragmas"] = False
    return replace(settings, **changes)


def _format(args: Args, settings: Settings) -> str:
    """How findings are printed: as the flag says, or else hadolint's settings."""
    usual = args.text("format") or "text"
    if args.given("format") or settings.format is None:
        return usual
    if settings.format not in _FORMATS:
        message = f'the format "{settings.format}" of hadolint\'s settings is not built'
        raise Unsupported(message, hint="say --format, which outweighs them")
    return settings.format


def _codes(args: Args, flag: str) -> list[str]:
    return [code.strip() for text in args.texts(flag) for code in text.split(",")]


FLAGS = (
    Flag("config", "c", value="file", help="Settings (default: where hadolint looks for them)"),
    Flag("disable-ignore-pragma", kind=_BOOL, help="Let no comment silence a rule"),
    Flag("explain", kind=_LIST, value="code", help="Say what a rule is about, and leave"),
    Flag(
        "fail-on",
        value="severity",
        help="Exit with 1 from here on: error, warning (default), info, style or none",
    ),
    Flag("file", "f", value="name", help='The Dockerfile in a directory (default "Dockerfile")'),
    Flag("fix", kind=_BOOL, help="Mend what can be mended with certainty"),
    Flag("format", value="how", default="text", help="text, tty, json, sarif, github or docker"),
    Flag("git", kind=_BOOL, help="Count what commits rebuild (default: in a work tree of git)"),
    Flag("ignore", kind=_LIST, value="code", help="Leave out rules"),
    Flag("image", value="name", help="Measure by this image (default: the last build of the file)"),
    Flag("no-fail", kind=_BOOL, help="Exit with 0 whatever is found"),
    Flag("only", kind=_LIST, value="code", help="Ask these rules alone"),
    Flag("require-label", kind=_LIST, value="name:type", help="A label that images must have"),
    Flag("strict-labels", kind=_BOOL, help="Allow no labels beside the required ones"),
    Flag("trusted-registry", kind=_LIST, value="name", help="Where base images may come from"),
    Flag("verify", kind=_BOOL, help="With --fix: build both, and write only what makes the same"),
    *(Flag(level, kind=_LIST, value="code", help=f"Call rules {level}") for level in _LEVELS),
)
CHECK = Command(
    usage="[PATH | DOCKERFILE | -]...",
    flags=FLAGS,
    arguments=(0, None),
    run=check,
    about="A PATH is a build context. Rules are listed in docs/rules.md.",
)
