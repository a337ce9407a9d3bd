"""A Graph into layers: asks the cache, and runs what it cannot answer.

Steps are taken in the order of the graph as soon as their inputs are there. The cache is asked
in the caller's thread, for that is quick; what has to be made is made in threads, side by side,
but for a COPY that nothing else could be done beside.
"""

from __future__ import annotations

from _thread import allocate_lock  # as `threading` does, which takes longer to import

from lamina.build import key as keys
from lamina.build.basis import Basis, files_behind
from lamina.build.cache import Cache, Made
from lamina.build.copying import CopySpec, HashCache, Selection, select
from lamina.build.events import Event, Finished, Listener, Missed, Started
from lamina.build.failure import StepFailed
from lamina.build.files import NO_FILES, Files, ListCache, files_of
from lamina.build.graph import (
    BindMount,
    ContextTree,
    CopyOp,
    Graph,
    ImageTree,
    RunOp,
    Step,
    StepTree,
    Tree,
)
from lamina.build.inside import join
from lamina.build.key import Difference, Key
from lamina.build.workshop import Trees, Workshop
from lamina.errors import Error
from lamina.oci.digest import Digest
from lamina.values import replace

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from lamina.build.crew import Crew
    from lamina.build.execute import Executor

HASHES, LISTS = "context-hashes", "context-lists"


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
        self._hashes: dict[str, HashCache] = {}
        self._lists: dict[str, ListCache] = {}
        self._selections: dict[int, Selection] = {}
        self._keys: dict[int, Key] = {}
        self._taken: list[Selection] = []  # of the client's files, by all steps
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
                    if answer is None and is_idle and self._is_done_here(step, waiting):
                        self._equip()
                        answer = self._make(step)
                    if answer is not None:
                        self.trees.made[step.index] = answer
                        continue
                    crew = crew or self._crew()
                    crew.take(step)
                if crew is None or crew.is_idle or any(self._is_ready(step) for step in waiting):
                    continue
                step, made = crew.next()
                self.trees.made[step.index] = made
        except BaseException:
            if self._executor is not None:
                self._executor.cancel()
            raise
        finally:
            if crew is not None:
                crew.close()
            if self._executor is not None:
                self._executor.close()
            self._save_hashes()
        return self.trees

    def basis(self) -> Basis | None:
        """What the build rests on, if it is over and the cache knew every step."""
        if self._executor is not None or len(self._keys) != len(self.graph.steps):
            return None
        files = files_behind(self._taken)
        if files is None:
            return None
        steps = self.graph.steps
        return Basis(files, tuple((self._slot(s), self._keys[s.index].digest) for s in steps))

    def _equip(self) -> None:
        """Have what it takes to do a step, imported only when one has to be done."""
        from lamina.build.execute import Executor

        self._executor = self._executor or Executor(
            self.graph, self.workshop, self.trees, self.emit, self._selections
        )

    def _crew(self) -> Crew:
        from lamina.build.crew import Crew

        self._equip()
        return Crew(self._make, self.workers)

    def _is_done_here(self, step: Step, waiting: list[Step]) -> bool:
        """Whether nothing is gained by a thread: no other step is ready, and it does not wait.

        A thread, with a connection to the database of its own, takes a millisecond.
        """
        return not isinstance(step.op, RunOp) and not any(map(self._is_ready, waiting))

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
            key = self._quick_key(step) or self._full_key(step)
            self._keys[step.index] = key
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

    def _explain(self, step: Step, key: Key) -> None:
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
            causes = keys.causes(last, key) if last is not None else ()
            causes = self._in_context(step, causes)
            reason = "its layer is not in the cache any more" if last is not None else ""
            if causes:
                reason = self._describe(step, causes)
            reason = reason or "it was never built here"
            self.emit(Missed(vertex, reason, causes, seconds=seconds))

    def _in_context(self, step: Step, causes: tuple[Difference, ...]) -> tuple[Difference, ...]:
        """The causes with files named as where they are copied from has them."""
        selection = self._selections.get(step.index)
        if selection is None or not causes or causes[0].kind != "file":
            return causes
        known: dict[str, str] = {}
        for item in selection.items:
            if item.is_directory:
                known |= {node.path: join(item.path, node.path) for node in item.nodes[1:]}
            else:
                known[item.name] = item.path
        # What is gone was in the one directory that is copied, or in nobody knows which.
        folders = [item.path for item in selection.items if item.is_directory]
        start = folders[0] if len(folders) == 1 else ""
        return tuple(
            replace(one, name=known.get(one.name) or join(start, one.name)) for one in causes
        )

    def _describe(self, step: Step, causes: tuple[Difference, ...]) -> str:
        if causes[0].kind == "base" and isinstance(step.parent, ImageTree):
            return f"the base image {self.graph.images[step.parent.index].name} changed"
        more = f" (and {len(causes) - 1} more)" if len(causes) > 1 else ""
        return f"{causes[0].describe()}{more}"

    def _quick_key(self, step: Step) -> Key | None:
        """A key by the names of trees alone, where the full one would have to read files."""
        if not self._reads_trees(step):
            return None
        base = keys.of_step(step, self.trees.chain(step.parent), epoch=self.graph.epoch)
        sources = list(step.inputs())[1:]
        names = [
            keys.Part("source", str(index), self.trees.chain(tree) or "scratch")
            for index, tree in enumerate(sources)
        ]
        return Key((*base.parts, *names))

    def _reads_trees(self, step: Step) -> bool:
        """Whether it reads other trees, and nothing of the client's."""
        sources = list(step.inputs())[1:]
        return bool(sources) and not any(isinstance(tree, ContextTree) for tree in sources)

    def _full_key(self, step: Step) -> Key:
        files = NO_FILES
        mounted: list[tuple[str, Digest]] = []
        if isinstance(step.op, CopyOp):
            files = self._files(step, step.op.source, step.op.spec)
        elif isinstance(step.op, RunOp):
            mounted = [
                (mount.target, self._digest_of(mount))
                for mount in step.op.mounts
                if isinstance(mount, BindMount)
            ]
        return keys.of_step(
            step,
            self.trees.chain(step.parent),
            files=files,
            mounted=mounted,
            epoch=self.graph.epoch,
        )

    def _files(self, step: Step, source: Tree, spec: CopySpec) -> Files:
        selection = select(self.trees.context(source), spec)
        self._selections[step.index] = selection
        return self._known_files(source, selection)

    def _digest_of(self, mount: BindMount) -> Digest:
        spec = CopySpec(sources=(mount.path.lstrip("/") or ".",), destination="/mounted")
        selection = select(self.trees.context(mount.source), spec)
        return Digest(f"sha256:{self._known_files(mount.source, selection).digest.hex()}")

    def _known_files(self, source: Tree, selection: Selection) -> Files:
        """What is selected, with what is remembered of it if it is the client's."""
        if not isinstance(source, ContextTree):
            return files_of(selection)
        self._taken.append(selection)
        place = f"{self.place}\n{source.name}"
        if place not in self._lists:
            records = self.workshop.store.records
            self._lists[place] = ListCache.load(records.get(LISTS, place))
        return files_of(selection, lambda: self._hash_cache(place), self._lists[place])

    def _hash_cache(self, place: str) -> HashCache:
        if place not in self._hashes:
            self._hashes[place] = HashCache.load(self.workshop.store.records.get(HASHES, place))
        return self._hashes[place]

    def _save_hashes(self) -> None:
        records, now = self.workshop.store.records, self._now()
        for kind, caches in ((HASHES, self._hashes), (LISTS, self._lists)):
            for place, cache in caches.items():
                if cache.changed:
                    records.put(kind, place, cache.dump(), now=now)

    # -- making ----------------------------------------------------------------------------

    def _make(self, step: Step) -> tuple[Made, ...]:
        """Do one step and keep its layer. Mostly in a thread of the crew."""
        vertex = str(step.index)
        began = self.workshop.clock()
        try:
            quick, key = None, self._keys[step.index]
            if self._reads_trees(step):
                quick, key = key, self._full_key(step)
                made = self._find(step, key)
                if made is not None:
                    self.cache.alias(quick, made)
                    return self._hit(step, key, made)
            self._explain(step, key)
            self.emit(Started(vertex, step.label, began, step))
            assert self._executor is not None  # `_equip` was called
            made = self._executor.make(step, self._selections.get(step.index), began)
            self.cache.keep(key, made, also=(quick,) if quick is not None else ())
            self.cache.stand(self._slot(step), key)
        except Error as error:
            self.emit(Finished(vertex, self.workshop.clock(), error=error.message))
            if isinstance(error, StepFailed):
                raise
            raise StepFailed(step, error, self.graph.source) from error
        detail = f"{made.files} files" if made.files != 1 else "1 file"
        self.emit(Finished(vertex, self.workshop.clock(), detail=detail, made=made))
        return (*self.trees.layers(step.parent), made)
