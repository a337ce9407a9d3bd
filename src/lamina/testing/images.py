"""Images made of values, for tests: a few files for each layer, and the documents around them."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import BinaryIO, Literal

from lamina.errors import Invalid, NotFound
from lamina.image.edit import Assembly
from lamina.layer import whiteout
from lamina.layer.compress import Compressor
from lamina.layer.entry import DIR, FILE, SYMLINK, Entry
from lamina.layer.writer import TarWriter
from lamina.oci import media_type as types
from lamina.oci import platform as platforms
from lamina.oci.config import History, RunConfig
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import DiffID, Digest
from lamina.oci.manifest import Index
from lamina.values import dataclass, replace

Compression = Literal["none", "gzip", "zstd"]

_TIME = "1970-01-01T00:00:00Z"
_LAYERS = {
    "none": types.OCI_LAYER,
    "gzip": types.OCI_LAYER_GZIP,
    "zstd": types.OCI_LAYER_ZSTD,
}


@dataclass(frozen=True, slots=True)
class File:
    """A file that is more than its bytes."""

    data: bytes | str = b""
    mode: int = 0o644
    uid: int = 0
    gid: int = 0


@dataclass(frozen=True, slots=True)
class Symlink:
    """A symbolic link."""

    target: str


Content = bytes | str | File | Symlink | None
"""What is at a path: bytes or text are a file's, None deletes what lower layers have there."""


@dataclass(frozen=True, slots=True)
class Made:
    """An image, or an index of several; a place to read its content from (`oci.content.Fetcher`).

    `root` is the descriptor of its manifest or index. The same input makes the same bytes.
    """

    root: Descriptor
    content: Mapping[Digest, bytes]  # manifests, configs and layers
    documents: Mapping[Digest, str]  # media types of manifests and indexes, children first

    @property
    def digest(self) -> Digest:
        return self.root.digest

    @property
    def raw(self) -> bytes:
        """The manifest or index itself."""
        return self.content[self.root.digest]

    def open(self, descriptor: Descriptor) -> BinaryIO:
        found = self.content.get(descriptor.digest)
        if found is None:
            raise NotFound(f'"{descriptor.digest}" is not of this image')
        return io.BytesIO(found)


def image(
    *layers: Mapping[str, Content],
    config: RunConfig | None = None,
    platform: str = "linux/amd64",
    compression: Compression = "gzip",
    media_type: str = types.OCI_MANIFEST,
    annotations: Mapping[str, str] | None = None,
) -> Made:
    """An image of these layers, bottom first; each says what is at its paths.

    A path that ends in "/" is a directory; those above a path are made with it.
    """
    made = Assembly(platform=platforms.parse(platform), config=config or RunConfig(), created=_TIME)
    content: dict[Digest, bytes] = {}
    for number, files in enumerate(layers, 1):
        blob, diff_id = layer(files, compression=compression)
        digest = Digest.of(blob)
        content[digest] = blob
        pointer = Descriptor(_LAYERS[compression], digest, len(blob))
        made = made.append(pointer, diff_id, History(created=_TIME, created_by=f"layer {number}"))
    manifest, document = made.make(media_type=media_type, annotations=annotations)
    content[document.digest] = document.raw
    content[manifest.digest] = manifest.raw
    root = replace(manifest.descriptor(), platform=made.platform)
    return Made(root, content, {manifest.digest: manifest.media_type})


def index(
    images: Sequence[Made],
    *,
    media_type: str = types.OCI_INDEX,
    annotations: Mapping[str, str] | None = None,
) -> Made:
    """An index of images, as of one image for several platforms."""
    document = Index.make(
        tuple(one.root for one in images), media_type=media_type, annotations=annotations
    )
    content = {digest: data for one in images for digest, data in one.content.items()}
    documents = {digest: kind for one in images for digest, kind in one.documents.items()}
    return Made(
        document.descriptor(),
        {**content, document.digest: document.raw},
        {**documents, document.digest: document.media_type},
    )


def layer(
    files: Mapping[str, Content], *, compression: Compression = "gzip"
) -> tuple[bytes, DiffID]:
    """The blob of a layer, and its diff ID."""
    plain = io.BytesIO()
    tar = TarWriter(plain.write)
    for entry, data in _entries(files):
        tar.add(entry, data)
    tar.close()
    diff_id = DiffID(Digest.of(plain.getbuffer()))
    if compression == "none":
        return plain.getvalue(), diff_id
    packed = io.BytesIO()
    with Compressor(packed, compression) as compressor:
        compressor.write(plain.getbuffer())
    return packed.getvalue(), diff_id


def _entries(files: Mapping[str, Content]) -> list[tuple[Entry, bytes]]:
    """Every path with its data, and the directories above it, parents first."""
    found: dict[str, tuple[Entry, bytes]] = {}
    for name, content in files.items():
        path = name.strip("/")
        parts = path.split("/")
        if not path or not all(parts) or {".", ".."} & set(parts):
            raise Invalid(f'"{name}" is not a path in an image', hint='expected one like "/etc/x"')
        for depth in range(1, len(parts)):
            above = "/".join(parts[:depth])
            found.setdefault(above, (Entry(above, DIR, 0o755), b""))
        if name.endswith("/"):
            found[path] = (Entry(path, DIR, 0o755), b"")
        else:
            entry, data = _entry(path, content)
            found[entry.path] = (entry, data)
    return [found[path] for path in sorted(found)]


def _entry(path: str, content: Content) -> tuple[Entry, bytes]:
    if content is None:
        return Entry(whiteout.path_of(path)), b""
    if isinstance(content, Symlink):
        return Entry(path, SYMLINK, 0o777, link=content.target), b""
    file = content if isinstance(content, File) else File(content)
    data = file.data.encode() if isinstance(file.data, str) else file.data
    return Entry(path, FILE, file.mode, file.uid, file.gid, len(data)), data
