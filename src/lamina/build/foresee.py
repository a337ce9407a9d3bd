"""What would happen if: which steps read a file of the context, and what the context is made of."""

from __future__ import annotations

import stat
from collections.abc import Collection, Iterator, Mapping

from lamina.build.context import Context
from lamina.build.graph import BindMount, ContextTree, CopyOp, Graph, RunOp, Step, StepTree
from lamina.build.inside import join
from lamina.build.selection import CopySpec, select
from lamina.build.walking import walk
from lamina.dockerfile.ignore import Ignore
from lamina.errors import NotFound
from lamina.values import dataclass


def readers(graph: Graph, contexts: Mapping[str, Context], path: str) -> list[int]:
    """The steps that read `path` of the build context, or what is below it; "" is all of it."""
    return [
        step.index
        for step in graph.steps
        if any(_takes(contexts[name], spec, path) for name, spec in _sources(step) if name == "")
    ]


def _sources(step: Step) -> Iterator[tuple[str, CopySpec]]:
    """What a step takes from contexts: their names, and which files."""
    op = step.op
    if isinstance(op, CopyOp) and isinstance(op.source, ContextTree):
        yield op.source.name, op.spec
    elif isinstance(op, RunOp):
        for mount in op.mounts:
            if isinstance(mount, BindMount) and isinstance(mount.source, ContextTree):
                place = mount.path.lstrip("/") or "."
                yield mount.source.name, CopySpec(sources=(place,), destination="/mounted")


def _takes(context: Context, spec: CopySpec, path: str) -> bool:
    try:
        selection = select(context, spec)
    except NotFound:
        return False
    below = f"{path}/"
    for item in selection.items:
        for node in item.nodes:
            found = join(item.path, node.path)
            if found == path or not path or found.startswith(below):
                return True
    return False


@dataclass(frozen=True, slots=True)
class Reads:
    """What a step takes from the build context, so that changes can be held against it."""

    files: frozenset[str]
    directories: tuple[str, ...]  # that it takes with all that is in them; "" is the context
    ignore: Ignore | None

    def is_touched(self, paths: Collection[str]) -> bool:
        """Whether a change of `paths` changes what the step reads; they may be gone since."""
        return any(path in self.files or self._held(path) for path in paths)

    def _held(self, path: str) -> bool:
        if not any(not one or path.startswith(f"{one}/") for one in self.directories):
            return False
        return self.ignore is None or not self.ignore.ignores(path)


def reads(graph: Graph, contexts: Mapping[str, Context]) -> dict[int, Reads]:
    """What each step takes from the build context; a step that takes nothing is left out."""
    found: dict[int, Reads] = {}
    for step in graph.steps:
        files: set[str] = set()
        directories: list[str] = []
        for name, spec in _sources(step):
            if name:
                continue
            try:
                items = select(contexts[name], spec).items
            except NotFound:
                continue
            for item in items:
                files.update(
                    join(item.path, node.path) if node.path else item.path
                    for node in item.nodes
                    if not stat.S_ISDIR(node.stat.st_mode)
                )
                if item.is_directory and not spec.excludes:
                    directories.append(item.path)
        if files or directories:
            found[step.index] = Reads(frozenset(files), tuple(directories), contexts[""].ignore)
    return found


def rebuilt(graph: Graph, direct: Collection[int]) -> set[int]:
    """The steps `direct` and all that use their trees, directly or not."""
    found = set(direct)
    for step in graph.steps:
        trees = (tree.index for tree in step.inputs() if isinstance(tree, StepTree))
        if not found.isdisjoint(trees):
            found.add(step.index)
    return found


@dataclass(frozen=True, slots=True)
class Weight:
    """What a directory of the context holds, all that is below it counted."""

    path: str  # "" is the whole context
    files: int
    size: int  # bytes


def weigh(context: Context) -> list[Weight]:
    """Every directory of the context as the builder sees it, the largest first."""
    sums: dict[str, tuple[int, int]] = {"": (0, 0)}
    with context.open_root() as root:
        for node in walk(root, "", ignore=context.ignore):
            mode = node.stat.st_mode
            if stat.S_ISDIR(mode):
                sums.setdefault(node.path, (0, 0))
                continue
            size = node.stat.st_size if stat.S_ISREG(mode) else 0
            above = node.path
            while above:
                above = above.rpartition("/")[0]
                files, total = sums.get(above, (0, 0))
                sums[above] = files + 1, total + size
    found = [Weight(path, files, size) for path, (files, size) in sums.items()]
    return sorted(found, key=lambda one: (-one.size, -one.files, one.path))
