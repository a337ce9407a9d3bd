"""One image to look into: the tree that its layers make, and the bytes of its files."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from lamina.engine import layers
from lamina.errors import Corrupt, Denied, NotFound
from lamina.image.stack import Effect, Node, Stack
from lamina.image.view import Image, Layer
from lamina.layer.content import PlainTar
from lamina.layer.entry import FILE, Entry
from lamina.oci import media_type as types
from lamina.store import Store

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from lamina.analysis import Difference, Package, Setting, Step, Waste
    from lamina.engine.engine import Engine
    from lamina.engine.places import Source
    from lamina.oci.content import Fetcher
    from lamina.oci.descriptor import Descriptor
    from lamina.oci.platform import Platform
    from lamina.remote.repository import Repository

_PLAIN = frozenset({types.OCI_LAYER, types.DOCKER_LAYER})


class Sight:
    """An image whose layers are read only when something in them is asked for.

    `entries` gives a layer's table of contents, `open_plain` its plain tar.
    """

    def __init__(
        self,
        image: Image,
        entries: Callable[[Layer], Sequence[Entry]],
        open_plain: Callable[[Layer], AbstractContextManager[BinaryIO]],
    ) -> None:
        self.image = image
        self._entries = entries
        self._open_plain = open_plain

    @cached_property
    def layers(self) -> list[Sequence[Entry]]:
        """The entries of every layer, the lowest first."""
        return [self._entries(layer) for layer in self.image.layers]

    @cached_property
    def _built(self) -> tuple[Stack, list[Effect]]:
        stack = Stack()
        return stack, [stack.push(entries) for entries in self.layers]

    @property
    def stack(self) -> Stack:
        """The finished tree."""
        return self._built[0]

    @property
    def effects(self) -> list[Effect]:
        """What each layer did, the lowest first."""
        return self._built[1]

    @cached_property
    def waste(self) -> Waste:
        """The bytes that are pulled and never seen."""
        from lamina import analysis

        return analysis.waste(self.stack)

    @cached_property
    def packages(self) -> list[Package]:
        """Installed packages of dpkg, apk and Python."""
        from lamina import analysis

        return analysis.packages(self.stack, self.read_whole)

    @property
    def dockerfile(self) -> str:
        """A Dockerfile that makes this image again, given its layers as tars."""
        from lamina import analysis

        return analysis.reconstruct(self.image)

    def blame(self, path: str) -> list[Step]:
        """What each layer did to `path`, the lowest first."""
        from lamina import analysis

        return analysis.blame(path.strip("/"), self.layers)

    def compare(self, other: Sight) -> list[Difference]:
        """By what files of `other` differ from those of this image."""
        from lamina import analysis

        return analysis.compare(self.stack, other.stack, is_same(self, other))

    def compare_settings(self, other: Sight) -> list[Setting]:
        """By what the config of `other` differs from that of this image."""
        from lamina import analysis

        return analysis.compare_settings(self.image.config, other.image.config)

    def _repr_html_(self) -> str:
        from lamina.analysis.pages import table

        rows = [
            (
                number,
                layer.history.created_by if layer.history is not None else "",
                layer.descriptor.size,
                len(effect.added),
                len(effect.changed),
                len(effect.deleted),
            )
            for number, (layer, effect) in enumerate(
                zip(self.image.layers, self.effects, strict=True), 1
            )
        ]
        headers = ("layer", "instruction", "bytes", "added", "changed", "deleted")
        return table(headers, rows) + self.waste._repr_html_()

    def find(self, path: str) -> Node:
        """The file that `path` leads to, links followed; NotFound unless it is one."""
        found = self.stack.nodes.get(self.stack.resolve(path))
        if found is None or found.source.entry.type is not FILE:
            kind = found.entry.type if found is not None else "dir"
            raise NotFound(f'"{path}" is a {kind}, and not a file')
        return found.source

    def read(self, node: Node) -> Iterator[bytes]:
        """The bytes of a file, in pieces."""
        with self._open_plain(self.image.layers[node.layer - 1]) as stream:
            yield from PlainTar(stream).read(node.entry)

    def read_whole(self, node: Node, limit: int = 1 << 28) -> bytes:
        """The bytes of a file of at most `limit` bytes; NotFound if it is larger."""
        if node.entry.size > limit:
            raise NotFound(f'"{node.entry.path}" has {node.entry.size} bytes: too many to look at')
        return b"".join(self.read(node))


def local(store: Store, image: Image) -> Sight:
    """An image of the store."""
    return Sight(
        image,
        lambda layer: layers.entries(store, layer),
        lambda layer: _open_plain(store, layer),
    )


@contextmanager
def _open_plain(store: Store, layer: Layer) -> Iterator[BinaryIO]:
    from lamina.layer.compress import decompressed, sniff

    with store.blobs.open(layer.descriptor) as stream:
        kind = sniff(stream.read(512))
        stream.seek(0)
        if kind == "none":
            yield stream
        else:
            with decompressed(stream, kind) as plain:
                yield plain


def anywhere(engine: Engine, text: str, platform: Platform | None, stack: ExitStack) -> Sight:
    """An image of the store, or wherever `text` says, as `copy` spells places.

    What must be closed afterwards is in `stack`. NotFound.
    """
    from lamina.engine import places
    from lamina.image import view

    if not places.is_spelled_out(text):
        return local(engine.store, engine.image(text, platform)[1])
    place = places.parse(text)
    if place.kind is places.Kind.LOCAL:
        return local(engine.store, engine.image(place.text, platform)[1])
    source = places.opened(engine, place, stack)
    image = view.load(source.fetcher, source.root, platform=platform or engine.asked_platform)
    return Sight(
        image,
        lambda layer: _entries(engine, source.fetcher, layer),
        lambda layer: _plain_elsewhere(source, layer),
    )


def _entries(engine: Engine, fetcher: Fetcher, layer: Layer) -> Sequence[Entry]:
    """A layer's contents: known here by its diff ID, or read once, and then known."""
    from lamina.layer import index
    from lamina.transfer.tarball import learn

    known = None if engine.is_empty else engine.store.indexes.get(layer.diff_id)
    if known is not None:
        try:
            return index.decode(known)
        except Corrupt:
            pass  # of an older form, or damaged: the layer itself has the truth
    with fetcher.open(layer.descriptor) as stream:
        learnt = learn(stream)
    layers.check(layer.diff_id, learnt.diff_id, layer.descriptor)
    if not engine.is_empty:
        try:
            engine.store.indexes.put(layer.diff_id, index.encode(learnt.entries))
        except Denied:
            pass  # looking with somebody else's store is fine, only slower
    return learnt.entries


