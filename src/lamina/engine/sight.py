"""One image to look into: the tree that its layers make, and the bytes of its files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol

from lamina.engine import layers
from lamina.engine.layers import Sizes
from lamina.errors import NotFound
from lamina.image.stack import Effect, Node, Stack
from lamina.image.view import Image, Layer, Row
from lamina.layer.content import PlainTar
from lamina.layer.contents import read_index
from lamina.layer.entry import FILE, Entry
from lamina.oci.digest import Digest
from lamina.store import Store
from lamina.values import dataclass

if TYPE_CHECKING:
    from lamina.analysis import Difference, Package, Setting, Step, Waste
    from lamina.serve.web.shelf import Sight as Readable


class Reach(Protocol):
    """How the layers of an image are read, wherever they are."""

    def entries(self, layer: Layer) -> Sequence[Entry]:
        """What is in a layer, entry by entry; NotFound, Corrupt."""
        ...

    def sizes(self, layer: Layer) -> Sizes | None:
        """How large a layer is; None where that costs the layer's download, which is not made."""
        ...

    def digested(self, layer: Layer) -> Iterable[Entry]:
        """As `entries`, with the digests of files, which may take reading the layer."""
        ...

    def plain(self, layer: Layer) -> AbstractContextManager[BinaryIO]:
        """A layer's plain tar, which can seek."""
        ...


@dataclass(frozen=True, slots=True)
class LayerView:
    """A layer, and what it does to the tree below it; None where that is not known."""

    number: int  # 1 is the lowest
    layer: Layer
    sizes: Sizes | None
    effect: Effect | None


class Sight:
    """An image whose layers are read only when something in them is asked for."""

    def __init__(self, image: Image, reach: Reach) -> None:
        self.image = image
        self._reach = reach
        self._digests: dict[int, dict[int, Digest]] = {}  # layer -> offset -> digest

    @cached_property
    def layers(self) -> list[Sequence[Entry]]:
        """The entries of every layer, the lowest first."""
        return [self._reach.entries(layer) for layer in self.image.layers]

    def entries(self, number: int) -> Sequence[Entry]:
        """The entries of one layer, 1 being the lowest; NotFound if there is none."""
        count = len(self.image.layers)
        if not 1 <= number <= count:
            hint = f"the image has layers 1 to {count}" if count else "the image has no layers"
            raise NotFound(f"there is no layer {number}", hint=hint)
        if "layers" in self.__dict__:  # all were read
            return self.layers[number - 1]
        return self._reach.entries(self.image.layers[number - 1])

    def views(self, *, whole: bool = False) -> list[LayerView]:
        """Each layer, the lowest first, and as far as that is known what it does.

        `whole` reads for it what must be downloaded.
        """
        if whole:
            _ = self.layers
        found = []
        stack: Stack | None = Stack()
        for number, layer in enumerate(self.image.layers, 1):
            sizes = self._reach.sizes(layer)
            if sizes is None:
                stack = None  # what lies above it changes a tree that nobody has seen
            effect = stack.push(self.entries(number)) if stack is not None else None
            found.append(LayerView(number, layer, sizes, effect))
        return found

    @property
    def rows(self) -> list[tuple[Row, Sizes | None]]:
        """The history, newest first, with the sizes of the layer that each instruction made.

        None where there is no layer, or where its sizes cannot be known without a download.
        """
        return [
            (row, self._reach.sizes(row.layer) if row.layer is not None else None)
            for row in reversed(self.image.rows)
        ]

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
        with self._reach.plain(self.image.layers[node.layer - 1]) as stream:
            yield from PlainTar(stream).read(node.entry)

    def digest(self, node: Node) -> Digest:
        """Of a file's bytes; a layer that does not know those of its files is read once for all."""
        if node.entry.digest is not None:
            return node.entry.digest
        found = self._digests_of(node.layer).get(node.entry.offset)
        if found is None:  # of a file with holes
            hasher = sha256()
            for piece in self.read(node):
                hasher.update(piece)
            found = self._digests[node.layer][node.entry.offset] = Digest.done(hasher)
        return found

    def learn_digests(self, number: int, entries: Iterable[Entry] | None = None) -> None:
        """Give the entries of one layer, or `entries` of it, the digests of their files."""
        for entry in self.layers[number - 1] if entries is None else entries:
            if entry.type is FILE and entry.digest is None:
                entry.digest = self._digests_of(number).get(entry.offset)

    def _digests_of(self, number: int) -> dict[int, Digest]:
        known = self._digests.get(number)
        if known is None:
            known = self._digests[number] = {
                entry.offset: entry.digest
                for entry in self._reach.digested(self.image.layers[number - 1])
                if entry.digest is not None
            }
        return known

    def read_whole(self, node: Node, limit: int = 1 << 28) -> bytes:
        """The bytes of a file of at most `limit` bytes; NotFound if it is larger."""
        if node.entry.size > limit:
            raise NotFound(f'"{node.entry.path}" has {node.entry.size} bytes: too many to look at')
        return b"".join(self.read(node))


def local(store: Store, image: Image) -> Sight:
    """An image of the store."""
    return Sight(image, _Here(store))


class _Here:
    """Layers of the store, of which everything is known once it was asked for."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def entries(self, layer: Layer) -> Sequence[Entry]:
        return layers.entries(self._store, layer)

    def sizes(self, layer: Layer) -> Sizes:
        return layers.sizes(self._store, layer)

    def digested(self, layer: Layer) -> Iterable[Entry]:
        return layers.digested(self._store, layer)

    @contextmanager
    def plain(self, layer: Layer) -> Iterator[BinaryIO]:
        with self._store.blobs.open(layer.descriptor) as stream, plain(stream) as found:
            yield found


def read_digested(reach: Reach, layer: Layer) -> Iterable[Entry]:
    """`Reach.digested` where there is no shorter way than reading the layer."""
    with reach.plain(layer) as stream:
        return read_index(stream)


@contextmanager
def plain(stream: BinaryIO) -> Iterator[BinaryIO]:
    """The plain tar in a layer's blob, which can seek."""
    from lamina.layer.compress import decompressed, sniff

    kind = sniff(stream.read(512))
    stream.seek(0)
    if kind == "none":
        yield stream
    else:
        with decompressed(stream, kind) as found:
            yield found


def is_same(one: Readable, two: Readable) -> Callable[[Node, Node], bool]:
    """Whether two files of these images hold the same bytes; of one layer's, without reading."""

    def same(old: Node, new: Node) -> bool:
        blobs = one.image.layers[old.layer - 1], two.image.layers[new.layer - 1]
        if blobs[0].diff_id == blobs[1].diff_id and old.entry.offset == new.entry.offset:
            return True
        return one.digest(old) == two.digest(new)

    return same


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
