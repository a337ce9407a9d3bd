"""A schema 1 manifest made into an image, as Docker and containers/image do when they pull one.

The newest layer's JSON becomes the config; each layer's JSON becomes an entry of the history; the
blobs of throwaway layers are left out.
"""

from __future__ import annotations

from collections.abc import Callable

from lamina.late import re
from lamina.oci import document
from lamina.oci.config import ImageConfig
from lamina.oci.config import parse as parse_config
from lamina.oci.digest import DiffID, Digest
from lamina.oci.document import BadDocument
from lamina.oci.schema1.read import Schema1, V1Image, v1_fields

# They belong to the layer, not to the image.
_DROPPED = frozenset({"id", "parent", "parent_id", "layer_id", "throwaway", "Size"})


def to_image(
    found: Schema1, diff_id: Callable[[Digest], DiffID]
) -> tuple[ImageConfig, tuple[Digest, ...]]:
    """The config, and the blobs of its layers, bottom first; `diff_id` tells each blob's.

    The config's bytes depend on the manifest and the diff IDs alone. BadDocument if the layers do
    not make one chain.
    """
    chain = _chain(found)
    blobs = tuple(Digest.parse(blob) for blob, one in reversed(chain) if not one.throwaway)
    newest = v1_fields(chain[0][1].text, "history[0].v1Compatibility")
    config = newest.others(_DROPPED)
    if not config.get("architecture"):
        config["architecture"] = found.architecture or "amd64"
    if not config.get("os"):
        config["os"] = "linux"
    config["history"] = [_history(one) for _, one in reversed(chain)]
    config["rootfs"] = {"type": "layers", "diff_ids": [str(diff_id(blob)) for blob in blobs]}
    return parse_config(document.dump(dict(sorted(config.items())))), blobs


def _chain(found: Schema1) -> list[tuple[str, V1Image]]:
    """The blobs with their JSON, newest first, where each is the parent of the one before.

    A layer that stands twice in a row, as old versions of Docker wrote it, counts once.
    """
    if found.version != 1:
        raise BadDocument(f'"schemaVersion" is {found.version}: expected 1')
    if len(found.fs_layers) != len(found.history):
        raise BadDocument(
            f'"fsLayers" has {len(found.fs_layers)} entries and "history" {len(found.history)}:'
            " expected as many"
        )
    if not found.history:
        raise BadDocument('"fsLayers" is empty: expected a layer')
    pairs = list(zip(found.fs_layers, found.history, strict=True))
    chain = [
        pair
        for at, pair in enumerate(pairs)
        if at + 1 == len(pairs) or pair[1].id != pairs[at + 1][1].id
    ]
    seen: set[str] = set()
    for at, (_, one) in enumerate(chain):
        if not re.fullmatch("[a-f0-9]{64}", one.id):
            raise BadDocument(f'layer ID "{one.id[:80]}" is not 64 hexadecimal digits')
        if one.id in seen:
            raise BadDocument(f'layer ID "{one.id}" appears twice, with others between')
        seen.add(one.id)
        parent = chain[at + 1][1].id if at + 1 < len(chain) else ""
        if (one.parent or "") != parent:
            raise BadDocument(
                f'the parent of layer "{one.id}" is "{(one.parent or "")[:80]}":'
                f' expected "{parent}"'
            )
    return chain


def _history(one: V1Image) -> dict[str, object]:
    fields = v1_fields(one.text, "v1Compatibility")
    container = fields.inner("container_config")
    command = () if container is None else container.texts("Cmd") or ()
    entry: dict[str, object] = {"created": fields.text("created", "0001-01-01T00:00:00Z")}
    entry["author"] = fields.text("author")
    entry["created_by"] = " ".join(command)
    entry["comment"] = fields.text("comment")
    entry["empty_layer"] = one.throwaway
    return {key: value for key, value in entry.items() if value}
