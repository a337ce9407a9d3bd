"""Images to look into where they are: in a registry, a layout or an archive, nothing kept here."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, BinaryIO

from lamina.engine import layers
from lamina.engine.layers import Sizes
from lamina.engine.sight import Sight, local, read_digested
from lamina.errors import Corrupt, Denied
from lamina.image.view import Layer
from lamina.layer.entry import Entry
from lamina.oci import media_type as types

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from lamina.engine.engine import Engine
    from lamina.engine.places import Source
    from lamina.oci.descriptor import Descriptor
    from lamina.oci.digest import DiffID
    from lamina.oci.platform import Platform
    from lamina.remote.repository import Repository
    from lamina.transfer.tarball import Learnt


def anywhere(engine: Engine, text: str, platform: Platform | None, stack: ExitStack) -> Sight:
    """An image of the store, or wherever `text` says, as `copy` spells places.

    What must be closed afterwards is in `stack`. NotFound.
    """
    from lamina.engine import places
    from lamina.image import view

    place = places.parse(text) if places.is_spelled_out(text) else None
    if place is None or place.kind is places.Kind.LOCAL:
        image = engine.image(text if place is None else place.text, platform)[1]
        return local(engine.store, image)  # which is not made to look into, where there is none
    source = places.opened(engine, place, stack)
    image = view.load(source.fetcher, source.root, platform=platform or engine.asked_platform)
    return Sight(image, _There(engine, source))


class _There:
    """Layers where they are. What was once read of one is known here by its diff ID."""

    def __init__(self, engine: Engine, source: Source) -> None:
        self._engine = engine
        self._source = source
        self._read: dict[DiffID, Learnt] = {}  # in this process

    def entries(self, layer: Layer) -> Sequence[Entry]:
        known = self._known(layer)
        return known if known is not None else self._learnt(layer).entries

    def sizes(self, layer: Layer) -> Sizes | None:
        learnt = self._read.get(layer.diff_id)
        if learnt is None:
            plain = self._known_size(layer)
            known = self._known(layer) if plain is not None else None
            if plain is not None and known is not None:
                return Sizes.of(plain, known)
            if self._source.repository is not None:
                return None
            learnt = self._learnt(layer)
        return Sizes.of(learnt.plain_size, learnt.entries)

    def digested(self, layer: Layer) -> Iterable[Entry]:
        return read_digested(self, layer)

    @contextmanager
    def plain(self, layer: Layer) -> Iterator[BinaryIO]:
        """A layer's plain tar; of a registry only the parts that are asked for."""
        from lamina.layer.compress import decompressed

        repository = self._source.repository
        if repository is not None and layer.descriptor.media_type in types.PLAIN:
            with Ranges(repository, layer.descriptor) as parts:
                yield io.BufferedReader(parts, 1 << 16)
            return
        with self._source.fetcher.open(layer.descriptor) as stream:
            with decompressed(stream) as plain:
                yield plain

    def _known(self, layer: Layer) -> Sequence[Entry] | None:
        from lamina.layer import index

        learnt = self._read.get(layer.diff_id)
        if learnt is not None:
            return learnt.entries
        known = None if self._engine.is_empty else self._engine.store.indexes.get(layer.diff_id)
        if known is not None:
            try:
                return index.decode(known)
            except Corrupt:
                pass  # of an older form, or damaged: the layer itself has the truth
        return None

    def _known_size(self, layer: Layer) -> int | None:
        if layer.descriptor.media_type in types.PLAIN:
            return layer.descriptor.size
        return None if self._engine.is_empty else layers.plain_size(self._engine.store, layer)

    def _learnt(self, layer: Layer) -> Learnt:
        """Read a layer from end to end, and keep what is in it where there is a store."""
        from lamina.transfer.tarball import learn

        with self._source.fetcher.open(layer.descriptor) as stream:
            learnt = learn(stream)
        layers.check(layer.diff_id, learnt.diff_id, layer.descriptor)
        self._read[layer.diff_id] = learnt
        if not self._engine.is_empty:
            store, size = self._engine.store, learnt.plain_size
            try:
                layers.keep(store, learnt.digest, layer.diff_id, learnt.entries, size)
            except Denied:
                pass  # looking with somebody else's store is fine, only slower
        return learnt


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
