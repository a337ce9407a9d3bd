"""What is needed as long as something else is: documents followed down to blobs and trees."""

from __future__ import annotations

import os
from collections.abc import Iterable

from lamina.errors import Invalid, NotFound
from lamina.late import json
from lamina.oci.digest import DiffID, Digest, chain_ids
from lamina.store.blobs import Blobs

_LARGEST = 16 << 20  # bytes: no manifest, index or config is larger (registries stop at 4 MiB)


def reach(blobs: Blobs, roots: Iterable[Digest]) -> set[Digest]:
    """`roots` and all they lead to: blobs, and from configs the diff IDs and chain IDs.

    What is not here, or is not a document, leads nowhere; a damaged one too.
    """
    found: set[Digest] = set()
    waiting = list(roots)
    while waiting:
        digest = waiting.pop()
        if digest in found:
            continue
        found.add(digest)
        document = _document(blobs, digest)
        if document is not None:
            waiting += _described(document, "config", "manifests")
            # Not followed, for these are no documents, whatever their bytes look like.
            found.update(_described(document, "layers", "blobs"))
            found |= _trees(document)
    return found


def image_ids(blobs: Blobs, digest: Digest) -> list[Digest]:
    """The IDs of an image: the digest of its config, or of each config that an index leads to."""
    document = _document(blobs, digest)
    if document is None:
        return []
    config = _digest_of(document.get("config"))
    if config is not None:
        return [config]
    children = document.get("manifests")
    if not isinstance(children, list):
        return []
    found: list[Digest] = []
    for child in children:
        inner = _document(blobs, child_digest) if (child_digest := _digest_of(child)) else None
        config = _digest_of(inner.get("config")) if inner is not None else None
        if config is not None and config not in found:
            found.append(config)
    return found


def _document(blobs: Blobs, digest: Digest) -> dict[str, object] | None:
    """The JSON object that the blob holds; None for every other blob, and for none."""
    try:
        with blobs.open_digest(digest) as file:
            if os.fstat(file.fileno()).st_size > _LARGEST or file.read(1) != b"{":
                return None
            found = json.loads(b"{" + file.read())
    except (NotFound, OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _described(document: dict[str, object], *keys: str) -> list[Digest]:
    """The digests of the descriptors, or lists of them, under `keys` of a manifest or an index."""
    candidates: list[object] = []
    for key in keys:
        value = document.get(key)
        candidates += value if isinstance(value, list) else [value]
    return [digest for found in candidates if (digest := _digest_of(found)) is not None]


def _trees(document: dict[str, object]) -> set[Digest]:
    """The diff IDs and the chain IDs of a config."""
    rootfs = document.get("rootfs")
    texts = rootfs.get("diff_ids") if isinstance(rootfs, dict) else None
    if not isinstance(texts, list):
        return set()
    try:
        diff_ids = [DiffID(Digest.parse(text)) for text in texts]
    except Invalid:
        return set()
    return {*diff_ids, *chain_ids(diff_ids)}


def _digest_of(found: object) -> Digest | None:
    """The digest of a descriptor; None if it is none."""
    if not isinstance(found, dict):
        return None
    try:
        return Digest.parse(found["digest"])
    except (KeyError, Invalid):
        return None
