"""What BuildKit knows at each instruction when it lowers a Dockerfile without running it."""

from __future__ import annotations

from lamina.dockerfile.source import Fault
from lamina.dockerfile.words import Expansion
from lamina.lint.file import Item
from lamina.lint.rule import Phase
from lamina.values import dataclass, field


@dataclass(frozen=True, slots=True)
class Stop:
    """Where a build ends before its first step, and why."""

    phase: Phase
    item: int
    fault: Fault


@dataclass(frozen=True, slots=True)
class Unset:
    """A variable that is used and that nothing sets."""

    item: Item
    name: str
    near: str | None  # the one that was meant, perhaps


@dataclass(slots=True)
class State:
    """What a stage has come to."""

    env: dict[str, str]
    args: set[str] = field(default_factory=set)
    has_shell: bool = False
    has_workdir: bool = False

    def copy(self) -> State:
        """The same, for a stage that stands on this one."""
        return State(dict(self.env), set(self.args), self.has_shell, self.has_workdir)


@dataclass(slots=True)
class Trace:
    """The answers, each in the order of the walk."""

    unset: list[Unset] = field(default_factory=list)
    unset_in_from: list[Unset] = field(default_factory=list)
    bad_defaults: list[Item] = field(default_factory=list)
    platforms: list[tuple[Item, Expansion]] = field(default_factory=list)
    target_platform: str = ""
    relative_workdirs: list[tuple[Item, str]] = field(default_factory=list)
    ports: list[tuple[Item, str]] = field(default_factory=list)
    sources: list[tuple[Item, str]] = field(default_factory=list)  # of COPY, ADD from the context
    shell_forms: list[Item] = field(default_factory=list)  # of CMD, ENTRYPOINT; no SHELL is set
    stepped: list[Item] = field(default_factory=list)
    stop: Stop | None = None
