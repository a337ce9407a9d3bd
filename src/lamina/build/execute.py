"""Doing a step: a draft on top of its parent, the change, and the layer that comes of it."""

from __future__ import annotations

import os
import posixpath
from _thread import allocate_lock  # as `threading` does, which takes longer to import
from collections.abc import Callable, Mapping

from lamina.build.cache import Made
from lamina.build.copying import Selection, copy, select
from lamina.build.events import Event, Note
from lamina.build.graph import CopyOp, Graph, RunOp, Step, WorkdirOp
from lamina.build.times import rfc3339
from lamina.build.workshop import Trees, Workshop
from lamina.errors import Invalid
from lamina.fs.mounts import opened
from lamina.fs.root import Root
from lamina.layer import index as indexes
from lamina.layer.diff import Packed, pack
from lamina.oci import media_type
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import ChainID, Digest, chain_ids
from lamina.snapshot.snapshotter import Draft
from lamina.values import dataclass

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from lamina.build.command import Commands
    from lamina.build.streaming import Streamed
    from lamina.layer.diff import Sink


@dataclass(slots=True)
class Work:
    """A step that has changed its draft, on the way to a layer and a snapshot."""

    step: Step
    draft: Draft
    began: float  # seconds since 1970, when the step was taken up
    reads: tuple[str, ...] | None = None  # files of the context that a RUN opened, if recorded
    streamed: Streamed | None = None  # a COPY that is not in the draft, only what leads to it
    packed: Packed | None = None
    descriptor: Descriptor | None = None  # of the layer
    made: Made | None = None  # once it has a name


