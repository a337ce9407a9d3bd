"""Writing images into one file or one directory for other tools: the same images, the same bytes.

The tar is an OCI image layout; with manifest.json in it, it is what `docker save` writes too, so
that `docker load`, podman and skopeo of any age read it. Layers go out as they are stored.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from lamina.errors import Invalid, NotFound
from lamina.image import graph, view
from lamina.image.fetch import CHUNK, WrongDigest, WrongSize
from lamina.image.view import Image
from lamina.oci import document, reference
from lamina.oci.content import Fetcher
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest
from lamina.oci.manifest import Index
from lamina.oci.platform import Platform
from lamina.oci.reference import Reference
from lamina.values import dataclass, replace

Images = Iterable[tuple[Descriptor, Sequence[str]]]  # what to write, and its references or :tags

_LAYOUT = b'{"imageLayoutVersion":"1.0.0"}'
_BLOCK = 512  # bytes
_REF_NAME = "org.opencontainers.image.ref.name"
_IMAGE_NAME = "io.containerd.image.name"


class Sink(Protocol):
    """Where an archive goes; it need not be seekable."""

    def write(self, data: bytes, /) -> object: ...


def write_oci_archive(fetcher: Fetcher, images: Images, out: Sink) -> None:
    """Write an OCI image layout as a tar; NotFound or Corrupt if a blob is not as it should be.

    Of an index, the images that are there are written.
    """
    chosen = list(images)
    _write_tar(fetcher, _blobs(fetcher, chosen), {"index.json": _index(chosen)}, out)


def write_docker_archive(
    fetcher: Fetcher, images: Images, out: Sink, *, platform: Platform | None = None
) -> None:
    """Write what `docker save` writes: a layout with a manifest.json beside its index.

    manifest.json can name one platform only: `platform`, or this host's.
    """
    chosen = list(images)
    entries: list[dict[str, object]] = []
    for descriptor, names in chosen:
        image = view.load(fetcher, descriptor, platform=platform)
        entries.append(
            _docker_entry(image, [reference.parse(name) for name in names if name[:1] != ":"])
        )
    documents = {"index.json": _index(chosen), "manifest.json": document.dump_array(entries)}
    _write_tar(fetcher, _blobs(fetcher, chosen), documents, out)


def write_oci_dir(fetcher: Fetcher, images: Images, path: str | os.PathLike[str]) -> None:
    """Write images into an OCI image layout directory, made if it is not there.

    Images that the layout has already stay; an image of the same name is replaced.
    index.json is written last and at once, so that a reader never sees a part.
    """
    from lamina.fs import atomic

    root = os.fspath(path)
    chosen = list(images)
    kept = _kept(root, list(_entries(chosen)))
    os.makedirs(os.path.join(root, "blobs"), exist_ok=True)
    for descriptor in _blobs(fetcher, chosen):
        _write_blob(fetcher, descriptor, root)
    atomic.write(os.path.join(root, "oci-layout"), _LAYOUT)
    atomic.write(os.path.join(root, "index.json"), Index.make((*kept, *_entries(chosen))).raw)


def _kept(root: str, new: list[Descriptor]) -> tuple[Descriptor, ...]:
    """The entries of the layout that is there already, but for those that `new` ones replace."""
    from lamina.image.archive import read_layout
    from lamina.image.members import DirectoryMembers

    members = DirectoryMembers(root)
    if not members.has("index.json"):
        if os.path.isdir(root) and os.listdir(root):
            raise Invalid(
                f'"{root}" is not empty and no OCI image layout', hint="name a directory to be made"
            )
        return ()
    names = {_known_as(one) for one in new} - {None}
    digests = {one.digest for one in new if _known_as(one) is None}
    return tuple(
        one
        for one in read_layout(members).manifests
        if _known_as(one) not in names and (_known_as(one) or one.digest not in digests)
    )


def _known_as(entry: Descriptor) -> str | None:
    return entry.annotations.get(_IMAGE_NAME) or entry.annotations.get(_REF_NAME)


def _blobs(fetcher: Fetcher, images: Images) -> list[Descriptor]:
    """Everything that the images need, each digest once, in the order of digests."""
    found: dict[Digest, Descriptor] = {}
    for descriptor, _ in images:
        for one in graph.walk(fetcher, descriptor, sparse=True):
            # A layer with URLs may be fetched elsewhere, so it need not be here.
            if one.digest not in found and (not one.urls or _is_there(fetcher, one)):
                found[one.digest] = one
    return [found[digest] for digest in sorted(found)]


def _index(images: Images) -> bytes:
    return Index.make(tuple(_entries(images))).raw


def _entries(images: Images) -> Iterator[Descriptor]:
    """One entry of index.json for each name, or one without."""
    for descriptor, names in images:
        bare = replace(descriptor, annotations={})
        for name in names:
            if name.startswith(":"):  # a tag alone: what a layout calls an image without a name
                yield replace(bare, annotations={_REF_NAME: name[1:]})
                continue
            full = str(reference.parse(name).with_default_tag())
            yield replace(bare, annotations={_IMAGE_NAME: full, _REF_NAME: _label(name)})
        if not names:
            yield bare


def _label(name: str) -> str:
    """What a layout calls the image: its tag, as Docker and BuildKit do (image-layout.md)."""
    found = reference.parse(name).with_default_tag()
    return found.tag if found.tag is not None else str(found.digest)


def _docker_entry(image: Image, names: list[Reference]) -> dict[str, object]:
    tagged = [name.with_default_tag() for name in names]
    return {
        "Config": _name(image.id),
        "RepoTags": [replace(name, digest=None).familiar() for name in tagged if name.tag] or None,
        "Layers": [_name(layer.descriptor.digest) for layer in image.layers],
    }


def _name(digest: Digest) -> str:
    return f"blobs/{digest.algorithm}/{digest.encoded}"


# --- blobs


@dataclass(slots=True)
class _Checked:
    """A blob's bytes in pieces; at the end, WrongSize or WrongDigest if they are not the blob."""

    fetcher: Fetcher
    descriptor: Descriptor

    def __iter__(self) -> Iterator[bytes]:
        hasher, left = self.descriptor.digest.hasher(), self.descriptor.size
        with self.fetcher.open(self.descriptor) as stream:
            while part := stream.read(CHUNK):
                left -= len(part)
                if left < 0:
                    break
                hasher.update(part)
                yield part
        if left:
            raise WrongSize(
                f'"{self.descriptor.digest}" is not {self.descriptor.size} bytes long',
                hint="fetch or build it again",
            )
        if Digest.done(hasher) != self.descriptor.digest:
            raise WrongDigest(
                f'"{self.descriptor.digest}" has the digest "{Digest.done(hasher)}"',
                hint="fetch or build it again",
            )


