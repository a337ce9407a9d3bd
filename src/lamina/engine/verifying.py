"""Proves that a mended Dockerfile makes the same image, and measures what it gains."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

from lamina.build.events import Event, Finished, Listener
from lamina.build.foresee import reads
from lamina.build.outputs import Output
from lamina.engine import building, history, sight
from lamina.engine.spool import spooled
from lamina.errors import Invalid
from lamina.image import view
from lamina.lint.dependencies import is_list
from lamina.values import dataclass, replace

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from lamina.analysis import Difference, Setting
    from lamina.build import Built
    from lamina.build.cache import Made
    from lamina.dockerfile.ignore import Ignore
    from lamina.engine.building import BuildRequest
    from lamina.engine.engine import Engine


@dataclass(frozen=True, slots=True)
class Cost:
    """What one text costs."""

    size: int  # bytes of all layers, before compression
    push: int | None = None  # compressed bytes of layers that a changed source makes anew
    seconds: float | None = None  # of the steps that it makes anew


@dataclass(frozen=True, slots=True)
class Verdict:
    """Two texts beside each other."""

    paths: int  # that were compared
    files: tuple[Difference, ...]  # real ones
    settings: tuple[Setting, ...]
    volatile: tuple[tuple[Difference, str], ...]  # with the reason why they do not count
    before: Cost
    after: Cost
    touched: str | None = None  # the source file that was changed to measure

    @property
    def is_same(self) -> bool:
        """Whether whoever runs the images sees the same."""
        return not self.files and not self.settings


def verify(
    engine: Engine,
    request: BuildRequest,
    texts: tuple[bytes, bytes],
    listen: Listener = lambda event: None,
) -> Verdict:
    """Build both texts with the context of `request`, and compare what they make.

    If that is the same, a source file is changed in a copy of the context, and both are built once
    more. Nothing is kept but the cache of their steps. StepFailed if one cannot be built.
    """
    from lamina.analysis import volatile

    if request.directory is None:
        raise Invalid("only a build whose context is a directory can be verified")
    asked = replace(
        request, names=(), outputs=(Output("cacheonly"),), is_trial=True, record_reads=False
    )
    with engine.store.lease("verify"), ExitStack() as stack:
        trials = [_Trial(engine, replace(asked, text=text), listen) for text in texts]
        before, after = (trial.sight() for trial in trials)
        files, passing = volatile.sorted_out(before.compare(after))
        settings = before.compare_settings(after)
        costs = [Cost(sum(layer.descriptor.size for layer in trial.layers)) for trial in trials]
        touched = _source(engine, trials[0].request) if not files and not settings else None
        if touched is not None:
            copy = Path(stack.enter_context(spooled(f"{engine.directory}/build")), "context")
            changed = _changed(asked, touched, copy)
            again = [_Trial(engine, replace(changed, text=text), listen) for text in texts]
            costs = [
                replace(cost, push=_compressed(engine, new.beside(old)), seconds=new.seconds)
                for cost, old, new in zip(costs, trials, again, strict=True)
            ]
        count = len(before.stack.nodes.keys() | after.stack.nodes.keys())
    return Verdict(
        count, tuple(files), tuple(settings), tuple(passing), costs[0], costs[1], touched
    )


class _Trial:
    """One text, built."""

    def __init__(self, engine: Engine, request: BuildRequest, listen: Listener) -> None:
        import io

        self._engine = engine
        self.request = request
        self.seconds = 0.0  # of the steps that were not cached
        self._listen = listen
        self._built: Built = building.run(engine, request, self._hear, io.BytesIO())

    def _hear(self, event: Event) -> None:
        if isinstance(event, Finished) and event.made is not None and not event.cached:
            self.seconds += event.made.seconds
        self._listen(event)

    @property
    def layers(self) -> tuple[Made, ...]:
        return self._built.layers

    def sight(self) -> sight.Sight:
        """What was made, to look into."""
        blobs = self._engine.store.blobs
        image = view.load(blobs, self._built.descriptor, platform=self._built.config.platform)
        return sight.local(self._engine.store, image)

    def beside(self, old: _Trial) -> list[Made]:
        """The layers that the other one has not."""
        known = {layer.diff_id for layer in old.layers}
        return [layer for layer in self.layers if layer.diff_id not in known]


def _compressed(engine: Engine, layers: Iterable[Made]) -> int:
    """The bytes of layers as a push sends them."""
    from lamina.layer.compress import Compressor, decompressed

    class Count:
        total = 0

        def write(self, data: bytes, /) -> None:
            self.total += len(data)

    count = Count()
    for layer in layers:
        with engine.store.blobs.open(layer.descriptor) as stored, decompressed(stored) as stream:
            with Compressor(count, "gzip") as out:
                while data := stream.read(1 << 20):
                    out.write(data)
    return count.total


# -- a changed source ----------------------------------------------------------------------


def _source(engine: Engine, request: BuildRequest) -> str | None:
    """A file whose change is typical: the one that most commits change, or else any source.

    Lists of dependencies are none, nor is what looks binary. None if no step reads any.
    """
    assert request.directory is not None
    directory = Path(request.directory)
    graph, contexts, _ = building.planned(engine, request)
    taken = reads(graph, contexts)
    files = {path for one in taken.values() for path in one.files}
    commits = history.changes(directory) or []
    often = Counter(path for paths in commits for path in paths)
    for path in sorted(files, key=lambda path: (-often[path], _rank(path), path)):
        if not is_list(path) and _is_text(directory / path):
            return path
    return None


def _rank(path: str) -> int:
    """Sources before what is hidden or stands beside them."""
    name = path.rpartition("/")[2]
    return int(name.startswith(".") or path.startswith(".") or "." not in name) + (
        name.endswith((".md", ".txt", "file", ".lock"))
    )


def _is_text(path: Path) -> bool:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    with open(fd, "rb") as stream:
        return stat.S_ISREG(os.fstat(fd).st_mode) and b"\0" not in stream.read(8192)


def _changed(request: BuildRequest, path: str, copy: Path) -> BuildRequest:
    """The same build with a copy of its context, in which one file has a line more."""
    import shutil

    assert request.directory is not None
    root = Path(request.directory).resolve()
    ignored = building.context_of(request).ignore
    shutil.copytree(root, copy, symlinks=True, ignore=_Left(root, ignored))
    with open(copy / path, "ab") as stream:
        stream.write(b"\n")
    file = request.dockerfile
    if isinstance(file, str | Path) and (real := Path(file).resolve()).is_relative_to(root):
        file = copy / real.relative_to(root)
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.exists():
            file.write_bytes(request.text or b"")
    return replace(request, context=copy, dockerfile=file)


class _Left:
    """What a copy of a context does without: sockets, devices, and a history that is ignored."""

    def __init__(self, root: Path, ignored: Ignore | None) -> None:
        self._root = root
        self._has_history = ignored is None or not ignored.ignores(".git")

    def __call__(self, directory: str, names: list[str]) -> list[str]:
        found = []
        for name in names:
            mode = os.lstat(os.path.join(directory, name)).st_mode
            is_known = stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISLNK(mode)
            is_history = name == ".git" and Path(directory) == self._root
            if not is_known or (is_history and not self._has_history):
                found.append(name)
        return found
