"""Keys of steps, with what is remembered of the files that they read."""

from __future__ import annotations

from collections.abc import Callable

from lamina.build import key as keys
from lamina.build.copying import CopySpec, HashCache, Selection, select
from lamina.build.files import NO_FILES, Files, ListCache, files_of
from lamina.build.graph import BindMount, ContextTree, CopyOp, RunOp, Step, Tree
from lamina.build.key import Key
from lamina.build.workshop import Trees, Workshop
from lamina.oci.digest import Digest

HASHES, LISTS = "context-hashes", "context-lists"


class Keyring:
    """The keys of one build's steps; safe in several threads, one step each."""

    def __init__(
        self, trees: Trees, workshop: Workshop, *, place: str, now: Callable[[], int]
    ) -> None:
        """`place` names the Dockerfile; `now`: nanoseconds since 1970."""
        self.selections: dict[int, Selection] = {}  # by step: what it copies from a context
        self.taken: list[Selection] = []  # of the client's files, by all steps
        self._keys: dict[int, Key] = {}
        self._trees = trees
        self._workshop = workshop
        self._place = place
        self._now = now
        self._hashes: dict[str, HashCache] = {}
        self._lists: dict[str, ListCache] = {}

    def __len__(self) -> int:
        """How many steps have been asked for."""
        return len(self._keys)

    def key(self, step: Step) -> Key:
        """The key that was made last, or the full one if there is none yet."""
        return self._keys[step.index] if step.index in self._keys else self.full(step)

    def first(self, step: Step) -> Key:
        """A key by the names of trees alone, where the full one would have to read their files."""
        if not self.reads_trees(step):
            return self.full(step)
        base = keys.of_step(step, self._trees.chain(step.parent), epoch=self._trees.graph.epoch)
        sources = list(step.inputs())[1:]
        names = [
            keys.Part("source", str(index), self._trees.chain(tree) or "scratch")
            for index, tree in enumerate(sources)
        ]
        key = self._keys[step.index] = Key((*base.parts, *names))
        return key

    def reads_trees(self, step: Step) -> bool:
        """Whether it reads other trees, and nothing of the client's."""
        sources = list(step.inputs())[1:]
        return bool(sources) and not any(isinstance(tree, ContextTree) for tree in sources)

    def full(self, step: Step) -> Key:
        """The key by all that the step depends on; what it stands on has to have a name."""
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
        chain, epoch = self._trees.chain(step.parent), self._trees.graph.epoch
        key = keys.of_step(step, chain, files=files, mounted=mounted, epoch=epoch)
        self._keys[step.index] = key
        return key

    def save(self) -> None:
        """Keep what was found out about files, for the next build."""
        records, now = self._workshop.store.records, self._now()
        for kind, caches in ((HASHES, self._hashes), (LISTS, self._lists)):
            for place, cache in caches.items():
                if cache.changed:
                    records.put(kind, place, cache.dump(), now=now)

    def _files(self, step: Step, source: Tree, spec: CopySpec) -> Files:
        selection = select(self._trees.context(source), spec)
        self.selections[step.index] = selection
        return self._known_files(source, selection)

    def _digest_of(self, mount: BindMount) -> Digest:
        spec = CopySpec(sources=(mount.path.lstrip("/") or ".",), destination="/mounted")
        selection = select(self._trees.context(mount.source), spec)
        return Digest(f"sha256:{self._known_files(mount.source, selection).digest.hex()}")

    def _known_files(self, source: Tree, selection: Selection) -> Files:
        """What is selected, with what is remembered of it if it is the client's."""
        if not isinstance(source, ContextTree):
            return files_of(selection)
        self.taken.append(selection)
        place = f"{self._place}\n{source.name}"
        if place not in self._lists:
            records = self._workshop.store.records
            self._lists[place] = ListCache.load(records.get(LISTS, place))
        return files_of(selection, lambda: self._hash_cache(place), self._lists[place])

    def _hash_cache(self, place: str) -> HashCache:
        if place not in self._hashes:
            self._hashes[place] = HashCache.load(self._workshop.store.records.get(HASHES, place))
        return self._hashes[place]
