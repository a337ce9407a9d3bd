"""What advice is worth: findings beside the build that was, its image, and the history of git."""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path

from lamina.build import report as reports
from lamina.build.foresee import Reads, reads, rebuilt
from lamina.build.graph import CopyOp
from lamina.dockerfile import read
from lamina.engine import building
from lamina.errors import Error, NotFound
from lamina.lint.measured import Measured
from lamina.values import dataclass, replace

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from lamina.build.context import Context
    from lamina.build.graph import Graph
    from lamina.engine.building import BuildRequest
    from lamina.engine.engine import Engine
    from lamina.engine.sight import Sight
    from lamina.lint import Facts, Finding, Report

_HISTORY = ".git/index"


@dataclass(frozen=True, slots=True)
class Evidence:
    """A Dockerfile's plan, and what its steps came to; steps by their number in the plan."""

    request: BuildRequest
    graph: Graph
    contexts: Mapping[str, Context]
    seconds: Mapping[int, float]
    layers: Mapping[int, int]  # the number of the image's layer that a step made; 1 is the lowest
    opened: Mapping[int, tuple[str, ...]]  # files of the context that a step was seen to open
    sight: Sight | None
    commits: Sequence[frozenset[str]] | None  # paths that each has changed


def last_build(engine: Engine, context: Path, dockerfile: Path) -> reports.Report | None:
    """The report of the last build of a Dockerfile, as `building` names its place."""
    if engine.is_empty:
        return None
    request = building.BuildRequest(context=context, dockerfile=dockerfile)
    return reports.find(engine.store, building.place_of(request))


def gather(
    engine: Engine, request: BuildRequest, *, image: str | None = None, with_git: bool | None = None
) -> Evidence | None:
    """What is known of the Dockerfile of `request`: by `image`, or else by its last build.

    None if it was never built, or cannot be planned with the images that are here and no image
    was named. NotFound if one was. `with_git`: None looks where there is a work tree.
    """
    sight = engine.analyze(image) if image is not None else None
    try:
        graph, contexts, place = building.planned(engine, request)
    except Error:
        if image is not None:
            raise
        return None
    if sight is not None:
        last = reports.find(engine.store, str(sight.image.id))
    else:
        last = reports.find(engine.store, place)
        sight = _sight(engine, last)
    if last is None and sight is None:
        return None
    assert request.directory is not None
    commits = None
    if with_git is not False:
        from lamina.engine import history

        commits = history.changes(Path(request.directory))
        if commits is None and with_git:
            raise NotFound(f'"{request.context}" has no history that git can tell')
    pairs = _paired(graph, last) if last is not None else {}
    seconds = {
        at: found
        for at, step in pairs.items()
        if (found := step.seconds if step.seconds is not None else step.before) is not None
    }
    opened = {at: step.reads for at, step in pairs.items() if step.reads is not None}
    layers = _layers(graph, pairs, sight) if sight is not None else {}
    return Evidence(request, graph, contexts, seconds, layers, opened, sight, commits)


def _sight(engine: Engine, last: reports.Report | None) -> Sight | None:
    """The image that a build has made, if it is still here."""
    if last is None or last.image is None:
        return None
    try:
        return engine.analyze(last.image)
    except NotFound:
        return None


def _paired(graph: Graph, last: reports.Report) -> dict[int, reports.StepReport]:
    """The steps of a plan, and what became of the same instructions in a build."""
    waiting: dict[str, list[reports.StepReport]] = {}
    for step in last.steps:
        waiting.setdefault(step.label.partition("] ")[2], []).append(step)
    return {
        step.index: waiting[step.instruction].pop(0)
        for step in graph.steps
        if waiting.get(step.instruction)
    }


def _layers(graph: Graph, pairs: Mapping[int, reports.StepReport], sight: Sight) -> dict[int, int]:
    """Which layer of the image each step made: by its diff ID, or as the history words it."""
    numbers = {str(layer.diff_id): at for at, layer in enumerate(sight.image.layers, 1)}
    found = {
        at: numbers[step.layer]
        for at, step in pairs.items()
        if step.layer is not None and step.layer in numbers
    }
    if pairs:
        return found
    told: dict[str, int] = {}
    for at, layer in enumerate(sight.image.layers, 1):
        if layer.history is not None:
            told[layer.history.created_by] = at
    for draft in graph.target.history:
        if draft.step is not None and draft.created_by in told:
            found[draft.step] = told[draft.created_by]
    return found


