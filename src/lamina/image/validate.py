"""Every breach of an image at once: what it promises against what is there.

Reads everything below a descriptor once, in pieces; nothing is kept but documents.
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Iterator
from enum import StrEnum
from typing import BinaryIO, cast

from lamina.errors import Error, NotFound, Unsupported
from lamina.image import select
from lamina.image.fetch import CHUNK, read_at_most
from lamina.image.members import Rejoined
from lamina.oci import config as configs
from lamina.oci import document, media_type
from lamina.oci.config import ImageConfig
from lamina.oci.content import Fetcher
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import DiffID, Digest
from lamina.oci.manifest import Index, Manifest
from lamina.oci.manifest import parse as parse_manifest
from lamina.oci.platform import Platform, matches_strictly
from lamina.values import dataclass

_DEPTH_LIMIT = 8
_DOCUMENTS = media_type.MANIFESTS | media_type.INDEXES

# What each media type of a layer says about its compression.
_COMPRESSION = {
    media_type.OCI_LAYER: "none",
    media_type.OCI_LAYER_GZIP: "gzip",
    media_type.OCI_LAYER_ZSTD: "zstd",
    media_type.DOCKER_LAYER: "none",
    media_type.DOCKER_LAYER_GZIP: "gzip",
    media_type.DOCKER_LAYER_ZSTD: "zstd",
    media_type.DOCKER_FOREIGN_LAYER_GZIP: "gzip",
    "application/vnd.oci.image.layer.nondistributable.v1.tar": "none",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip": "gzip",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd": "zstd",
}


class Rule(StrEnum):
    """What is broken."""

    MISSING = "missing"  # a blob is not there
    SIZE = "size"  # a blob is shorter or longer than its descriptor says
    DIGEST = "digest"  # a blob has another digest than its descriptor says
    DOCUMENT = "document"  # a manifest, index or config is malformed
    MEDIA_TYPE = "media-type"  # content is not of the kind its descriptor says
    COMPRESSION = "compression"  # a layer cannot be decompressed
    DIFF_ID = "diff-id"  # a layer's plain tar has another digest than the config says
    COUNT = "count"  # manifest, config and history disagree on the number of layers
    PLATFORM = "platform"  # an index and a config disagree on the platform
    UNVERIFIABLE = "unverifiable"  # a digest algorithm or a compression not known here


@dataclass(frozen=True, slots=True)
class Breach:
    """One thing that is wrong, with the content it is wrong in."""

    rule: Rule
    digest: Digest
    message: str
    field: str = ""  # of a document, "" if it concerns the whole

    def __str__(self) -> str:
        return f"{self.digest}: {self.message}"


def validate(
    fetcher: Fetcher, descriptor: Descriptor, *, platform: Platform | None = None
) -> list[Breach]:
    """Every breach below `descriptor`, parents before children; none if all is well.

    Of an index, every image that can be read is checked, or only the one for `platform`.
    """
    return list(_Validator(fetcher, platform).check(descriptor, 0))


class _Validator:
    def __init__(self, fetcher: Fetcher, platform: Platform | None) -> None:
        self._fetcher = fetcher
        self._platform = platform
        self._seen: set[Digest] = set()

    def check(self, descriptor: Descriptor, depth: int) -> Iterator[Breach]:
        if descriptor.digest in self._seen:
            return
        self._seen.add(descriptor.digest)
        if descriptor.media_type not in _DOCUMENTS:
            yield from self._blob(descriptor, None)
            return
        raw = yield from self._document(descriptor, document.MANIFEST_LIMIT)
        if raw is None:
            return
        try:
            found = parse_manifest(raw, descriptor.media_type)
        except Error as error:
            yield _malformed(descriptor, error)
            return
        if isinstance(found, Manifest):
            yield from self._manifest(descriptor, found)
        elif depth >= _DEPTH_LIMIT:
            yield Breach(Rule.DOCUMENT, descriptor.digest, "indexes lie too deep in one another")
        else:
            yield from self._index(descriptor, found, depth)

    def _index(self, descriptor: Descriptor, index: Index, depth: int) -> Iterator[Breach]:
        children = index.manifests
        if self._platform is not None:
            try:
                children = (select.choose(self._fetcher, index, self._platform),)
            except Error as error:
                yield Breach(Rule.PLATFORM, descriptor.digest, str(error))
                return
        for child in children:
            yield from self.check(child, depth + 1)

    def _manifest(self, descriptor: Descriptor, manifest: Manifest) -> Iterator[Breach]:
        config: ImageConfig | None = None
        if manifest.is_image:
            raw = yield from self._document(manifest.config, document.CONFIG_LIMIT)
            if raw is not None:
                try:
                    config = configs.parse(raw)
                except Error as error:
                    yield _malformed(manifest.config, error)
        else:
            yield from self._blob(manifest.config, None)
        diff_ids: list[DiffID | None] = [None] * len(manifest.layers)
        if config is not None:
            yield from _joined(descriptor, manifest, config)
            diff_ids = [*config.diff_ids, *diff_ids]
        for layer, diff_id in zip(manifest.layers, diff_ids, strict=False):
            yield from _layer_type(layer, is_image=manifest.is_image)
            yield from self._blob(layer, diff_id)

    def _document(
        self, descriptor: Descriptor, limit: int
    ) -> Generator[Breach, None, bytes | None]:
        """The document's bytes, if they are there and fit to be parsed, whatever their digest."""
        if descriptor.size > limit:
            yield Breach(
                Rule.SIZE,
                descriptor.digest,
                f"is {descriptor.size} bytes long: expected a document of at most {limit}",
            )
            return None
        stream = yield from self._open(descriptor)
        if stream is None:
            return None
        with stream:
            source = _Measured(stream, descriptor)
            raw = read_at_most(cast(BinaryIO, source), limit + 1)
        yield from source.breaches()
        return raw

    def _blob(self, descriptor: Descriptor, diff_id: DiffID | None) -> Iterator[Breach]:
        stream = yield from self._open(descriptor)
        if stream is None:
            return
        with stream:
            source = _Measured(stream, descriptor)
            if diff_id is not None:
                yield from _check_diff_id(source, descriptor, diff_id)
            source.drain()
        yield from source.breaches()

    def _open(self, descriptor: Descriptor) -> Generator[Breach, None, BinaryIO | None]:
        try:
            return self._fetcher.open(descriptor)
        except NotFound:
            if not descriptor.urls:  # a layer with URLs may be fetched elsewhere
                yield Breach(Rule.MISSING, descriptor.digest, "is missing")
        except Error as error:
            yield Breach(Rule.DIGEST, descriptor.digest, str(error))
        return None


