"""A Graph into layers: asks the cache, and runs what it cannot answer.

Steps are taken in the order of the graph as soon as their inputs are there. The cache is asked
in the caller's thread, for that is quick; what has to be made is made in threads, side by side,
but for a COPY that nothing else could be done beside. A command that nobody has ever run is not
kept waiting for the name of what it runs on, nor is one that was never run on anything above
the tree that changed: the layer below it is packed and hashed beside it.
"""

from __future__ import annotations

from _thread import allocate_lock  # as `threading` does, which takes longer to import
from collections.abc import Iterator
from contextlib import contextmanager

from lamina.build import key as keys
from lamina.build.basis import Basis, files_behind
from lamina.build.cache import Cache, Made
from lamina.build.events import Event, Finished, Listener, Missed, Started
from lamina.build.failure import StepFailed
from lamina.build.graph import CopyOp, Graph, RunOp, Step, StepTree
from lamina.build.key import Key
from lamina.build.keyring import Keyring
from lamina.build.workshop import Trees, Workshop
from lamina.errors import Error
from lamina.oci.digest import ChainID

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from lamina.build.crew import Answers, Beside, Crew, Row
    from lamina.build.execute import Executor, Work


class Solver:
    """One build under way."""

    def __init__(
        self,
        graph: Graph,
        workshop: Workshop,
        listen: Listener,
        *,
        place: str,
        workers: int,
    ) -> None:
        """`place` names the Dockerfile, so that the next build of it can be compared with this.

        `workers`: how many steps may run at once.
        """
        self.graph = graph
        self.workshop = workshop
        self.place = place
        self.workers = workers
        self.trees = Trees(graph, workshop)
        self.cache = Cache(workshop.store, self._now)
        self._listen = listen
        self._lock = allocate_lock()
        self.keyring = Keyring(self.trees, workshop, place=place, now=self._now)
        self._quick: dict[int, Key] = {}  # by the names of trees, of steps that are made
        self._users = _users(graph)
        self._rebuilt: set[int] = set()
        self._unrecorded: set[int] = set()  # in the cache, but not with what they read
        self._executor: Executor | None = None

    def _now(self) -> int:
        return int(self.workshop.clock() * 1e9)

    def emit(self, event: Event) -> None:
        """Tell the listener, one thread at a time."""
        with self._lock:
            self._listen(event)

    def solve(self) -> Trees:
        """Do every step; StepFailed for the first that fails, when the others have been ended."""
        waiting = list(self.graph.steps)
        crew: Crew | None = None
        try:
            while waiting or (crew is not None and not crew.is_idle):
                for step in [step for step in waiting if self._is_ready(step)]:
                    waiting.remove(step)
                    answer = self._ask(step)
                    is_idle = crew is None or crew.is_idle
                    if answer is not None:
                        self.trees.made[step.index] = answer
                        continue
                    row = self._row(step)
                    for follower in row[1:]:
                        waiting.remove(follower)
                    if is_idle and self._is_done_here(row, waiting):
                        self._equip()
                        self._make(row)
                        continue
                    crew = crew or self._crew()
                    crew.take(row)
                if crew is None or crew.is_idle or any(self._is_ready(step) for step in waiting):
                    continue
                self.trees.made |= crew.next()
        except BaseException:
            if self._executor is not None:
                self._executor.cancel()
            raise
        finally:
            if crew is not None:
                crew.close()
            if self._executor is not None:
                self._executor.close()
            self.keyring.save()
        return self.trees

    def basis(self) -> Basis | None:
        """What the build rests on, if it is over and the cache knew every step."""
        if self._executor is not None or len(self.keyring) != len(self.graph.steps):
            return None
        files = files_behind(self.keyring.taken)
        if files is None:
            return None
        steps = self.graph.steps
        return Basis(files, tuple((self._slot(s), self.keyring.key(s).digest) for s in steps))

    def _equip(self) -> None:
        """Have what it takes to do a step, imported only when one has to be done."""
        from lamina.build.execute import Executor

        self._executor = self._executor or Executor(
            self.graph, self.workshop, self.trees, self.emit, self.keyring.selections
        )

    def _crew(self) -> Crew:
        from lamina.build.crew import Crew

        self._equip()
        return Crew(self._make, self.workers)

    def _is_done_here(self, row: Row, waiting: list[Step]) -> bool:
        """Whether nothing is gained by a thread: no other step is ready, and it does not wait.

        A thread, with a connection to the database of its own, takes a millisecond.
        """
        waits = len(row) > 1 or isinstance(row[0].op, RunOp)
        return not waits and not any(map(self._is_ready, waiting))

    def _is_ready(self, step: Step) -> bool:
        return all(
            not isinstance(tree, StepTree) or tree.index in self.trees.made
            for tree in step.inputs()
        )

    # -- the cache -------------------------------------------------------------------------

    def _ask(self, step: Step) -> tuple[Made, ...] | None:
        """All layers of the step's tree if the cache knows its last one, and asking is cheap.

        A step that reads other trees is asked by their names only; reading their files is left
        to the thread that would do the step.
        """
        try:
            key = self.keyring.first(step)
            made = self._find(step, key)
            return self._hit(step, key, made) if made is not None else None
        except Error as error:
            raise StepFailed(step, error, self.graph.source) from error

    def _find(self, step: Step, key: Key) -> Made | None:
        """What the cache has; not if reads are to be recorded, and those of a RUN were not."""
        if not step.use_cache:
            return None
        made = self.cache.find(key.digest)
        if made is not None and self._lacks_record(step, made):
            self._unrecorded.add(step.index)
            return None
        return made

    def _lacks_record(self, step: Step, made: Made) -> bool:
        return self.workshop.record_reads and isinstance(step.op, RunOp) and made.reads is None

    def _hit(self, step: Step, key: Key, made: Made) -> tuple[Made, ...]:
        now = self.workshop.clock()
        self.emit(Started(str(step.index), step.label, now, step))
        self.emit(Finished(str(step.index), now, cached=True, made=made))
        self.cache.stand(self._slot(step), key)
        return (*self.trees.layers(step.parent), made)

    def _slot(self, step: Step) -> str:
        return f"{self.place}\n{step.stage}\n{step.position}"

    def _explain(self, step: Step) -> None:
        """Say why the step has to run: what came before it, or the first thing that differs."""
        earlier = [
            self.graph.steps[tree.index]
            for tree in step.inputs()
            if isinstance(tree, StepTree) and tree.index in self._rebuilt
        ]
        self._rebuilt.add(step.index)
        vertex = str(step.index)
        last = self.cache.last(self._slot(step))
        seconds = self.cache.seconds(last) if last is not None else None
        if not step.use_cache:
            self.emit(Missed(vertex, "the cache was turned off for it", seconds=seconds))
        elif step.index in self._unrecorded:
            self.emit(Missed(vertex, "what it reads was not recorded yet", seconds=seconds))
        elif earlier:
            reason = f"{earlier[0].label} was built anew"
            cause = str(earlier[0].index)
            self.emit(Missed(vertex, reason, because_of=cause, seconds=seconds))
        else:
            from lamina.build import explain

            key, selection = self.keyring.key(step), self.keyring.selections.get(step.index)
            reason, causes = explain.reason(self.graph, step, last, key, selection)
            self.emit(Missed(vertex, reason, causes, seconds=seconds))

    # -- making ----------------------------------------------------------------------------

    def _row(self, step: Step) -> Row:
        """The step, and those after it that can begin before the one they stand on has a name.

        Each reads nothing but the tree of the one before, is the only one to use that, and is
        none that the cache could know, whatever the one before makes. So a layer is packed while
        the next command runs; not a small one, which takes less time than that would.
        """
        row = [step]
        if self.workers > 1 and not self.workshop.record_reads and self._is_large(step):
            below = self.trees.chain(step.parent)
            while (after := self._follower(row[-1], below)) is not None:
                row.append(after)
        return tuple(row)

    def _is_large(self, step: Step) -> bool:
        """Whether its layer may take long to be packed; nobody knows what a command will do."""
        if isinstance(step.op, RunOp):
            return True
        selection = self.keyring.selections.get(step.index)
        # A large COPY may need no draft, which another one could stand on (`build.streaming`).
        streams = self.workshop.snapshotter.indexer() is not None
        return selection is not None and selection.is_large and not streams

    def _follower(self, step: Step, below: ChainID | None) -> Step | None:
        """The one after a step, if it can begin; `below` is the nearest tree that has a name."""
        users = self._users.get(step.index, [])
        after = users[0] if len(users) == 1 else None
        if after is None or after.parent != StepTree(step.index) or not _reads_nothing(after):
            return None
        key = keys.of_step(after, None, epoch=self.graph.epoch)
        return None if after.use_cache and self.cache.knows(key, below) else after

    def _make(self, row: Row) -> Answers:
        """Do steps that each stand on the one before. Mostly in a thread of the crew."""
        assert self._executor is not None  # `_equip` was called
        executor = self._executor
        works: list[Work] = []
        packing = self._beside(executor) if len(row) > 1 else None
        try:
            for step in row:
                with self._blaming(step):
                    if step is row[0] and self._is_known_after_all(step):
                        continue
                    self._explain(step)
                    self.emit(Started(str(step.index), step.label, self.workshop.clock(), step))
                    works.append(executor.change(step, works[-1] if works else None))
                if packing is not None and step is not row[-1]:
                    packing.put(works[-1])
            if works:
                self._end(works, packing)
        except BaseException:
            if packing is not None:
                packing.wait()
            executor.commit(works)
            if packing is not None and packing.error is not None:
                raise packing.error from None  # which ended the others, too
            raise
        return {step.index: self.trees.made[step.index] for step in row}

    def _beside(self, executor: Executor) -> Beside:
        from lamina.build.crew import Beside

        return Beside(self._pack, executor.cancel)

    def _is_known_after_all(self, step: Step) -> bool:
        """Whether the cache knows it by the files that it reads, if not by their trees' names."""
        if not self.keyring.reads_trees(step):
            return False
        quick, key = self.keyring.key(step), self.keyring.full(step)
        made = self._find(step, key)
        if made is None:
            self._quick[step.index] = quick
            return False
        self.cache.alias(quick, made)
        self.trees.made[step.index] = self._hit(step, key, made)
        return True

    def _end(self, works: list[Work], packing: Beside | None) -> None:
        """Pack the last of a row beside those before it, and make snapshots of all."""
        assert self._executor is not None
        last = works[-1]
        with self._blaming(last.step):
            self._executor.pack(last)
        if packing is not None:
            packing.wait()
            if packing.error is not None:
                raise packing.error
        with self._blaming(last.step):
            made = self._executor.name(last)
            self._executor.commit(works)
            self._keep(last.step, made)

    def _pack(self, work: Work) -> None:
        """Keep the layer of one that is not the last of its row; its snapshot comes later."""
        assert self._executor is not None
        with self._blaming(work.step):
            self._executor.pack(work)
            self._keep(work.step, self._executor.name(work))

    def _keep(self, step: Step, made: Made) -> None:
        """Remember what the step has made, and say so."""
        key = self.keyring.key(step)
        also = [self._quick[step.index]] if step.index in self._quick else []
        layers = self.trees.layers(step.parent)
        below = [layer.chain for layer in layers[:-1]] if _reads_nothing(step) else None
        self.cache.keep(key, made, also=also, below=below)
        self.cache.stand(self._slot(step), key)
        self.trees.made[step.index] = (*layers, made)
        detail = f"{made.files} files" if made.files != 1 else "1 file"
        self.emit(Finished(str(step.index), self.workshop.clock(), detail=detail, made=made))

    @contextmanager
    def _blaming(self, step: Step) -> Iterator[None]:
        """Let an error be the step's, and end it with that."""
        try:
            yield
        except Error as error:
            self.emit(Finished(str(step.index), self.workshop.clock(), error=error.message))
            if isinstance(error, StepFailed):
                raise
            raise StepFailed(step, error, self.graph.source) from error


def _users(graph: Graph) -> dict[int, list[Step]]:
    """By step, those that use its tree."""
    users: dict[int, list[Step]] = {}
    for step in graph.steps:
        for tree in step.inputs():
            if isinstance(tree, StepTree):
                users.setdefault(tree.index, []).append(step)
    return users


def _reads_nothing(step: Step) -> bool:
    """Whether it depends on nothing but the tree that it changes: its key costs nothing."""
    return not isinstance(step.op, CopyOp) and len(list(step.inputs())) == 1
