"""Which stages and images a build needs (BuildKit, "Dockerfile reference", FROM and ARG)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from lamina.build.graph import BaseImage, Ulimit
from lamina.dockerfile import Dockerfile, stages, words
from lamina.dockerfile import instruction as parse_instruction
from lamina.dockerfile.instructions import Copy, Instruction, OnBuild, Run
from lamina.dockerfile.source import DockerfileErrors, Fault, Span
from lamina.dockerfile.stages import Stage
from lamina.errors import Error, Invalid, NotFound, Unsupported
from lamina.oci import platform as platforms
from lamina.oci import reference
from lamina.oci.platform import Platform
from lamina.values import dataclass, field

SCRATCH = "scratch"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the caller of a build decides, beside the Dockerfile."""

    target: str | None = None
    build_args: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    platform: Platform | None = None  # None: this machine's, and then the base image's
    network: str = "default"
    hosts: tuple[tuple[str, str], ...] = ()
    ulimits: tuple[Ulimit, ...] = ()
    shm_size: int | None = None  # bytes
    use_cache: bool = True
    uncached_stages: frozenset[str] = frozenset()  # lower case


Resolve = Callable[[str, Platform], BaseImage]
"""Finds an image by the name that a Dockerfile gives it; NotFound if it is not here."""


@dataclass(frozen=True, slots=True)
class NamedContext:
    """What `--build-context NAME=…` stands for: files, or an image."""

    image: BaseImage | None  # None: files


