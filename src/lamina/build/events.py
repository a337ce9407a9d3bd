"""What a build tells while it goes on; progress, explanations and tools only read it.

Events come from several threads; a listener is called by one at a time.
"""

from __future__ import annotations

from collections.abc import Callable

from lamina.build.cache import Made
from lamina.build.graph import Step
from lamina.build.key import Difference
from lamina.values import dataclass


@dataclass(frozen=True, slots=True)
class Started:
    """Work began; `vertex` names it in all later events."""

    vertex: str
    label: str  # "[build 2/5] RUN make"
    time: float  # seconds since 1970
    step: Step | None = None


@dataclass(frozen=True, slots=True)
class Missed:
    """The cache had no answer for a step, and this is the first cause that is known."""

    vertex: str
    reason: str
    causes: tuple[Difference, ...] = ()  # the first that differs; if that is a file, every file
    because_of: str | None = None  # the vertex of an earlier step that was built anew
    seconds: float | None = None  # that it took the last time


@dataclass(frozen=True, slots=True)
class Output:
    """Bytes that a command printed."""

    vertex: str
    stream: str  # "stdout" or "stderr"
    data: bytes
    time: float


@dataclass(frozen=True, slots=True)
class Note:
    """Something that a person should know and that is no error."""

    vertex: str | None
    text: str


@dataclass(frozen=True, slots=True)
class Finished:
    """Work ended."""

    vertex: str
    time: float
    cached: bool = False
    error: str | None = None
    detail: str = ""  # "3.2MB, 12 files"
    made: Made | None = None  # its layer, unless it failed


Event = Started | Missed | Output | Note | Finished
Listener = Callable[[Event], None]
