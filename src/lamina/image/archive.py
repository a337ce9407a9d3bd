"""Image archives: what `docker save`, BuildKit, podman, skopeo and kaniko write into one file.

    oci-archive          an OCI image layout in a tar: oci-layout, index.json, blobs/sha256/…
    docker-archive       manifest.json, one config and some layers per image, in any place
    docker+oci-archive   both at once over the same blobs, as Docker writes since 25
    docker-v1-archive    repositories and <id>/{json,layer.tar}, as Docker wrote before 1.10

Any of them may be compressed as a whole. A layout may also be a directory.
"""

from __future__ import annotations

import io
import os
from enum import StrEnum
from typing import BinaryIO

from lamina.errors import Invalid, NotFound
from lamina.image import docker_archive, graph
from lamina.image.export import write_docker_archive, write_oci_archive, write_oci_dir
from lamina.image.members import BadImageArchive, Members, TarMembers, opened, read
from lamina.oci import document, media_type, reference
from lamina.oci.content import Pusher
from lamina.oci.descriptor import Descriptor
from lamina.oci.document import Fields
from lamina.oci.manifest import Index
from lamina.oci.manifest import parse as parse_manifest
from lamina.values import dataclass

__all__ = [
    "BadImageArchive",
    "Kind",
    "Loaded",
    "read_archive",
    "recognise",
    "write_docker_archive",
    "write_oci_archive",
    "write_oci_dir",
]

_DOCUMENTS = media_type.MANIFESTS | media_type.INDEXES
_REF_NAME = "org.opencontainers.image.ref.name"
_IMAGE_NAME = "io.containerd.image.name"  # the whole reference, where BuildKit and Docker put it


class Kind(StrEnum):
    """What an archive is, by the files in it."""

    OCI = "oci-archive"
    DOCKER = "docker-archive"
    BOTH = "docker+oci-archive"
    DOCKER_V1 = "docker-v1-archive"
    PLAIN = "plain-tar"


@dataclass(frozen=True, slots=True)
class Loaded:
    """An image that was read: what it is now, and what the archive calls it."""

    descriptor: Descriptor
    names: tuple[str, ...]  # canonical references, each with a tag
    label: str | None = None  # an OCI layout's own name for it, where that is no reference


def recognise(members: Members) -> Kind:
    """What kind of archive it is."""
    is_oci = members.has("oci-layout") and members.has("index.json")
    is_docker = members.has("manifest.json")
    if is_oci:
        return Kind.BOTH if is_docker else Kind.OCI
    if is_docker:
        return Kind.DOCKER
    return Kind.DOCKER_V1 if members.has("repositories") else Kind.PLAIN


def read_archive(source: str | os.PathLike[str] | BinaryIO, pusher: Pusher) -> list[Loaded]:
    """Push every image of an archive, a layout directory or a stream of either kind of archive.

    Children go before parents, what `pusher` has is not pushed again.
    Entries of a layout's index.json that are no images or indexes are passed over.
    BadImageArchive, BadDocument or Corrupt if something is wrong; what was pushed by then stays,
    without a name.
    """
    with opened(source) as members:
        kind = recognise(members)
        if kind in (Kind.OCI, Kind.BOTH):
            index = read_layout(members)
            if index.manifests or kind is Kind.OCI:
                return _push_layout(members, index, pusher)
        if not isinstance(members, TarMembers) or kind is Kind.PLAIN:
            raise BadImageArchive(
                "not an image archive: it has neither index.json and oci-layout nor manifest.json",
                hint="for the tar of a root file system use `lamina import`",
            )
        if kind is Kind.DOCKER_V1:
            found = docker_archive.push_v1(members, pusher)
        else:
            found = docker_archive.push(members, pusher)
        return [Loaded(descriptor, _canonical(tags)) for descriptor, tags in found]


def read_layout(members: Members) -> Index:
    """The index.json of an OCI image layout of a version known here (image-layout.md)."""
    marker = read(members, "oci-layout", limit=4096)
    version = Fields(document.load(marker, "oci-layout"), "").need_text("imageLayoutVersion")
    if version.partition(".")[0] != "1":
        raise BadImageArchive(f'image layout version "{version}" is not known: expected "1.0.0"')
    index = parse_manifest(read(members, "index.json", limit=document.MANIFEST_LIMIT))
    if not isinstance(index, Index):
        raise BadImageArchive('"index.json" is a manifest: expected an index')
    return index


class LayoutFetcher:
    """The blobs of an OCI image layout, as a Fetcher."""

    def __init__(self, members: Members) -> None:
        self._members = members

    def open(self, descriptor: Descriptor) -> BinaryIO:
        name = f"blobs/{descriptor.digest.algorithm}/{descriptor.digest.encoded}"
        if not self._members.has(name) and descriptor.data is not None:
            return io.BytesIO(descriptor.data)
        return self._members.open(name)


def _push_layout(members: Members, index: Index, pusher: Pusher) -> list[Loaded]:
    fetcher = LayoutFetcher(members)
    found: dict[str, Loaded] = {}
    for entry in index.manifests:
        if entry.media_type not in _DOCUMENTS:
            continue
        for descriptor in graph.walk(fetcher, entry, sparse=True):
            if pusher.has(descriptor.digest):
                continue
            try:
                with fetcher.open(descriptor) as stream:
                    pusher.push(descriptor, stream)
            except NotFound:
                if not descriptor.urls:
                    raise BadImageArchive(
                        f'the archive lacks the blob "{descriptor.digest}"'
                    ) from None
        before = found.get(entry.digest)
        names, label = _names(entry)
        if before is not None:
            names = tuple(dict.fromkeys((*before.names, *names)))
            label = before.label if before.label is not None else label
        found[entry.digest] = Loaded(_bare(entry), names, label)
    return list(found.values())


def _bare(entry: Descriptor) -> Descriptor:
    """The entry without what names it, for names are kept elsewhere."""
    return Descriptor(entry.media_type, entry.digest, entry.size, entry.platform)


def _names(entry: Descriptor) -> tuple[tuple[str, ...], str | None]:
    full, label = entry.annotations.get(_IMAGE_NAME), entry.annotations.get(_REF_NAME)
    for text in (full, label):
        # A bare word is a tag, as the spec suggests, and not the name of a repository.
        if text and (text is full or "/" in text or ":" in text):
            try:
                return (str(reference.parse(text).with_default_tag()),), None
            except Invalid:
                continue
    return (), label


def _canonical(tags: tuple[str, ...]) -> tuple[str, ...]:
    names: list[str] = []
    for tag in tags:
        if tag == "<none>:<none>":  # what Docker once wrote for an image without a name
            continue
        try:
            names.append(str(reference.parse(tag).with_default_tag()))
        except Invalid as error:
            raise BadImageArchive(f'"manifest.json": {error}', hint=error.hint) from None
    return tuple(dict.fromkeys(names))
