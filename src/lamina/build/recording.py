"""Which files of the build context a RUN opens, among those that COPY has put into its tree."""

from __future__ import annotations

import os
import posixpath
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TypeVar

from lamina.build.graph import ContextTree, CopyOp, Graph, Step, StepTree
from lamina.build.inside import join
from lamina.build.selection import Item, Selection
from lamina.build.workshop import Trees
from lamina.errors import Error
from lamina.fs import mounts, syscalls
from lamina.fs.mounts import Bind, Overlay, RootPlan
from lamina.fs.opens import Opens
from lamina.layer import index as indexes
from lamina.values import dataclass

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Bound:
    """A part of the build context that a RUN mounts."""

    plan: RootPlan  # the tree that holds it
    place: Path  # where that is attached to be watched: a directory that is there, and empty
    found: Path  # a file or directory of the host
    source: str  # what that is called in the context; "" is all of it


class Record:
    """What one RUN opened."""

    def __init__(self, wanted: frozenset[str]) -> None:
        """`wanted`: paths in the tree, without a slash in front; others are not kept."""
        self.opened: set[str] = set()
        self.mounted: set[str] = set()  # paths in the context, of what was mounted
        self.refusal: str | None = None  # why nothing was recorded
        self._wanted = wanted

    def hear(self, path: str) -> None:
        """A file was opened."""
        name = path.lstrip("/")
        if name in self._wanted:
            self.opened.add(name)

    def hear_mounted(self, bound: Bound, path: str) -> None:
        """A file was opened below a mount.

        The path begins at the root of the mount or, as long as that is attached, at the root of
        the command: so every end of it that is a file counts. What was opened is among them, and
        what is named beside it only keeps advice from going too far.
        """
        if not bound.found.is_dir():
            self.mounted.add(bound.source)
            return
        parts = path.strip("/").split("/")
        for at in range(len(parts)):
            name = "/".join(parts[at:])
            if (bound.found / name).is_file():  # and none that the command has made there
                self.mounted.add(join(bound.source, name))

    def around(
        self,
        plan: RootPlan,
        spool: Path | str,
        run: Callable[[RootPlan, bool], T],
        bounds: Sequence[Bound] = (),
    ) -> T:
        """What `run` gives, called with a plan of the same tree, and whether it is watched.

        It is called in a thread with mounts of its own, which are gone with it; where that or
        the watch is refused, as it would have been anyway. Watched, what is mounted is to be
        taken from the places of `bounds`.
        """
        result: list[T] = []
        errors: list[BaseException] = []

        def work() -> None:
            try:
                result.append(self._watched(plan, spool, run, bounds))
            except BaseException as error:  # noqa: BLE001 - raised again below, in the caller
                errors.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        if errors:
            raise errors[0]
        return result[0]

    def _watched(
        self,
        plan: RootPlan,
        spool: Path | str,
        run: Callable[[RootPlan, bool], T],
        bounds: Sequence[Bound],
    ) -> T:
        if not isinstance(mounts.reduced(plan), Overlay):
            self.refusal = "reads are not recorded: the tree is no overlay, which alone can be told"
            return run(plan, False)
        root = Path(spool, f"watched-{os.urandom(8).hex()}")
        root.mkdir(mode=0o700)
        with ExitStack() as stack:
            try:
                syscalls.unshare(syscalls.CLONE_NEWNS)
                syscalls.mount(None, "/", None, syscalls.MS_REC | syscalls.MS_PRIVATE)
                self._listen(plan, root, self.hear, stack)
                for bound in bounds:
                    hear = partial(self.hear_mounted, bound)
                    self._listen(bound.plan, bound.place, hear, stack)
            except (Error, OSError) as error:
                reason = (
                    error.message if isinstance(error, Error) else os.strerror(error.errno or 0)
                )
                self.refusal = f"reads are not recorded: the kernel refuses ({reason})"
                stack.close()
                return run(plan, False)
            result = run(Bind(root), True)
        root.rmdir()
        return result

    def _listen(
        self, plan: RootPlan, place: Path, hear: Callable[[str], None], stack: ExitStack
    ) -> None:
        """Attach a tree, and hear what is opened in it until the stack is closed."""
        mounts.attach(plan, place)
        stack.callback(syscalls.umount2, os.fspath(place), syscalls.MNT_DETACH)
        stack.callback(Opens(os.fspath(place), hear).close)


def places(
    graph: Graph, trees: Trees, selections: Mapping[int, Selection], step: Step
) -> dict[str, str]:
    """Where files of the build context lie in the tree that a step starts from: path -> context.

    By the COPYs below it, the last one counting; what was unpacked or kept its parents is left out.
    """
    below: list[Step] = []
    tree = step.parent
    while isinstance(tree, StepTree):
        below.append(graph.steps[tree.index])
        tree = below[-1].parent
    found: dict[str, str] = {}
    for each in reversed(below):
        op, selection = each.op, selections.get(each.index)
        if selection is None or not isinstance(op, CopyOp) or op.source != ContextTree(""):
            continue
        if op.spec.parents:
            continue
        target = posixpath.normpath(posixpath.join("/", op.spec.working_dir, op.spec.destination))
        has = _entries(trees, each)
        for item in selection.items:
            if not item.is_archive:
                found |= _places(item, target.strip("/"), has)
    return found


def _entries(trees: Trees, step: Step) -> frozenset[str]:
    """The paths in the layer of a step."""
    made = trees.made[step.index][-1]
    data = trees.workshop.store.indexes.get(made.diff_id)
    return (
        frozenset(entry.path for entry in indexes.decode(data)) if data is not None else frozenset()
    )


def _places(item: Item, target: str, has: frozenset[str]) -> dict[str, str]:
    """A directory's files lie in the target, as does a file, unless the target is the file."""
    if item.is_directory:
        return {join(target, node.path): join(item.path, node.path) for node in item.nodes[1:]}
    inside = join(target, item.name)
    return {inside if inside in has else target: item.path}