def facts(evidence: Evidence, known: Facts) -> Facts:
    """What is known of a Dockerfile, with what the build has shown of its steps and its image."""
    text = evidence.graph.source.text
    lines = {node.start_line: node.original for node in read(text).nodes}
    opened = {
        lines[step.span.start_line]: evidence.opened[step.index]
        for step in evidence.graph.steps
        if step.index in evidence.opened and step.span is not None
    }
    if evidence.sight is None:
        return replace(known, opened=opened)
    fresh = Fresh(evidence.sight, evidence, lines)
    return replace(known, opened=opened, versions=Versions(evidence.sight), fresh=fresh)


class Fresh(Container[str]):
    """The lines of COPYs that made their target and nothing else, without links.

    Layers are looked into when the first is asked for.
    """

    def __init__(self, sight: Sight, evidence: Evidence, lines: Mapping[int, str]) -> None:
        self._sight = sight
        self._evidence = evidence
        self._lines = lines

    @cached_property
    def _found(self) -> frozenset[str]:
        found: set[str] = set()
        others: set[str] = set()  # a line may stand twice
        for step in self._evidence.graph.steps:
            if step.span is None or not isinstance(step.op, CopyOp):
                continue
            line = self._lines[step.span.start_line]
            number = self._evidence.layers.get(step.index)
            spec = step.op.spec
            target = posixpath.normpath(posixpath.join("/", spec.working_dir, spec.destination))
            is_new = number is not None and self._is_new(number, target.strip("/"))
            (found if is_new else others).add(line)
        return frozenset(found - others)

    def _is_new(self, number: int, target: str) -> bool:
        """Whether a layer brings all of `target`, and is only that."""
        added = set(self._sight.effects[number - 1].added)
        for entry in self._sight.layers[number - 1]:
            if entry.path == "." or target.startswith(f"{entry.path}/"):
                if entry.path in added:  # a directory above it was made for it
                    return False
                continue
            if entry.path != target and not entry.path.startswith(f"{target}/"):
                return False
            if entry.type not in ("file", "dir") or entry.mode & 0o7000:
                return False
        return target in added

    def __contains__(self, line: object) -> bool:
        try:
            return line in self._found
        except Error:
            return False  # a layer is gone or damaged: nothing is certain then


class Versions(Mapping[tuple[str, str], str]):
    """The versions of an image's packages, read when the first is asked for.

    A package of which there are several is left out. Those of npm, gem and go are looked for one
    by one, and are in no list.
    """

    def __init__(self, sight: Sight) -> None:
        self._sight = sight
        self._single: dict[tuple[str, str], str | None] = {}

    @cached_property
    def _found(self) -> dict[tuple[str, str], str]:
        packages = self._sight.packages
        count = Counter((each.kind, each.name) for each in packages)
        return {
            (each.kind, each.name): each.version
            for each in packages
            if count[each.kind, each.name] == 1
        }

    def __getitem__(self, key: tuple[str, str]) -> str:
        if key[0] not in ("npm", "gem", "go"):
            return self._found[key]
        if key not in self._single:
            self._single[key] = self._look(*key)
        version = self._single[key]
        if version is None:
            raise KeyError(key)
        return version

    def _look(self, kind: str, name: str) -> str | None:
        from lamina.analysis import installed

        sight = self._sight
        try:
            if kind == "gem":
                return installed.gem(sight.stack, name)
            look = installed.npm if kind == "npm" else installed.go
            return look(sight.stack, sight.read_whole, name)
        except Error:
            return None  # a layer is gone or damaged: nothing is certain then

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)


def measure(engine: Engine, evidence: Evidence, report: Report) -> Report:
    """The report with what was measured at each finding whose instruction is a step."""
    lines = _lines(evidence.graph)
    taken = reads(evidence.graph, evidence.contexts) if evidence.commits else {}
    now = _per_commit(evidence, evidence.graph, taken, evidence.seconds)
    findings = []
    for finding in report.findings:
        at = lines.get(finding.line)
        if at is not None:
            measured = _step(evidence, at, taken, now)
            if now is not None and finding.edits:
                after = _mended(engine, evidence, report, finding)
                measured = replace(measured, per_commit_mended=after)
            finding = replace(finding, measured=measured)
        findings.append(finding)
    return replace(report, findings=tuple(findings))


def _lines(graph: Graph) -> dict[int, int]:
    """Steps by the line that their instruction begins on."""
    return {step.span.start_line: step.index for step in graph.steps if step.span is not None}


