"""What became of each step of a build, kept so that it can be asked about afterwards.

A report is made of the build's events alone. Kept in the store's database:

    build-report   "last", a Dockerfile's place, or an image's ID -> the report
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from lamina.build.events import Event, Finished, Missed, Started
from lamina.build.graph import Graph, Step, StepTree
from lamina.build.key import Difference
from lamina.late import json
from lamina.oci.digest import Digest
from lamina.store import Store
from lamina.values import dataclass, field

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from typing import Any

KIND = "build-report"
LAST = "last"  # the key of the newest
_FORM = 1


class State(StrEnum):
    """What a step came to."""

    CACHED = "cached"
    BUILT = "built"
    FAILED = "failed"
    CANCELED = "canceled"
    SKIPPED = "skipped"  # the build ended before its turn came


@dataclass(slots=True)
class StepReport:
    """One step."""

    label: str  # "[build 2/5] RUN make"
    line: int | None  # of the Dockerfile, 1 is the first
    inputs: tuple[int, ...]  # the steps whose trees it uses
    state: State = State.SKIPPED
    reason: str = ""  # of a miss
    causes: tuple[Difference, ...] = ()
    because_of: int | None = None  # the step that was built anew before it
    seconds: float | None = None  # that it took, now or when it was made
    before: float | None = None  # seconds that it took the last time, of a step that was done anew
    layer: str | None = None  # diff ID
    reads: tuple[str, ...] | None = None  # files of the context that it opened, if recorded


@dataclass(slots=True)
class Report:
    """One build. Steps are in an order in which each comes after those that it uses."""

    place: str  # which Dockerfile
    time: float  # when it began, in seconds since 1970
    words: tuple[str, ...] = ()  # the flags and arguments that asked for it, as typed
    directory: str = ""  # where they were typed
    image: str | None = None  # its ID; None if the build failed
    steps: list[StepReport] = field(default_factory=list)

    def depend_on(self, index: int) -> list[int]:
        """The step and all that use its tree, directly or not."""
        found = {index}
        for at, step in enumerate(self.steps):
            if found.intersection(step.inputs):
                found.add(at)
        return sorted(found)

    def encode(self) -> bytes:
        """For keeping; `decode` is the inverse."""
        rows = [
            {
                **{name: getattr(step, name) for name in StepReport.__slots__},
                "causes": [[one.kind, one.name, one.was, one.now] for one in step.causes],
            }
            for step in self.steps
        ]
        top = {name: getattr(self, name) for name in Report.__slots__}
        return json.dumps({**top, "steps": rows, "form": _FORM}).encode()

    @classmethod
    def decode(cls, data: bytes) -> Report:
        """ValueError if `data` is not what `encode` made."""
        found = json.loads(data)
        if found.pop("form", None) != _FORM:
            raise ValueError("a report of another version")
        steps = [_step(row) for row in found.pop("steps")]
        words = tuple(found.pop("words"))
        return cls(**found, words=words, steps=steps)


def _step(row: dict[str, Any]) -> StepReport:
    row["causes"] = tuple(Difference(*cause) for cause in row["causes"])
    row["inputs"] = tuple(row["inputs"])
    row["state"] = State(row["state"])
    row["reads"] = tuple(row["reads"]) if row.get("reads") is not None else None
    return StepReport(**row)


class Reporter:
    """Makes the report of one build of what it hears; a Listener by `listen`."""

    def __init__(
        self,
        graph: Graph,
        *,
        place: str,
        time: float,
        words: Sequence[str] = (),
        directory: str = "",
    ) -> None:
        steps = [_planned(step) for step in graph.steps]
        self.report = Report(place, time, tuple(words), directory, steps=steps)
        self._began: dict[str, float] = {}

    def listen(self, event: Event) -> None:
        match event:
            case Started():
                self._began[event.vertex] = event.time
            case Missed():
                step = self.report.steps[int(event.vertex)]
                step.reason, step.causes, step.before = event.reason, event.causes, event.seconds
                step.because_of = int(event.because_of) if event.because_of else None
            case Finished():
                self._finish(event)

    def _finish(self, event: Finished) -> None:
        step = self.report.steps[int(event.vertex)]
        if event.error is not None:
            step.state = State.CANCELED if event.error == "canceled" else State.FAILED
            step.seconds = event.time - self._began.get(event.vertex, event.time)
            return
        step.state = State.CACHED if event.cached else State.BUILT
        if event.made is not None:
            step.seconds, step.layer = event.made.seconds, str(event.made.diff_id)
            step.reads = event.made.reads

    def keys(self) -> list[str]:
        """What the report is kept under."""
        image = self.report.image
        return [LAST, self.report.place, *([image] if image is not None else [])]

    def keep(self, store: Store, image: Digest | None) -> None:
        """Keep the report as the newest, as that of its Dockerfile, and as that of its image."""
        self.report.image = str(image) if image is not None else None
        data = self.report.encode()
        now = int(self.report.time * 1e9)
        with store.records.batch():
            for key in self.keys():
                store.records.put(KIND, key, data, now=now)


def _planned(step: Step) -> StepReport:
    inputs = {tree.index for tree in step.inputs() if isinstance(tree, StepTree)}
    line = step.span.start_line if step.span is not None else None
    return StepReport(step.label, line, tuple(sorted(inputs)))


def find(store: Store, key: str = LAST) -> Report | None:
    """The report under a key; None if there is none, or one that is not understood."""
    data = store.records.get(KIND, key)
    try:
        return Report.decode(data) if data is not None else None
    except (ValueError, KeyError, TypeError):
        return None