class Executor:
    """Makes the layers of steps; safe in several threads, one step each."""

    def __init__(
        self,
        graph: Graph,
        workshop: Workshop,
        trees: Trees,
        emit: Callable[[Event], None],
        selections: Mapping[int, Selection],
    ) -> None:
        """`selections`: what steps copy from contexts, filled as they get ready."""
        self.selections = selections
        self.graph = graph
        self.workshop = workshop
        self.trees = trees
        self.emit = emit
        self._commands: Commands | None = None
        self._lock = allocate_lock()
        self._cancelled = False

    def cancel(self) -> None:
        """End the commands that are running; their steps fail."""
        with self._lock:
            self._cancelled = True
        if self._commands is not None:
            self._commands.cancel()

    def close(self) -> None:
        """Give back what commands have shared; none may run any more."""
        if self._commands is not None:
            self._commands.close()

    def _commands_of(self) -> Commands:
        """Made, and its modules imported, when the first command has to run."""
        from lamina.build.command import Commands

        with self._lock:
            if self._cancelled:
                raise Invalid("canceled")
            if self._commands is None:
                self._commands = Commands(self.workshop, self.trees, self.emit)
            return self._commands

    def change(self, step: Step, below: Work | None = None) -> Work:
        """Do the step in a new draft, on top of that of `below` if its parent has no name yet."""
        snapshotter = self.workshop.snapshotter
        began = self.workshop.clock()
        key = f"build-{os.getpid()}-{os.urandom(8).hex()}"
        if below is not None:
            draft = snapshotter.prepare_on(key, below.draft)
        else:
            draft = snapshotter.prepare(key, self.trees.unpacked(step.parent))
        work = Work(step, draft, began)
        try:
            self._change(work)
        except BaseException:
            snapshotter.discard(draft)
            raise
        return work

    def _change(self, work: Work) -> None:
        step, op = work.step, work.step.op
        if isinstance(op, RunOp):
            work.reads = self._run(step, op, work.draft)
            return
        with opened(work.draft.plan) as fd:
            if isinstance(op, WorkdirOp):
                self._make_directory(step, op, fd)
            elif isinstance(op, CopyOp):
                self._copy(work, op, fd)

    def _copy(self, work: Work, op: CopyOp, fd: int) -> None:
        chosen = self.selections.get(work.step.index)
        chosen = chosen or select(self.trees.context(op.source), op.spec)
        if self.workshop.snapshotter.indexer() is not None and chosen.is_large:
            from lamina.build import streaming

            work.streamed = streaming.stream(chosen, fd)
        notes = work.streamed.notes if work.streamed is not None else copy(chosen, fd)
        for text in notes:
            self.emit(Note(str(work.step.index), text))

    def _run(self, step: Step, op: RunOp, draft: Draft) -> tuple[str, ...] | None:
        commands = self._commands_of()
        if not self.workshop.record_reads:
            commands.run(step, op, draft)
            return None
        from lamina.build import recording

        places = recording.places(self.graph, self.trees, self.selections, step)
        record = recording.Record(frozenset(places))
        commands.run(step, op, draft, record)
        if record.refusal is not None:
            self.emit(Note(str(step.index), record.refusal))
            return None
        return tuple(sorted({places[path] for path in record.opened} | record.mounted))

    def _make_directory(self, step: Step, op: WorkdirOp, fd: int) -> None:
        """See that the directory is there; what has to be made belongs to the user."""
        from lamina.build import users

        root = Root(fd)
        owner = users.find(root, op.user) if op.user else users.Owner(0, 0)
        for text in owner.notes:
            self.emit(Note(str(step.index), text))
        path = posixpath.normpath(op.path)
        made = root.makedirs(path, 0o755, owner.uid, owner.gid)
        if self.graph.epoch is not None:
            for directory in made:
                with root.parent(directory) as (parent, name):
                    os.utime(name, (self.graph.epoch,) * 2, dir_fd=parent)

    def pack(self, work: Work) -> None:
        """Pack what changed into a layer, and keep it."""
        store = self.workshop.store
        with store.ingest(hashes=False) as ingest:
            packed = self._packed(work, ingest)
            digest, size = ingest.commit(packed.diff_id, trusted=True)
        encoded = indexes.encode(packed.index)
        with store.database.transaction():
            store.indexes.put(packed.diff_id, encoded)
            store.diff_ids.put(digest, packed.diff_id)
            store.crcs.put(digest, packed.crc)
        work.packed = packed
        work.descriptor = Descriptor(media_type.OCI_LAYER, Digest(digest), size)

    def _packed(self, work: Work, out: Sink) -> Packed:
        streamed, clamp = work.streamed, self.graph.epoch
        if streamed is None:
            return pack(self.workshop.snapshotter.changes(work.draft), out, clamp=clamp)
        with streamed.selection.context.open_root() as source_fd:
            packed = pack(streamed.changes(source_fd), out, clamp=clamp)
            streamed.check(source_fd)
        return packed

    def name(self, work: Work) -> Made:
        """What a packed step has made, now that what it stands on has a name."""
        packed, descriptor = work.packed, work.descriptor
        assert packed is not None and descriptor is not None
        below = [layer.diff_id for layer in self.trees.layers(work.step.parent)]
        now = self.workshop.clock()
        work.made = Made(
            descriptor=descriptor,
            diff_id=packed.diff_id,
            chain=chain_ids([*below, packed.diff_id])[-1],
            created=rfc3339(self.graph.epoch if self.graph.epoch is not None else now),
            seconds=now - work.began,
            files=len(packed.index),
            plain_size=packed.size,
            reads=work.reads,
        )
        return work.made

    def commit(self, works: list[Work]) -> None:
        """Turn drafts, each on top of the one before, into snapshots; none is left in `works`.

        From the first that has no name, or cannot be committed, they are discarded.
        """
        try:
            while works and (made := works[0].made) is not None:
                self._commit(works[0], made)
                del works[0]
        finally:
            while works:
                self.workshop.snapshotter.discard(works.pop().draft)

    def _commit(self, work: Work, made: Made) -> None:
        snapshotter, draft = self.workshop.snapshotter, work.draft
        parent = self.trees.chain(work.step.parent)
        if work.streamed is not None:
            self._draw(work, made, parent)
            snapshotter.discard(draft)
            return
        if draft.below is not None:
            assert parent is not None  # it was committed just now
            draft = snapshotter.stand(draft, parent)
        snapshotter.commit(draft, made.chain)

    def _draw(self, work: Work, made: Made, parent: ChainID | None) -> None:
        """Make a snapshot that points into the layer, or leave it to be unpacked at need."""
        from lamina.snapshot import drawing

        snapshotter, packed = self.workshop.snapshotter, work.packed
        indexer = snapshotter.indexer()
        assert indexer is not None and packed is not None  # or it would not be streamed, or named
        if not snapshotter.has(made.chain):
            blob = self.workshop.store.blobs.path(made.descriptor.digest)
            drawing.land(indexer, packed.index, made.chain, parent, blob)