def _step(evidence: Evidence, at: int, taken: Mapping[int, Reads], now: float | None) -> Measured:
    measured = Measured(seconds=evidence.seconds.get(at), reads=evidence.opened.get(at))
    sight, number = evidence.sight, evidence.layers.get(at)
    if sight is not None and number is not None:
        above = [entry.descriptor.size for entry in sight.image.layers[number - 1 :]]
        own = sum(one.size for one in sight.waste.unseen if one.layer == number)
        measured = replace(
            measured,
            size=above[0],
            hides=sum(
                one.size
                for one in sight.waste.unseen
                if one.hidden_by == number and one.layer != number
            ),
            hidden=own,
            pull=sum(above),
        )
    if evidence.commits and now is not None:
        count = sum(at in each for each in _rebuilds(evidence.commits, evidence.graph, taken))
        measured = replace(measured, commits=len(evidence.commits), rebuilt=count, per_commit=now)
    return measured


def _rebuilds(
    commits: Sequence[frozenset[str]], graph: Graph, taken: Mapping[int, Reads]
) -> list[set[int]]:
    """The steps that each commit builds anew; it changes the history too, should that be copied."""
    return [
        rebuilt(graph, [at for at, files in taken.items() if files.is_touched({*paths, _HISTORY})])
        for paths in commits
    ]


def _per_commit(
    evidence: Evidence, graph: Graph, taken: Mapping[int, Reads], seconds: Mapping[int, float]
) -> float | None:
    """Seconds to rebuild after a commit: for each step, its own times how often it is rebuilt."""
    if not evidence.commits or not seconds:
        return None
    done = _rebuilds(evidence.commits, graph, taken)
    return sum(seconds.get(at, 0.0) for each in done for at in each) / len(done)


def _mended(engine: Engine, evidence: Evidence, report: Report, finding: Finding) -> float | None:
    """Seconds to rebuild after a commit, with the finding's edits made; None if not known."""
    from lamina.lint.fix import applied

    return _with(engine, evidence, applied(report.source.text, finding.edits))


@dataclass(frozen=True, slots=True)
class Outlook:
    """Seconds to rebuild the image after a commit, on average."""

    commits: int  # that were looked at
    now: float
    mended: float  # with all that can be mended


def outlook(engine: Engine, evidence: Evidence, mended: str) -> Outlook | None:
    """What commits cost now and with the text `mended`; None where that is not known."""
    if not evidence.commits:
        return None
    taken = reads(evidence.graph, evidence.contexts)
    now = _per_commit(evidence, evidence.graph, taken, evidence.seconds)
    after = _with(engine, evidence, mended)
    if now is None or after is None:
        return None
    return Outlook(len(evidence.commits), now, after)


def _with(engine: Engine, evidence: Evidence, mended: str) -> float | None:
    """Seconds to rebuild after a commit, with another text."""
    text = mended.encode("utf-8", "surrogateescape")
    try:
        graph, contexts, _ = building.planned(engine, replace(evidence.request, text=text))
    except Error:
        return None
    seconds = taken_over(evidence.graph, evidence.seconds, graph)
    return _per_commit(evidence, graph, reads(graph, contexts), seconds)


def taken_over(before: Graph, seconds: Mapping[int, float], after: Graph) -> dict[int, float]:
    """What the steps of a mended Dockerfile will take, by what those before it took.

    A step of the same instruction takes the same. The others stand for the ones that are gone, in
    their order, kind by kind; the last of a kind stands for all that are left.
    """
    waiting: dict[str, list[int]] = {}
    for step in before.steps:
        waiting.setdefault(step.instruction, []).append(step.index)
    found: dict[int, float] = {}
    new: dict[str, list[int]] = {}
    for step in after.steps:
        if waiting.get(step.instruction):
            found[step.index] = seconds.get(waiting[step.instruction].pop(0), 0.0)
        else:
            new.setdefault(step.instruction.partition(" ")[0], []).append(step.index)
    gone: dict[str, list[int]] = {}
    for instruction, left in waiting.items():
        gone.setdefault(instruction.partition(" ")[0], []).extend(left)
    for kind, steps in new.items():
        old = sorted(gone.get(kind, ()))
        for number, at in enumerate(steps):
            stands_for = old[number:] if number + 1 == len(steps) else old[number : number + 1]
            found[at] = sum(seconds.get(each, 0.0) for each in stands_for)
    return found
