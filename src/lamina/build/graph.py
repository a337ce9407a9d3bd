"""A build as a value: steps over trees, planned before anything happens.

    Dockerfile ──plan──▶ Graph ──solve──▶ layers ──commit──▶ image

A tree is what a step starts from, copies from or mounts. Only steps that change files are in
the graph; what only changes the config is in the target's history.
"""

from __future__ import annotations

from collections.abc import Iterator

from lamina.build.copying import CopySpec
from lamina.dockerfile.source import Source, Span
from lamina.image.view import Image
from lamina.oci.config import History, RunConfig
from lamina.oci.platform import Platform
from lamina.values import dataclass


@dataclass(frozen=True, slots=True)
class Scratch:
    """The empty tree."""


@dataclass(frozen=True, slots=True)
class ImageTree:
    """The tree of an image that exists already."""

    index: int  # into Graph.images


@dataclass(frozen=True, slots=True)
class StepTree:
    """What a step leaves behind."""

    index: int  # into Graph.steps


@dataclass(frozen=True, slots=True)
class ContextTree:
    """Files of the client: the build context, or a named one."""

    name: str  # "" is the build context


Tree = Scratch | ImageTree | StepTree | ContextTree


@dataclass(frozen=True, slots=True)
class BaseImage:
    """An image that a stage stands on or that a step reads from."""

    name: str  # as the Dockerfile has it, expanded
    image: Image


@dataclass(frozen=True, slots=True)
class BindMount:
    """Files of another tree, for one command; writes, where allowed, are thrown away."""

    target: str
    source: Tree
    path: str
    writable: bool


@dataclass(frozen=True, slots=True)
class CacheMount:
    """A directory that outlives the build and is never part of a layer."""

    target: str
    id: str
    sharing: str  # "shared", "private", "locked"
    source: Tree  # what it holds when it is new
    path: str
    mode: int
    uid: int
    gid: int
    read_only: bool


@dataclass(frozen=True, slots=True)
class TmpfsMount:
    """An empty file system in memory."""

    target: str
    size: int | None  # bytes


@dataclass(frozen=True, slots=True)
class SecretMount:
    """A secret as a file, as a variable, or both."""

    id: str
    target: str | None
    env: str | None
    required: bool
    mode: int
    uid: int
    gid: int


RunMount = BindMount | CacheMount | TmpfsMount | SecretMount


@dataclass(frozen=True, slots=True)
class Ulimit:
    """A resource limit of a RUN step, as `docker build --ulimit` has it."""

    name: str  # without "RLIMIT_": "nofile"
    soft: int
    hard: int


@dataclass(frozen=True, slots=True)
class RunOp:
    """A command in the tree."""

    args: tuple[str, ...]
    env: tuple[tuple[str, str], ...]
    working_dir: str
    user: str
    mounts: tuple[RunMount, ...]
    network: str  # "default", "none", "host"
    hosts: tuple[tuple[str, str], ...]
    ulimits: tuple[Ulimit, ...]
    shm_size: int | None  # bytes
    script: tuple[str, bytes] | None  # a heredoc with a "#!" line: its name and content
    proxies: tuple[tuple[str, str], ...]  # offered to the command; not part of its key


@dataclass(frozen=True, slots=True)
class CopyOp:
    """Files from another tree."""

    spec: CopySpec
    source: Tree


@dataclass(frozen=True, slots=True)
class WorkdirOp:
    """A directory that must be there."""

    path: str
    user: str


Op = RunOp | CopyOp | WorkdirOp


@dataclass(frozen=True, slots=True)
class Step:
    """One change of a tree."""

    index: int
    op: Op
    parent: Tree
    instruction: str  # as progress and explanations show it
    stage: str  # its name, or its number
    stage_label: str  # "" in a Dockerfile of one stage
    position: int  # of all steps of the stage, counted from 1; FROM is one
    total: int
    span: Span | None
    use_cache: bool
    cache_key_instruction: str  # normalised; what the key holds of the text

    def inputs(self) -> Iterator[Tree]:
        """Every tree that must exist before this step runs."""
        yield self.parent
        if isinstance(self.op, CopyOp):
            yield self.op.source
        elif isinstance(self.op, RunOp):
            for mount in self.op.mounts:
                if isinstance(mount, BindMount | CacheMount):
                    yield mount.source

    @property
    def label(self) -> str:
        """As BuildKit numbers it: "[build 2/5] RUN make"."""
        stage = f"{self.stage_label} " if self.stage_label else ""
        width = len(str(self.total))
        return f"[{stage}{self.position:>{width}}/{self.total}] {self.instruction}"


@dataclass(frozen=True, slots=True)
class HistoryDraft:
    """A history entry before its time is known."""

    created_by: str
    step: int | None = None  # the step whose layer this is; None: no layer
    inherited: History | None = None  # an entry of the base image, kept as it is


@dataclass(frozen=True, slots=True)
class Target:
    """What the build is for: a tree, and the config of the image around it."""

    stage: str
    tree: Tree
    base: int | None  # into Graph.images: where the first layers come from
    platform: Platform
    author: str | None
    config: RunConfig
    history: tuple[HistoryDraft, ...]


@dataclass(frozen=True, slots=True)
class Graph:
    """Everything a build will do, in an order in which it can be done."""

    source: Source  # the Dockerfile
    steps: tuple[Step, ...]
    images: tuple[BaseImage, ...]
    contexts: tuple[str, ...]  # names of the contexts that are read; "" is the build context
    target: Target
    epoch: int | None  # SOURCE_DATE_EPOCH, in seconds
    notices: tuple[str, ...] = ()
