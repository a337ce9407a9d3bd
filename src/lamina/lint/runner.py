"""Runs rules over a file: which of them, how severe, and what is silenced."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lamina.dockerfile import Reading, read
from lamina.dockerfile.source import Fault, Source
from lamina.dockerfile.text import did_you_mean
from lamina.errors import Invalid
from lamina.lint import directive
from lamina.lint.directive import CheckOptions
from lamina.lint.file import Facts, File
from lamina.lint.finding import Finding, Hit, Severity
from lamina.lint.pragma import Silence
from lamina.lint.rule import Rule
from lamina.lint.rules import BY_CODE, RULES
from lamina.lint.settings import Settings
from lamina.values import dataclass

UNREADABLE = "LM1000"  # the code of a fault in the Dockerfile itself


@dataclass(frozen=True, slots=True)
class Report:
    """What was found in one file, in the order of its lines."""

    source: Source
    findings: tuple[Finding, ...]
    fault: Fault | None = None  # of `checks`: where a build would end before its first step
    is_violated: bool = False  # the fault is that a check fired which must not

    def fails(self, threshold: Severity | None) -> bool:
        """Whether anything is as bad as `threshold`."""
        if threshold is None:
            return False
        return any(each.severity.reaches(threshold) for each in self.findings)


def check(
    text: str | bytes,
    *,
    name: str = "Dockerfile",
    settings: Settings | None = None,
    facts: Facts | None = None,
) -> list[Finding]:
    """The advice on a Dockerfile, in the order of its lines.

    A Dockerfile with faults is no error here: each fault is a finding, and rules see the rest.
    DockerfileErrors for what is no text at all; Invalid for settings that name no rule.
    """
    return list(examine(text, name=name, settings=settings, facts=facts).findings)


def examine(
    text: str | bytes,
    *,
    name: str = "Dockerfile",
    settings: Settings | None = None,
    facts: Facts | None = None,
) -> Report:
    """As `check`, with the source, so that findings can be shown in it."""
    settings = settings if settings is not None else Settings()
    reading = read(text, name=name)
    file = File(reading, settings, facts)
    options = _options(reading, settings)
    rules = chosen(settings, options)
    silence = Silence(file) if settings.use_pragmas else None
    found: list[tuple[Rule, Hit]] = []
    for rule in rules:
        for hit in _hits(rule, file, options, stops=False):
            if silence is None or not silence.covers(rule.code, hit.line or hit.span.start_line):
                found.append((rule, hit))
    findings = [_finding(rule, hit, settings) for rule, hit in _without_twins(found)]
    return Report(reading.source, tuple(_sorted([*_faults(reading), *findings])))


def checks(
    text: str | bytes,
    *,
    name: str = "Dockerfile",
    facts: Facts | None = None,
    options: str | None = None,
) -> Report:
    """BuildKit's checks alone, as `docker build --check` makes them.

    They end where a build would; the fault is then part of the report, as is `error=true`, which
    makes one of what was found. `options` stands in for the directive `check=`; Invalid if either
    is malformed.
    """
    reading = read(text, name=name)
    settings = Settings(check=options)
    file = File(reading, settings, facts)
    wanted = _options(reading, settings)
    found = [
        _finding(rule, hit, settings)
        for rule in RULES
        if (rule.phase is not None and wanted.runs(rule.code, is_experimental=not rule.on))
        or (rule.phase is not None and not rule.on)
        for hit in _hits(rule, file, wanted, stops=True)
    ]
    findings = tuple(_sorted(found))
    stop = file.trace.stop
    if stop is not None or not wanted.fails or not findings:
        return Report(reading.source, findings, stop.fault if stop is not None else None)
    codes = ", ".join(sorted({each.code for each in findings}))
    fault = Fault(f"lint violation found for rules: {codes}", findings[0].span)
    return Report(reading.source, findings, fault, is_violated=True)


def chosen(settings: Settings, options: CheckOptions) -> list[Rule]:
    """The rules that are to run; Invalid for a code that is none."""
    named = settings.only | settings.ignored | settings.severities.keys()
    for code in sorted(named):
        if code not in BY_CODE and code != UNREADABLE and not code.startswith("SC"):
            raise Invalid(f'"{code}" is no rule', hint=did_you_mean(code, BY_CODE))
    found: list[Rule] = []
    for rule in RULES:
        if rule.code in settings.ignored:
            continue
        if settings.only:
            is_wanted = rule.code in settings.only
        elif rule.phase is not None:
            is_wanted = options.runs(rule.code, is_experimental=not rule.on) or not rule.on
        else:
            is_wanted = rule.on or rule.code in settings.severities
        if is_wanted:
            found.append(rule)
    return found


def _options(reading: Reading, settings: Settings) -> CheckOptions:
    if settings.check is not None:
        return directive.parse(settings.check)
    found = reading.directives.get("check")
    return directive.parse(found.first_word) if found is not None else CheckOptions()


def _hits(rule: Rule, file: File, options: CheckOptions, *, stops: bool) -> Iterator[Hit]:
    """The hits that comments do not silence; with `stops`, only those before the first fault."""
    if rule.phase is None:
        yield from rule.check(file)
        return
    stop = file.trace.stop if stops else None
    stepped = {item.index for item in file.trace.stepped} if stops else frozenset()
    for hit in rule.check(file):
        if stop is not None and (rule.phase, hit.item) > (stop.phase, stop.item):
            continue
        if stops and rule.phase.name == "STEPS" and hit.item not in stepped:
            continue
        if _runs_here(rule, file, hit, options):
            yield hit


def _runs_here(rule: Rule, file: File, hit: Hit, options: CheckOptions) -> bool:
    is_experimental = not rule.on
    if hit.item >= 0 and rule.phase is not None and rule.phase.name not in ("LINES", "NAMES"):
        comments = file.items[hit.item].instruction.comments
        own = directive.of_comments(comments) if comments else None
        if own is not None:
            options = options.merged(own)
    named = rule.code in file.settings.only
    return named or options.runs(rule.code, is_experimental=is_experimental)


def _finding(rule: Rule, hit: Hit, settings: Settings) -> Finding:
    return Finding(
        code=rule.code,
        severity=settings.severities.get(rule.code, rule.severity),
        message=hit.message or rule.summary,
        span=hit.span,
        line=hit.line or hit.span.start_line,
        hint=hit.hint,
        url=rule.url,
        description=rule.summary,
        edits=hit.edits,
    )


def _faults(reading: Reading) -> Iterator[Finding]:
    for fault in (*reading.broken_lines, *reading.broken_instructions):
        yield Finding(
            UNREADABLE,
            Severity.ERROR,
            fault.message,
            fault.span,
            fault.span.start_line,
            fault.hint,
            "docs/rules.md#lm1000",
            "an instruction cannot be read",
        )


def _without_twins(found: list[tuple[Rule, Hit]]) -> Iterator[tuple[Rule, Hit]]:
    """Drops what another rule says better about the same instruction."""
    said = {(rule.code, hit.item) for rule, hit in found}
    return ((rule, hit) for rule, hit in found if (rule.twin, hit.item) not in said)


def _sorted(found: Iterable[Finding]) -> list[Finding]:
    unique = {(each.code, each.line, each.message, each.span): each for each in found}
    return sorted(
        unique.values(), key=lambda f: (f.line, f.span.start_line, f.span.start_column, f.code)
    )
