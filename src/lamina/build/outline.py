"""What a Dockerfile offers to who builds it: its targets, and the parameters of one of them.

As BuildKit's requests `frontend.targets` and `frontend.outline` answer. Nothing is built.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence

from lamina.build.graph import BaseImage
from lamina.build.reach import NamedContext, Options, Reach, Resolve
from lamina.dockerfile import Dockerfile, words
from lamina.dockerfile.instructions import Arg, Env, Instruction, Run
from lamina.dockerfile.mounts import MountType, parse_mount
from lamina.dockerfile.source import Span
from lamina.dockerfile.stages import Stage
from lamina.dockerfile.words import WordError
from lamina.errors import Error
from lamina.values import dataclass, field


@dataclass(frozen=True, slots=True)
class Offer:
    """A stage that can be built."""

    name: str  # "" where it has none
    is_default: bool
    description: str
    base: str  # as written
    platform: str  # as written; "" where it says none
    span: Span


@dataclass(frozen=True, slots=True)
class Argument:
    """An ARG that has to do with the target."""

    name: str
    value: str  # with what was given; "" for none
    description: str
    span: Span


@dataclass(frozen=True, slots=True)
class Want:
    """A secret, or keys of SSH, that a RUN mounts."""

    name: str
    required: bool
    span: Span


@dataclass(frozen=True, slots=True)
class Outline:
    """The parameters of a target, in the order of their lines."""

    name: str
    description: str
    arguments: tuple[Argument, ...]
    secrets: tuple[Want, ...]
    ssh: tuple[Want, ...]


def targets(dockerfile: Dockerfile) -> list[Offer]:
    """Every stage; the last is what is built where nothing is said."""
    last = len(dockerfile.stages) - 1
    return [
        Offer(
            stage.name or "",
            stage.index == last,
            _described(stage.base.comments, stage.name or ""),
            stage.base.image,
            stage.base.platform or "",
            stage.base.span,
        )
        for stage in dockerfile.stages
    ]


def outline(
    dockerfile: Dockerfile,
    options: Options,
    *,
    resolve: Resolve,
    contexts: Mapping[str, NamedContext] | None = None,
) -> Outline:
    """The parameters of `options.target`, or of the last stage; raises as `plan`."""
    reach = Reach(dockerfile, options, resolve, contexts or {})
    target, reached = reach.find()
    reader = _Reader(reach)
    reader.read_global()
    for stage in dockerfile.stages:
        if stage.index in reached:
            reader.read(stage)
    reach.raise_faults()
    found: dict[str, Argument] = {}
    wanted: dict[MountType, dict[str, Want]] = {MountType.SECRET: {}, MountType.SSH: {}}
    for stage in _nearest_first(reach, target):
        state = reader.states[stage.index]
        for name in reader.with_sources(state):
            if name in state.arguments:
                found.setdefault(name, state.arguments[name])
        for kind, name, want in state.wants:
            wanted[kind].setdefault(name, want)
    return Outline(
        target.name or "",
        _described(target.base.comments, target.name or ""),
        tuple(sorted(found.values(), key=lambda one: one.span.start_line)),
        *(tuple(sorted(kind.values(), key=lambda one: one.span.start_line))
          for kind in wanted.values()),
    )  # fmt: skip


def _described(comments: Sequence[str], name: str) -> str:
    """What the comment says that begins with the name."""
    for line in comments:
        if name and line.startswith(f"{name} "):
            return line.removeprefix(f"{name} ")
    return ""


def _nearest_first(reach: Reach, target: Stage) -> Iterator[Stage]:
    """The target, what it stands on, and then what those copy from."""
    waiting, seen = [target], set[int]()
    while waiting:
        stage = waiting.pop()
        if stage.index in seen:
            continue
        seen.add(stage.index)
        yield stage
        for instruction in reversed(reach.instructions(stage)):
            waiting += reversed(reach.needed_stages(stage, instruction))
        base = reach.bases.get(stage.index)
        if isinstance(base, Stage):
            waiting.append(base)


@dataclass(slots=True)
class _State:
    """What a stage has come to so far."""

    env: dict[str, str] = field(default_factory=dict)
    arguments: dict[str, Argument] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    wants: list[tuple[MountType, str, Want]] = field(default_factory=list)


class _Reader:
    def __init__(self, reach: Reach) -> None:
        self._reach = reach
        self._global = _State()
        self._sources: dict[str, set[str]] = {}  # which ARGs the default of a global one names
        self.states: dict[int, _State] = {}

    def read_global(self) -> None:
        """The ARGs before the first FROM."""
        values = self._reach.global_args
        for instruction in self._reach.dockerfile.meta_args:
            for name, default in instruction.args:
                description = _described(instruction.comments, name)
                value = values.get(name, "")
                self._global.arguments[name] = Argument(name, value, description, instruction.span)
                given = name in self._reach.options.build_args
                self._sources[name] = set() if given else self._named(default or "")

    def read(self, stage: Stage) -> None:
        """A stage, once what it stands on was read."""
        base = self._reach.bases.get(stage.index)
        state = _State(arguments=dict(self._global.arguments))
        if isinstance(base, Stage):
            below = self.states[base.index]
            state = _State(dict(below.env), dict(below.arguments), set(below.used))
        elif isinstance(base, BaseImage):
            state.env = dict(base.image.config.config.environment())
        self.states[stage.index] = state
        state.used |= self._named(stage.base.image) | self._named(stage.base.platform or "")
        for instruction in self._reach.instructions(stage):
            try:
                self._instruction(state, instruction)
            except Error as error:
                self._reach.fault(instruction.span, error)

    def _instruction(self, state: _State, instruction: Instruction) -> None:
        match instruction:
            case Arg():
                self._argument(state, instruction)
            case Env():
                pairs = [
                    (self._expand(name, state), self._expand(value, state))
                    for name, value in instruction.pairs
                ]
                state.env.update(pairs)
            case Run():
                self._mounts(state, instruction)

    def with_sources(self, state: _State) -> set[str]:
        """The ARGs that a stage uses, and those that their defaults are made of."""
        found: set[str] = set()
        waiting = list(state.used)
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                waiting += self._sources.get(name, ())
        return found

    def _argument(self, state: _State, instruction: Arg) -> None:
        given, inherited = self._reach.options.build_args, self._reach.global_args
        for name, default in instruction.args:
            state.used.add(name)
            if name in given:
                value = given[name]
            elif default is not None:
                value = self._expand(default, state)
            elif name in inherited:  # what stands above is what is told of it
                state.env[name] = inherited[name]
                continue
            else:
                value = None
            if value is not None:
                state.env[name] = value
            description = _described(instruction.comments, name)
            state.arguments[name] = Argument(name, value or "", description, instruction.span)

    def _mounts(self, state: _State, instruction: Run) -> None:
        for text in instruction.mounts:
            mount = parse_mount(text, lambda word: self._expand(word, state))
            if mount.type is MountType.SECRET:
                name = mount.source or mount.id or posixpath.basename(mount.target or "")
            elif mount.type is MountType.SSH:
                name = mount.id or "default"
            else:
                continue
            want = Want(name, mount.required, instruction.span)
            state.wants.append((mount.type, name, want))

    def _expand(self, word: str, state: _State) -> str:
        return self._reach.expand(word, state.env)

    def _named(self, word: str) -> set[str]:
        """The variables that a word asks for."""
        asked = _Asked(self._reach.global_args)
        try:
            words.expand(word, asked, escape=self._reach.dockerfile.escape)
        except WordError:
            pass  # said where the word is used
        return asked.names


class _Asked(Mapping[str, str]):
    """Variables, of which it is known which were asked for."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self.names: set[str] = set()
        self._values = values

    def __getitem__(self, name: str) -> str:
        self.names.add(name)
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)
