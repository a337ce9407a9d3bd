"""Dockerfile and options into a Graph (BuildKit, "Dockerfile reference").

    stages ──reach──▶ the ones that the target needs ──lower──▶ steps and configs

Nothing is read here but image configs, through `resolve`; nothing is run or copied.
"""

from __future__ import annotations

from collections.abc import Mapping

from lamina.build.copying import CopySpec
from lamina.build.graph import (
    BaseImage,
    ContextTree,
    CopyOp,
    Graph,
    HistoryDraft,
    ImageTree,
    Op,
    Scratch,
    Step,
    StepTree,
    Target,
    Tree,
)
from lamina.build.lower import Lowering, StageState
from lamina.build.reach import SCRATCH, NamedContext, Options, Reach, Resolve
from lamina.dockerfile import Dockerfile
from lamina.dockerfile.instructions import Add, Copy, Instruction, Run, Workdir
from lamina.dockerfile.source import Span
from lamina.dockerfile.stages import Stage
from lamina.errors import Error, Invalid
from lamina.oci import platform as platforms
from lamina.oci.config import History, ImageConfig
from lamina.oci.platform import Platform
from lamina.values import replace

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def plan(
    dockerfile: Dockerfile,
    options: Options,
    *,
    resolve: Resolve,
    contexts: Mapping[str, NamedContext] | None = None,
) -> Graph:
    """What has to be done to build `options.target`, or the last stage.

    DockerfileErrors, with every fault that was found, for what the Dockerfile says;
    NotFound for a target or an image that is not there.
    """
    reach = Reach(dockerfile, options, resolve, contexts or {})
    target, reachable = reach.find()
    planner = Planner(reach)
    for stage in dockerfile.stages:
        if stage.index in reachable:
            planner.lower(stage)
    reach.raise_faults()
    return planner.finish(target)


class Planner:
    """One Dockerfile on its way to be a graph, stage by stage."""

    def __init__(self, reach: Reach) -> None:
        self.reach = reach
        self.options = reach.options
        self.global_args = reach.global_args
        self.epoch = reach.epoch
        self.escape = reach.dockerfile.escape
        self.steps: list[Step] = []
        self.used_contexts: set[str] = set()
        self.states: dict[int, StageState] = {}

    def lower(self, stage: Stage) -> None:
        instructions = self.reach.instructions(stage)
        state = self._initial_state(stage, instructions)
        self.states[stage.index] = state
        lowering = Lowering(self, state)
        for instruction in instructions:
            try:
                lowering.lower(instruction)
            except Error as error:
                self.reach.fault(instruction.span, error)

    def _initial_state(self, stage: Stage, instructions: tuple[Instruction, ...]) -> StageState:
        base = self.reach.bases[stage.index]
        counted = sum(isinstance(line, Add | Copy | Run | Workdir) for line in instructions)
        state = StageState(
            stage=stage,
            label=(stage.name or f"stage-{stage.index}")
            if len(self.reach.dockerfile.stages) > 1
            else "",
            total=counted + (not isinstance(base, Stage) and base != SCRATCH),
            platform=self.reach.stage_platform(stage),
            use_cache=self._uses_cache(stage),
        )
        if isinstance(base, Stage):
            state.inherit(self.states[base.index])
        elif isinstance(base, BaseImage):
            self._start_from_image(state, base)
        elif base != SCRATCH:
            self._start_from_context(state, base)
        state.complete_environment(DEFAULT_PATH)
        return state

    def _start_from_image(self, state: StageState, base: BaseImage) -> None:
        index = self.reach.keep_image(base, state.platform)
        config = base.image.config
        state.base = index
        state.position = 1
        state.tree = ImageTree(index) if config.diff_ids else Scratch()
        state.config = replace(config.config, on_build=(), extra={})
        state.author = config.author
        if self.options.platform is None and stage_is_implicit(state.stage):
            state.platform = config.platform
        state.history = [HistoryDraft(h.created_by, inherited=h) for h in _whole_history(config)]

    def _start_from_context(self, state: StageState, name: str) -> None:
        """FROM a named context of files: they become the first layer."""
        state.position = 0
        spec = CopySpec(sources=(".",), destination="/", working_dir="/")
        source = self.context_tree(name)
        self.add_step(state, CopyOp(spec, source), f"FROM {name}", state.stage.base.span)
        state.history.append(HistoryDraft(f"FROM {name} # buildkit", len(self.steps) - 1))

    def _uses_cache(self, stage: Stage) -> bool:
        names = {str(stage.index), stage.name or ""}
        return self.options.use_cache and not names & self.options.uncached_stages

    # -- what Lowering asks for --------------------------------------------------------------

    def expand(self, word: str, env: Mapping[str, str]) -> str:
        return self.reach.expand(word, env)

    def context_tree(self, name: str) -> ContextTree:
        self.used_contexts.add(name.lower())
        return ContextTree(name.lower())

    def source_tree(self, name: str, platform: Platform, *, by_number: bool) -> Tree:
        """The tree that COPY --from or a mount's from= names."""
        context = self.reach.named_context(name)
        if context is not None:
            if context.image is None:
                return self.context_tree(name)
            return self._image_tree(context.image, platform)
        stage = self.reach.find_stage(name, by_number=by_number)
        if stage is not None:
            return self.states[stage.index].tree
        if name == SCRATCH:
            return Scratch()
        if by_number and name.isdigit():
            raise Invalid(f'invalid stage index "{name}"')
        return self._image_tree(self.reach.image(name, platform), platform)

    def _image_tree(self, base: BaseImage, platform: Platform) -> Tree:
        if not base.image.config.diff_ids:
            return Scratch()
        return ImageTree(self.reach.keep_image(base, platform))

    def add_step(self, state: StageState, op: Op, text: str, span: Span, key: str = "") -> None:
        """Put a step on top of the stage's tree."""
        state.position += 1
        step = Step(
            index=len(self.steps),
            op=op,
            parent=state.tree,
            instruction=text,
            stage=state.stage.name or str(state.stage.index),
            stage_label=state.label,
            position=state.position,
            total=max(state.total, state.position),
            span=span,
            use_cache=state.use_cache,
            cache_key_instruction=key or text,
        )
        self.steps.append(step)
        state.tree = StepTree(step.index)

    # -- the end ---------------------------------------------------------------------------

    def finish(self, target: Stage) -> Graph:
        state = self.states[target.index]
        labels = {**state.config.labels, **self.options.labels}
        return Graph(
            source=self.reach.dockerfile.source,
            steps=tuple(self.steps),
            images=tuple(self.reach.images),
            contexts=tuple(sorted(self.used_contexts)),
            target=Target(
                stage=target.name or str(target.index),
                tree=state.tree,
                base=state.base,
                platform=platforms.normalize(self.options.platform or state.platform),
                author=state.author,
                config=replace(state.config, labels=labels),
                history=tuple(state.history),
            ),
            epoch=self.epoch,
        )


def stage_is_implicit(stage: Stage) -> bool:
    """Whether the stage takes its platform as it comes, with no --platform of its own."""
    return stage.base.platform is None


def _whole_history(config: ImageConfig) -> tuple[History, ...]:
    """The history of a base image, made to fit its layers where it does not."""
    layers = len(config.diff_ids)
    made = sum(not entry.empty_layer for entry in config.history)
    if made > layers:
        return (History(comment="the base image's history did not fit its layers"),) * layers
    return (*config.history, *(History(comment="layer of the base image"),) * (layers - made))