@contextmanager
def _plain_elsewhere(source: Source, layer: Layer) -> Iterator[BinaryIO]:
    """A layer's plain tar where it is; of a registry only the parts that are asked for."""
    from lamina.layer.compress import decompressed

    if source.repository is not None and layer.descriptor.media_type in _PLAIN:
        with Ranges(source.repository, layer.descriptor) as parts:
            yield io.BufferedReader(parts, 1 << 16)
        return
    with source.fetcher.open(layer.descriptor) as stream:
        with decompressed(stream) as plain:
            yield plain


class Ranges(io.RawIOBase):
    """A blob of a registry as a file: a seek asks for the part from there (RFC 9110, Range)."""

    def __init__(self, repository: Repository, descriptor: Descriptor) -> None:
        self._repository = repository
        self._descriptor = descriptor
        self._at = 0
        self._stream: BinaryIO | None = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._descriptor.size}
        at = start[whence] + offset
        if at != self._at:
            self._let_go()
            self._at = at
        return at

    def readinto(self, buffer: Buffer) -> int:
        view = memoryview(buffer).cast("B")
        if self._at >= self._descriptor.size:
            return 0
        if self._stream is None:
            self._stream = self._repository.download(self._descriptor, self._at)
        data = self._stream.read(len(view))
        view[: len(data)] = data
        self._at += len(data)
        return len(data)

    def close(self) -> None:
        self._let_go()
        super().close()

    def _let_go(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None


def is_same(one: Sight, two: Sight) -> Callable[[Node, Node], bool]:
    """Whether two files of these images hold the same bytes, by reading them."""

    def same(old: Node, new: Node) -> bool:
        return _digest(one, old) == _digest(two, new)

    return same


def _digest(sight: Sight, node: Node) -> str:
    from hashlib import sha256

    hasher = sha256()
    for piece in sight.read(node):
        hasher.update(piece)
    return hasher.hexdigest()


def split(text: str) -> tuple[str, str]:
    """An image and a path in it, of "image:/path"; the path is "/" where there is none.

    What says where the image is ("docker://", "oci:/directory") is not taken for its end.
    """
    from lamina.engine import places

    if places.is_spelled_out(text):
        head, colon, rest = text.partition(":")
        start = "//" if rest.startswith("//") else "/" if rest.startswith("/") else ""
        inner, _, path = rest[len(start) :].partition(":/")
        return f"{head}{colon}{start}{inner}", f"/{path}"
    image, colon, path = text.partition(":/")
    return image, f"/{path}" if colon else "/"


def analyze(image: str, *, root: Path | str = "/var/lib/lamina") -> Sight:
    """The image that `image` names in the store at `root`, to look into; NotFound."""
    from lamina.engine.engine import Engine, Settings

    return Engine(Settings(root=Path(root))).analyze(image)
