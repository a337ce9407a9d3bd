"""What a registry reads in a manifest before it takes it (distribution-spec, "Pushing Manifests").

Of the media types that the specs define everything is checked; of any other kind of JSON object
what looks like a descriptor where descriptors stand is believed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from lamina.errors import Error
from lamina.oci import descriptor as descriptors
from lamina.oci import manifest as manifests
from lamina.oci import media_type as types
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest
from lamina.oci.document import BadDocument, Kind, kind, load
from lamina.oci.manifest import Index
from lamina.registry.failures import BadManifest
from lamina.values import dataclass

_KNOWN = types.MANIFESTS | types.INDEXES
_SCHEMA1 = frozenset({types.SCHEMA1, types.SCHEMA1_SIGNED})
_FOREIGN = ("application/vnd.oci.image.layer.nondistributable.", types.DOCKER_FOREIGN_LAYER_GZIP)


@dataclass(frozen=True, slots=True)
class Document:
    """A manifest as a repository keeps it, and what it refers to."""

    digest: Digest
    media_type: str
    size: int  # bytes
    blobs: tuple[Digest, ...]  # config and layers
    manifests: tuple[Digest, ...]  # children
    elsewhere: frozenset[Digest]  # of the blobs, those that clients fetch from other places
    subject: Digest | None
    artifact_type: str | None
    referrer: str | None  # with a subject: the JSON descriptor by which it is listed


def read(raw: bytes, media_type: str | None, digest: Digest, *, schema1: bool = False) -> Document:
    """What `raw`, whose digest is known to be `digest`, says; BadManifest.

    `media_type` is what the client called it; None if it did not say. Docker schema 1, without
    signatures, is read only if `schema1`.
    """
    try:
        found = load(raw, "the manifest")
        claimed = found.get("mediaType")
        called = media_type or (claimed if isinstance(claimed, str) else None)
        what = kind(found)
        if called in _SCHEMA1 or what in (Kind.SCHEMA1, Kind.SCHEMA1_SIGNED):
            if schema1 and what is Kind.SCHEMA1:
                return _read_schema1(raw, digest)
            raise BadManifest(
                "Docker schema 1 manifests are not supported",
                hint="push the image again with a current tool",
            )
        if called in _KNOWN or (called is None and what in (Kind.INDEX, Kind.MANIFEST)):
            return _read_known(raw, media_type, digest)
        return _read_other(raw, found, called, digest)
    except BadManifest:
        raise
    except Error as error:
        raise BadManifest(error.message, hint=error.hint) from error


def _read_known(raw: bytes, media_type: str | None, digest: Digest) -> Document:
    parsed = manifests.parse(raw, media_type)
    if isinstance(parsed, Index):
        blobs: tuple[Descriptor, ...] = ()
        children = parsed.manifests
        artifact_type = parsed.artifact_type
    else:
        blobs = (parsed.config, *parsed.layers)
        children = ()
        artifact_type = parsed.artifact_type or parsed.config.media_type
    return _document(
        raw, digest, parsed.media_type, blobs, children, parsed.subject, artifact_type,
        parsed.annotations,
    )  # fmt: skip


def _read_schema1(raw: bytes, digest: Digest) -> Document:
    from lamina.oci import schema1

    blobs = [Digest.parse(text) for text in schema1.read(raw).fs_layers]
    return Document(
        digest=digest,
        media_type=types.SCHEMA1,
        size=len(raw),
        blobs=tuple(dict.fromkeys(blobs)),
        manifests=(),
        elsewhere=frozenset(),
        subject=None,
        artifact_type=None,
        referrer=None,
    )


def _read_other(
    raw: bytes, found: dict[str, object], called: str | None, digest: Digest
) -> Document:
    if called is None:
        raise BadDocument('"mediaType" is missing, and so is the Content-Type')
    config = next(iter(_described(found.get("config"))), None)
    artifact_type = found.get("artifactType")
    if not isinstance(artifact_type, str) or not artifact_type:
        artifact_type = config.media_type if config is not None else None
    annotations = found.get("annotations")
    return _document(
        raw,
        digest,
        called,
        tuple(_described(found.get("config"), found.get("layers"), found.get("blobs"))),
        tuple(_described(found.get("manifests"))),
        next(iter(_described(found.get("subject"))), None),
        artifact_type,
        annotations if isinstance(annotations, dict) else {},
    )


def _described(*values: object) -> list[Descriptor]:
    """What reads as a descriptor, of values and lists of them."""
    found = []
    for value in values:
        for each in value if isinstance(value, list) else [value]:
            try:
                found.append(descriptors.parse(each))
            except BadDocument:
                continue
    return found


def _document(
    raw: bytes,
    digest: Digest,
    media_type: str,
    blobs: Iterable[Descriptor],
    children: Iterable[Descriptor],
    subject: Descriptor | None,
    artifact_type: str | None,
    annotations: object,
) -> Document:
    blobs = tuple(blobs)
    referrer: dict[str, object] = {
        "mediaType": media_type,
        "digest": str(digest),
        "size": len(raw),
    }
    if artifact_type:
        referrer["artifactType"] = artifact_type
    if annotations:
        referrer["annotations"] = annotations
    return Document(
        digest=digest,
        media_type=media_type,
        size=len(raw),
        blobs=_unique(blobs),
        manifests=_unique(children),
        elsewhere=frozenset(blob.digest for blob in blobs if _is_elsewhere(blob)),
        subject=subject.digest if subject is not None else None,
        artifact_type=artifact_type,
        referrer=json.dumps(referrer, ensure_ascii=False) if subject is not None else None,
    )


def _unique(found: Iterable[Descriptor]) -> tuple[Digest, ...]:
    return tuple(dict.fromkeys(each.digest for each in found))


def _is_elsewhere(blob: Descriptor) -> bool:
    """Whether registries need not have it (image-spec, layer.md, "Non-Distributable Layers")."""
    return bool(blob.urls) and blob.media_type.startswith(_FOREIGN)