def _write_blob(fetcher: Fetcher, descriptor: Descriptor, root: str) -> None:
    path = os.path.join(root, _name(descriptor.digest))
    if os.path.exists(path) and os.path.getsize(path) == descriptor.size:
        return
    os.makedirs(os.path.dirname(path), exist_ok=True)
    aside = f"{path}.{os.getpid()}.aside"
    try:
        with open(aside, "wb") as stream:
            for part in _Checked(fetcher, descriptor):
                stream.write(part)
        os.rename(aside, path)
    finally:
        if os.path.lexists(aside):
            os.unlink(aside)


# --- tar


def _write_tar(
    fetcher: Fetcher, blobs: Sequence[Descriptor], documents: dict[str, bytes], out: Sink
) -> None:
    """Directories, blobs by digest, then the documents by name: nothing of this host or hour."""
    algorithms = sorted({descriptor.digest.algorithm for descriptor in blobs})
    for name in ("blobs/", *(f"blobs/{algorithm}/" for algorithm in algorithms)):
        out.write(_header(name, 0))
    for descriptor in blobs:
        out.write(_header(_name(descriptor.digest), descriptor.size))
        for part in _Checked(fetcher, descriptor):
            out.write(part)
        out.write(bytes(-descriptor.size % _BLOCK))
    for name, raw in sorted({**documents, "oci-layout": _LAYOUT}.items()):
        out.write(_header(name, len(raw)) + raw + bytes(-len(raw) % _BLOCK))
    out.write(bytes(2 * _BLOCK))


def _is_there(fetcher: Fetcher, descriptor: Descriptor) -> bool:
    """Whether a layer that may be fetched elsewhere by its URLs is here all the same."""
    try:
        fetcher.open(descriptor).close()
    except NotFound:
        return False
    return True


def _header(name: str, size: int) -> bytes:
    """One ustar header, with GNU's binary size where octal digits do not reach."""
    is_directory = name.endswith("/")
    digits = f"{size:011o}\0".encode()
    if size >= 8 << 30:
        digits = b"\x80" + size.to_bytes(11, "big")
    fields = [
        name.encode().ljust(100, b"\0"),
        b"0000755\0" if is_directory else b"0000644\0",
        b"0000000\0" * 2,  # owner, group
        digits,
        b"00000000000\0",  # time
        b" " * 8,  # checksum, as it counts in its own sum
        b"5" if is_directory else b"0",
        bytes(100),
        b"ustar\x0000",
    ]
    header = b"".join(fields).ljust(_BLOCK, b"\0")
    return header[:148] + f"{sum(header):06o}\0 ".encode() + header[156:]
