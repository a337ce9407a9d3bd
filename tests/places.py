"""Places of content in memory, and small images to put there."""

from __future__ import annotations

import gzip
import io
import tarfile
from typing import BinaryIO

from lamina.errors import Corrupt, NotFound
from lamina.image.edit import Assembly
from lamina.oci import media_type
from lamina.oci.config import History, RunConfig
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import DiffID, Digest
from lamina.oci.manifest import Index, Manifest
from lamina.oci.platform import Platform


class Memory:
    """Fetcher and Pusher."""

    def __init__(self) -> None:
        self.blobs: dict[Digest, bytes] = {}
        self.pushed: list[Digest] = []

    def open(self, descriptor: Descriptor) -> BinaryIO:
        if descriptor.digest not in self.blobs:
            raise NotFound(f'no blob "{descriptor.digest}"')
        return io.BytesIO(self.blobs[descriptor.digest])

    def has(self, digest: Digest) -> bool:
        return digest in self.blobs

    def push(self, descriptor: Descriptor, stream: BinaryIO) -> None:
        data = stream.read()
        if (Digest.of(data), len(data)) != (descriptor.digest, descriptor.size):
            raise Corrupt(f'"{descriptor.digest}" came as "{Digest.of(data)}"')
        self.blobs[descriptor.digest] = data
        self.pushed.append(descriptor.digest)

    def put(self, data: bytes, kind: str = media_type.OCI_LAYER) -> Descriptor:
        """Keep `data` as it is."""
        descriptor = Descriptor(kind, Digest.of(data), len(data))
        self.blobs[descriptor.digest] = data
        return descriptor


def tar(**files: bytes) -> bytes:
    """A plain tar of regular files, the same for the same files."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def image(
    place: Memory,
    *layers: bytes,
    platform: Platform | None = None,
    compress: bool = False,
    config: RunConfig | None = None,
) -> Descriptor:
    """An image of plain tars in `place`, with one instruction that changed no file in between."""
    made = Assembly(platform if platform is not None else Platform("linux", "amd64"))
    made = made.configure(config if config is not None else RunConfig(cmd=("sh",)))
    for at, plain in enumerate(layers):
        if at == 1:
            made = made.record(History("2026-01-01T00:00:00Z", "ENV A=b"))
        stored = gzip.compress(plain, mtime=0) if compress else plain
        kind = media_type.OCI_LAYER_GZIP if compress else media_type.OCI_LAYER
        layer = place.put(stored, kind)
        made = made.append(
            layer, DiffID(Digest.of(plain)), History("2026-01-01T00:00:00Z", f"COPY {at} /")
        )
    manifest, document = made.make()
    place.put(document.raw, media_type.OCI_CONFIG)
    return place.put(manifest.raw, manifest.media_type)


def index(place: Memory, *manifests: Descriptor) -> Descriptor:
    """An index of `manifests` in `place`."""
    made = Index.make(manifests)
    return place.put(made.raw, made.media_type)


def manifest(place: Memory, config: Descriptor, *layers: Descriptor) -> Descriptor:
    """A manifest that says what it is told to, true or not."""
    made = Manifest.make(config, layers)
    return place.put(made.raw, made.media_type)