class _Measured:
    """A blob's stream that counts and hashes what is read of it."""

    def __init__(self, stream: BinaryIO, descriptor: Descriptor) -> None:
        self._stream = stream
        self._descriptor = descriptor
        self._size = 0
        try:
            self._hasher: hashlib._Hash | None = descriptor.digest.hasher()
        except Unsupported:
            self._hasher = None

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self._size += len(data)
        if self._hasher is not None:
            self._hasher.update(data)
        return data

    def readinto(self, buffer: bytearray | memoryview) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def drain(self) -> None:
        """Read to the end, or to where it is certainly too long."""
        while self._size <= self._descriptor.size and self.read(CHUNK):
            pass

    def breaches(self) -> Iterator[Breach]:
        """What is wrong with what has been read."""
        promised = self._descriptor
        if self._size != promised.size:
            longer = "at least " if self._size > promised.size else ""
            yield Breach(
                Rule.SIZE,
                promised.digest,
                f"is {longer}{self._size} bytes long: expected {promised.size}",
            )
        if self._hasher is None:
            algorithm = promised.digest.algorithm
            yield Breach(
                Rule.UNVERIFIABLE,
                promised.digest,
                f'digest algorithm "{algorithm}" is not supported',
            )
        elif Digest.done(self._hasher) != promised.digest:
            yield Breach(
                Rule.DIGEST, promised.digest, f'has the digest "{Digest.done(self._hasher)}"'
            )


def _check_diff_id(source: _Measured, descriptor: Descriptor, diff_id: DiffID) -> Iterator[Breach]:
    """Compare a layer's plain tar with its diff ID, and its compression with its media type."""
    from lamina.layer.compress import decompressed, sniff

    head = source.read(512)
    while len(head) < 512 and (more := source.read(512 - len(head))):
        head += more
    kind = sniff(head)
    promised = _COMPRESSION.get(descriptor.media_type)
    if promised is not None and kind != promised:
        yield Breach(
            Rule.MEDIA_TYPE,
            descriptor.digest,
            f'has compression "{kind}": its media type "{descriptor.media_type}" says "{promised}"',
        )
    hasher = diff_id.hasher()
    rejoined = cast(BinaryIO, Rejoined(head, cast(BinaryIO, source)))
    try:
        plain = rejoined if kind == "none" else decompressed(rejoined, kind)
        while part := plain.read(CHUNK):
            hasher.update(part)
    except Error as error:
        yield Breach(Rule.COMPRESSION, descriptor.digest, str(error))
        return
    if Digest.done(hasher) != diff_id:
        yield Breach(
            Rule.DIFF_ID,
            descriptor.digest,
            f'has the diff ID "{Digest.done(hasher)}": the config says "{diff_id}"',
        )


def _joined(descriptor: Descriptor, manifest: Manifest, config: ImageConfig) -> Iterator[Breach]:
    """Where a manifest, its config and the config's history do not fit together."""
    if len(manifest.layers) != len(config.diff_ids):
        yield Breach(
            Rule.COUNT,
            descriptor.digest,
            f"the manifest names {len(manifest.layers)} layers, the config"
            f" {len(config.diff_ids)} diff IDs",
            "layers",
        )
    made = sum(not entry.empty_layer for entry in config.history)
    if config.history and made != len(config.diff_ids):
        yield Breach(
            Rule.COUNT,
            config.digest,
            f"the history tells of {made} layers, the config of {len(config.diff_ids)} diff IDs",
            "history",
        )
    said = descriptor.platform
    if said is not None and not _agree(said, config.platform):
        yield Breach(
            Rule.PLATFORM,
            descriptor.digest,
            f'the index says platform "{said}", the config "{config.platform}"',
            "platform",
        )


def _agree(said: Platform, found: Platform) -> bool:
    """Whether an index tells the config's platform; it may tell a variant that the config omits."""
    if not found.variant:
        return (said.os, said.architecture) == (found.os, found.architecture)
    return matches_strictly(said, found)


def _layer_type(layer: Descriptor, *, is_image: bool) -> Iterator[Breach]:
    if is_image and layer.media_type not in _COMPRESSION:
        yield Breach(
            Rule.MEDIA_TYPE,
            layer.digest,
            f'has the media type "{layer.media_type}", which is no layer\'s',
            "mediaType",
        )


def _malformed(descriptor: Descriptor, error: Error) -> Breach:
    rule = Rule.UNVERIFIABLE if isinstance(error, Unsupported) else Rule.DOCUMENT
    field = error.field if isinstance(error, document.BadDocument) else ""
    if field == "mediaType":
        rule = Rule.MEDIA_TYPE
    return Breach(rule, descriptor.digest, str(error), field)
