"""What a build works with: the nouns it was handed, and the trees that its steps stand on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from lamina.build.cache import Made
from lamina.build.context import Context, TreeContext
from lamina.build.graph import ContextTree, Graph, ImageTree, Scratch, StepTree, Tree
from lamina.fs.mounts import opened
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import ChainID, DiffID
from lamina.snapshot.snapshotter import Snapshotter
from lamina.store import Store
from lamina.values import dataclass, field

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from pathlib import Path

    from lamina.runtime.container import Runtime

Unpack = Callable[[Sequence[tuple[Descriptor, DiffID]]], ChainID | None]
"""Sees that the tree of these layers is a snapshot here, and names it."""


@dataclass(frozen=True, slots=True)
class Secret:
    """Where a secret's bytes come from; read when a step asks, never kept."""

    id: str
    read: Callable[[], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """The places and tools of one build."""

    store: Store
    snapshotter: Snapshotter
    runtime: Callable[[], Runtime]  # asked only when a command has to run
    unpack: Unpack
    contexts: Mapping[str, Context]
    clock: Callable[[], float]  # seconds since 1970
    cache_mounts: Path | str  # the directory that holds what --mount=type=cache keeps
    spool: Path | str  # a private directory for this build; the caller removes it
    secrets: Mapping[str, Secret] = field(default_factory=dict)
    ca_bundle: Path | str | None = None  # certificates offered to each RUN, in no layer
    record_reads: bool = False  # see which files of the context each RUN opens
    proxies: tuple[tuple[str, str], ...] = ()  # variables offered to each RUN, likewise


class Trees:
    """Resolves a graph's trees, as its steps get done, to layers and to directories."""

    def __init__(self, graph: Graph, workshop: Workshop) -> None:
        self.graph = graph
        self.workshop = workshop
        self.made: dict[int, tuple[Made, ...]] = {}  # by step: all layers of its tree

    def layers(self, tree: Tree) -> tuple[Made, ...]:
        """The layers that make a tree, bottom first; of a finished step or an image."""
        match tree:
            case StepTree(index):
                return self.made[index]
            case ImageTree(index):
                return self._image_layers(index)
            case _:
                return ()

    def _image_layers(self, index: int) -> tuple[Made, ...]:
        image = self.graph.images[index].image
        created = image.config.created or "1970-01-01T00:00:00Z"
        return tuple(
            Made(layer.descriptor, layer.diff_id, layer.chain_id, created, 0.0)
            for layer in image.layers
        )

    def chain(self, tree: Tree) -> ChainID | None:
        """The name of a tree; None for the empty one."""
        layers = self.layers(tree)
        return layers[-1].chain if layers else None

    def unpacked(self, tree: Tree) -> ChainID | None:
        """As `chain`, with the snapshot there to be mounted."""
        pairs = [(layer.descriptor, layer.diff_id) for layer in self.layers(tree)]
        return self.workshop.unpack(pairs)

    @contextmanager
    def open(self, tree: Tree) -> Iterator[int]:
        """A descriptor of the tree's root, read only."""
        chain = self.unpacked(tree)
        with opened(self.workshop.snapshotter.view(chain)) as root:
            yield root

    def context(self, tree: Tree) -> Context:
        """The tree as a place to copy from."""
        match tree:
            case ContextTree(name):
                return self.workshop.contexts[name]
            case StepTree(index):
                label = f'stage "{self.graph.steps[index].stage}"'
            case ImageTree(index):
                label = f'image "{self.graph.images[index].name}"'
            case Scratch():
                label = "scratch"
        return TreeContext(lambda: self.open(tree), label)