class Reach:
    """One Dockerfile, from its target to all that this stands on and reads from."""

    def __init__(
        self,
        dockerfile: Dockerfile,
        options: Options,
        resolve: Resolve,
        contexts: Mapping[str, NamedContext],
    ) -> None:
        self.dockerfile = dockerfile
        self.options = options
        self.resolve = resolve
        self.contexts = {name.lower(): context for name, context in contexts.items()}
        self.faults: list[Fault] = []
        self.images: list[BaseImage] = []
        self.image_index: dict[tuple[str, Platform], int] = {}
        self.triggers: dict[int, list[Instruction]] = {}
        self.bases: dict[int, Stage | BaseImage | str] = {}
        self.replaced: set[int] = set()  # stages that a named context stands in for, whole
        self.build_platform = platforms.default()
        self.target_platform = options.platform or self.build_platform
        self.global_args: dict[str, str] = {}
        self.epoch: int | None = None

    def find(self) -> tuple[Stage, set[int]]:
        """The stage to build, and the numbers of all that it needs, itself among them."""
        target = self._target()
        self.global_args = self._expand_global_args(target)
        self.epoch = self._source_date_epoch()
        reachable = self._reach(target)
        self.raise_faults()
        return target, reachable

    def expand(self, word: str, env: Mapping[str, str]) -> str:
        return words.expand(word, env, escape=self.dockerfile.escape)

    # -- faults ----------------------------------------------------------------------------

    def fault(self, span: Span, error: Error | str, hint: str | None = None) -> None:
        message = error if isinstance(error, str) else error.message
        hint = hint or (None if isinstance(error, str) else error.hint)
        self.faults.append(Fault(message, span, hint))

    def raise_faults(self) -> None:
        if self.faults:
            raise DockerfileErrors(self.dockerfile.source, self.faults)

    # -- stages ----------------------------------------------------------------------------

    def _target(self) -> Stage:
        if self.options.target is None:
            return self.dockerfile.stages[-1]
        stage = stages.find(self.dockerfile.stages, self.options.target)
        if stage is None:
            names = [stage.name for stage in self.dockerfile.stages if stage.name]
            raise NotFound(
                f'target stage "{self.options.target}" could not be found',
                hint=f"stages are: {', '.join(names)}" if names else "no stage has a name",
            )
        return stage

    def _expand_global_args(self, target: Stage) -> dict[str, str]:
        """The ARGs before the first FROM and the platform's, as FROM lines see them."""
        values = self._platform_args()
        values["TARGETSTAGE"] = target.name or "default"
        given = self.options.build_args
        values |= {name: given[name] for name in values if name in given}
        for instruction in self.dockerfile.meta_args:
            for name, default in instruction.args:
                try:
                    if name in given:
                        values[name] = given[name]
                    elif default is not None:
                        values[name] = self.expand(default, values)
                except Invalid as error:
                    self.fault(instruction.span, error)
        return values

    def _platform_args(self) -> dict[str, str]:
        values: dict[str, str] = {}
        for prefix, platform in (("BUILD", self.build_platform), ("TARGET", self.target_platform)):
            values[f"{prefix}PLATFORM"] = platforms.format(platform)
            values[f"{prefix}OS"] = platform.os
            values[f"{prefix}OSVERSION"] = platform.os_version
            values[f"{prefix}ARCH"] = platform.architecture
            values[f"{prefix}VARIANT"] = platform.variant
        return values

    def _source_date_epoch(self) -> int | None:
        text = self.options.build_args.get("SOURCE_DATE_EPOCH")
        text = text if text is not None else self.global_args.get("SOURCE_DATE_EPOCH")
        if not text:
            return None
        try:
            return int(text)
        except ValueError:
            pass
        if text == "context" or stages.find(self.dockerfile.stages, text):
            raise Unsupported(
                f"SOURCE_DATE_EPOCH={text}: taking the time from a source is not built yet",
                hint="give seconds since 1970",
            )
        raise Invalid(f'SOURCE_DATE_EPOCH is "{text}", expected seconds since 1970')

    def _reach(self, target: Stage) -> set[int]:
        """The stages that `target` needs, itself among them; finds their bases on the way."""
        reached: set[int] = set()
        visiting: list[int] = []

        def visit(stage: Stage) -> None:
            if stage.index in visiting:
                self.fault(stage.span, "circular dependency between stages")
                return
            if stage.index in reached:
                return
            visiting.append(stage.index)
            base = self._base(stage)
            if isinstance(base, Stage):
                visit(base)
            self.triggers[stage.index] = self._on_build(stage, base)
            for instruction in self.instructions(stage):
                for needed in self.needed_stages(stage, instruction):
                    visit(needed)
            visiting.pop()
            reached.add(stage.index)

        visit(target)
        return reached

    def _base(self, stage: Stage) -> Stage | BaseImage | str | None:
        """What `stage` stands on: a stage, an image, "scratch", or a context's name."""
        line = stage.base
        try:
            name = self.expand(line.image, self.global_args)
            if not name:
                raise Invalid(
                    f"base name ({line.image}) should not be blank",
                    hint="declare the ARG before the first FROM, with a default",
                )
            platform = self.stage_platform(stage)
            base = self._find_base(stage, name, platform)
        except Error as error:
            self.fault(line.span, error)
            return None
        self.bases[stage.index] = base
        return base

    def stage_platform(self, stage: Stage) -> Platform:
        text = stage.base.platform
        if text is None:
            return self.target_platform
        expanded = self.expand(text, self.global_args)
        if not expanded:
            raise Invalid(f"empty platform value from expression {text}")
        return platforms.parse(expanded)

    def _find_base(self, stage: Stage, name: str, platform: Platform) -> Stage | BaseImage | str:
        if stage.name and (context := self.named_context(stage.name)) is not None:
            self.replaced.add(stage.index)
            return context.image or stage.name
        earlier = [other for other in self.dockerfile.stages[: stage.index] if other.name]
        for other in reversed(earlier):
            if other.name == name.lower():
                return other
        if (context := self.named_context(name)) is not None:
            return context.image or name
        if name == SCRATCH:
            return SCRATCH
        return self.image(name, platform)

    def named_context(self, name: str) -> NamedContext | None:
        """By the name itself, or by the image reference that it is another spelling of."""
        found = self.contexts.get(name.lower())
        if found is not None or not self.contexts:
            return found
        wanted = _canonical(name)
        for given, context in self.contexts.items():
            if wanted is not None and _canonical(given) == wanted:
                return context
        return None

    def image(self, name: str, platform: Platform) -> BaseImage:
        index = self.image_index.get((name, platform))
        if index is not None:
            return self.images[index]
        base = self.resolve(name, platform)
        self.keep_image(base, platform)
        return base

    def keep_image(self, base: BaseImage, platform: Platform) -> int:
        key = (base.name, platform)
        if key not in self.image_index:
            self.image_index[key] = len(self.images)
            self.images.append(base)
        return self.image_index[key]

    def instructions(self, stage: Stage) -> tuple[Instruction, ...]:
        """What is to be done in a stage: the triggers of its base first."""
        if stage.index in self.replaced:
            return ()
        return (*self.triggers[stage.index], *stage.instructions)

    def _on_build(self, stage: Stage, base: Stage | BaseImage | str | None) -> list[Instruction]:
        """The triggers that the base has left for this stage, as instructions."""
        texts: tuple[str, ...] = ()
        if isinstance(base, BaseImage):
            texts = base.image.config.config.on_build
        elif isinstance(base, Stage):
            texts = tuple(line.trigger for line in base.instructions if isinstance(line, OnBuild))
        triggers: list[Instruction] = []
        for text in texts:
            try:
                triggers.append(parse_instruction(text, stage.base.span))
            except Error as error:
                self.fault(stage.base.span, f'ONBUILD trigger "{text}": {error.message}')
        return triggers

    def needed_stages(self, stage: Stage, instruction: Instruction) -> list[Stage]:
        """The other stages that `instruction` reads; faults for those that come too late."""
        names: list[str] = []
        if isinstance(instruction, Copy) and instruction.from_ is not None:
            names.append(instruction.from_)
        elif isinstance(instruction, Run):
            names += self._mount_sources(instruction)
        needed: list[Stage] = []
        for name in names:
            other = self.find_stage(name, by_number=isinstance(instruction, Copy))
            if other is None:
                continue
            if other.index == stage.index:
                self.fault(instruction.span, f'stage "{name}" cannot read from itself')
            elif other.index > stage.index:
                self.fault(
                    instruction.span,
                    f'cannot copy from stage "{name}", it needs to be defined before '
                    f'current stage "{stage.name or stage.index}"',
                    f'move the stage "{name}" up',
                )
            else:
                needed.append(other)
        return needed

    def _mount_sources(self, instruction: Run) -> list[str]:
        """Names in `from=`; a mount that does not parse is reported when it is lowered."""
        names: list[str] = []
        if not instruction.mounts:
            return names
        from lamina.dockerfile import mounts

        for text in instruction.mounts:
            try:
                mount = mounts.parse_mount(text)
            except Error:
                continue
            if mount.from_ is not None and mount.type in ("bind", "cache"):
                names.append(mount.from_)
        return names

    def find_stage(self, name: str, *, by_number: bool) -> Stage | None:
        if self.named_context(name) is not None:
            return None
        if not by_number and name.isdigit():
            return None
        return stages.find(self.dockerfile.stages, name)


def _canonical(name: str) -> str | None:
    try:
        return str(reference.parse(name).with_default_tag())
    except Invalid:
        return None
