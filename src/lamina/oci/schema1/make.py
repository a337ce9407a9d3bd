"""An image made into a signed schema 1 manifest, as Docker did when it pushed to old registries.

Every entry of the history becomes a layer with an ID: the SHA-256 of its blob's digits and its
parent's ID, and for the newest of the whole config too. Entries that changed no file get a blob
all the same, which is the same for all.
"""

from __future__ import annotations

import hashlib

from lamina.late import json
from lamina.oci import document
from lamina.oci.config import ImageConfig
from lamina.oci.digest import Digest
from lamina.oci.document import BadDocument
from lamina.oci.manifest import Manifest
from lamina.oci.schema1.signature import Signer, sign

# A tar of nothing, with gzip around it: the bytes that Docker has always used, so that registries
# have the blob already. Its digest is sha256:a3ed95ca….
GZIPPED_EMPTY_LAYER = bytes.fromhex(
    "1f8b080000096e8800ff621805a360148c5800080000ffff2eafb5ef00040000"
)
_EMPTY = Digest.of(GZIPPED_EMPTY_LAYER)


def make(
    manifest: Manifest, config: ImageConfig, name: str, tag: str, key: Signer, *, time: str
) -> bytes:
    """The signed manifest; `time` (RFC 3339) is when it was signed, and in no digest.

    `name` is the repository's path. The registry must have GZIPPED_EMPTY_LAYER wherever the
    history has entries without a layer. BadDocument if config and manifest do not fit.
    """
    blobs, texts = _layers(manifest, config)
    body: dict[str, object] = {
        "schemaVersion": 1,
        "name": name,
        "tag": tag,
        "architecture": config.platform.architecture,
        "fsLayers": [{"blobSum": str(blob)} for blob in reversed(blobs)],
        "history": [{"v1Compatibility": text} for text in reversed(texts)],
    }
    text = json.dumps(body, ensure_ascii=False, indent=3)
    return sign(text.encode(), key, time=time)


def _layers(manifest: Manifest, config: ImageConfig) -> tuple[list[Digest], list[str]]:
    """The blob and the JSON of each layer, oldest first."""
    entries = _entries(config)
    with_layer = sum(not entry.get("empty_layer") for entry in entries)
    if with_layer != len(manifest.layers):
        raise BadDocument(
            f"the history of the config has {with_layer} layers and the manifest"
            f" {len(manifest.layers)}: expected as many"
        )
    if not entries:
        raise BadDocument("the image has no layers: schema 1 cannot say that")
    layers = iter(manifest.layers)
    blobs: list[Digest] = []
    texts: list[str] = []
    parent = ""
    for at, entry in enumerate(entries):
        blob = _EMPTY if entry.get("empty_layer") else next(layers).digest
        blobs.append(blob)
        if at + 1 < len(entries):
            own = _id(blob, parent)
            texts.append(_dump(_v1(entry, own, parent)))
        else:
            own = _id(blob, parent, config.raw.decode())
            texts.append(_dump(_newest(config, entry, own, parent)))
        parent = own
    return blobs, texts


def _entries(config: ImageConfig) -> list[dict[str, object]]:
    """The history, oldest first; where there is none, an entry for each layer."""
    if config.history:
        return [entry.to_json() for entry in config.history]
    created = {} if config.created is None else {"created": config.created}
    return [dict(created) for _ in config.diff_ids]


def _v1(entry: dict[str, object], own: str, parent: str) -> dict[str, object]:
    found: dict[str, object] = {"id": own}
    if parent:
        found["parent"] = parent
    if comment := entry.get("comment"):
        found["comment"] = comment
    found["created"] = entry.get("created", "0001-01-01T00:00:00Z")
    found["container_config"] = {"Cmd": [entry.get("created_by", "")]}
    if author := entry.get("author"):
        found["author"] = author
    if entry.get("empty_layer"):
        found["throwaway"] = True
    return found


def _newest(
    config: ImageConfig, entry: dict[str, object], own: str, parent: str
) -> dict[str, object]:
    """The whole config, but for what schema 1 says elsewhere."""
    found = document.load(config.raw, "config", limit=document.CONFIG_LIMIT)
    for key in ("history", "rootfs", "parent", "throwaway"):
        found.pop(key, None)
    found["id"] = own
    if parent:
        found["parent"] = parent
    if entry.get("empty_layer"):
        found["throwaway"] = True
    return dict(sorted(found.items()))


def _id(blob: Digest, *parts: str) -> str:
    return hashlib.sha256(" ".join((blob.encoded, *parts)).encode()).hexdigest()


def _dump(found: dict[str, object]) -> str:
    return document.dump(found).decode()
