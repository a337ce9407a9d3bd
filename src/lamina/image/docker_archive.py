"""What `docker save` writes: manifest.json since 1.10, chains of v1 images before."""

from __future__ import annotations

import io
from typing import BinaryIO

from lamina.errors import Error
from lamina.image.fetch import CHUNK
from lamina.image.members import BadImageArchive, TarMembers, read
from lamina.oci import config as configs
from lamina.oci import document, media_type
from lamina.oci.config import History, ImageConfig
from lamina.oci.content import Pusher
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import DiffID, Digest
from lamina.oci.document import Fields
from lamina.oci.manifest import Manifest
from lamina.oci.platform import Platform
from lamina.values import dataclass

# The tar without entries, which v1 images have for an instruction that changed no file.
_EMPTY_TAR = "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"
_CHAIN_LIMIT = 1000  # images, each the parent of the next


@dataclass(frozen=True, slots=True)
class Item:
    """One image of a manifest.json: where its config and its layers lie, and its names."""

    config: str
    layers: tuple[str, ...]
    tags: tuple[str, ...]


def items(members: TarMembers) -> list[Item]:
    """What manifest.json lists."""
    raw = read(members, "manifest.json", limit=document.MANIFEST_LIMIT)
    found: list[Item] = []
    for at, entry in enumerate(document.load_array(raw, '"manifest.json"')):
        fields = Fields(entry, f"manifest.json[{at}]")
        found.append(
            Item(
                config=fields.need_text("Config"),
                layers=fields.texts("Layers") or (),
                tags=fields.texts("RepoTags") or (),
            )
        )
    return found


def push(members: TarMembers, pusher: Pusher) -> list[tuple[Descriptor, tuple[str, ...]]]:
    """Push every image that manifest.json lists, under a manifest made here; with its names."""
    found: list[tuple[Descriptor, tuple[str, ...]]] = []
    for item in items(members):
        raw = _read_config(members, item.config)
        config = configs.parse(raw)
        if len(config.diff_ids) != len(item.layers):
            raise BadImageArchive(
                f'"manifest.json" names {len(item.layers)} layers of "{item.config}",'
                f" which has {len(config.diff_ids)} diff IDs"
            )
        layers = tuple(
            _push_layer(members, name, diff_id, pusher)
            for name, diff_id in zip(item.layers, config.diff_ids, strict=True)
        )
        found.append((_push_documents(config, layers, pusher), item.tags))
    return found


def _read_config(members: TarMembers, name: str) -> bytes:
    raw = read(members, name, limit=document.CONFIG_LIMIT)
    hexadecimal = name.rpartition("/")[2].removesuffix(".json").removeprefix("sha256:")
    digest = Digest.of(raw)
    if len(hexadecimal) == 64 and hexadecimal != digest.encoded:
        raise BadImageArchive(f'the config "{name}" has the digest "{digest}"')
    return raw


def _push_documents(
    config: ImageConfig, layers: tuple[Descriptor, ...], pusher: Pusher
) -> Descriptor:
    pointer = Descriptor(media_type.OCI_CONFIG, config.digest, len(config.raw))
    manifest = Manifest.make(pointer, layers)
    for descriptor, raw in ((pointer, config.raw), (manifest.descriptor(), manifest.raw)):
        if not pusher.has(descriptor.digest):
            pusher.push(descriptor, io.BytesIO(raw))
    return manifest.descriptor()


def _push_layer(members: TarMembers, name: str, diff_id: DiffID, pusher: Pusher) -> Descriptor:
    """Push one layer as the archive has it, or plain if no media type knows its compression."""
    from lamina.layer.compress import decompressed, sniff

    place = members.follow(name)
    with members.open(place) as stream:
        kind = sniff(stream.read(512))
    if kind == "none":
        descriptor = Descriptor(media_type.OCI_LAYER, diff_id, members.size(place))
        _push_once(members.open(place), descriptor, pusher)
    elif kind in ("gzip", "zstd"):
        types = {"gzip": media_type.OCI_LAYER_GZIP, "zstd": media_type.OCI_LAYER_ZSTD}
        digest, size = _measure(members.open(place))
        descriptor = Descriptor(types[kind], digest, size)
        _push_once(members.open(place), descriptor, pusher)
    else:
        _, size = _measure(decompressed(members.open(place), kind))
        descriptor = Descriptor(media_type.OCI_LAYER, diff_id, size)
        _push_once(decompressed(members.open(place), kind), descriptor, pusher)
    return descriptor


def _push_once(stream: BinaryIO, descriptor: Descriptor, pusher: Pusher) -> None:
    with stream:
        if not pusher.has(descriptor.digest):
            pusher.push(descriptor, stream)


def _measure(stream: BinaryIO) -> tuple[Digest, int]:
    import hashlib

    hasher, size = hashlib.sha256(), 0
    with stream:
        while part := stream.read(CHUNK):
            hasher.update(part)
            size += len(part)
    return Digest.done(hasher), size


# --- before Docker 1.10


def push_v1(members: TarMembers, pusher: Pusher) -> list[tuple[Descriptor, tuple[str, ...]]]:
    """Push every image that `repositories` names, under a config and a manifest made here.

    Such an image is a chain of images, each one layer and what it says of its parent.
    """
    tags: dict[str, list[str]] = {}
    repositories = document.load(
        read(members, "repositories", limit=document.MANIFEST_LIMIT), '"repositories"'
    )
    fields = Fields(repositories, "repositories")
    for name in repositories:
        for tag, identifier in fields.text_map(name).items():
            tags.setdefault(identifier, []).append(f"{name}:{tag}")
    return [
        (_push_chain(members, identifier, pusher), tuple(names))
        for identifier, names in tags.items()
    ]


def _push_chain(members: TarMembers, identifier: str, pusher: Pusher) -> Descriptor:
    layers: list[Descriptor] = []
    diff_ids: list[DiffID] = []
    history: list[History] = []
    chain = _chain(members, identifier)
    for one, fields in chain:
        layer, diff_id = _v1_layer(members, one, pusher)
        is_empty = diff_id is None or diff_id == _EMPTY_TAR
        history.append(_v1_history(fields, is_empty))
        if layer is not None and diff_id is not None and not is_empty:
            layers.append(layer)
            diff_ids.append(diff_id)
    return _push_documents(_v1_config(chain[-1][1], diff_ids, history), tuple(layers), pusher)


def _chain(members: TarMembers, identifier: str) -> list[tuple[str, Fields]]:
    """The images of a chain, oldest first."""
    chain: list[tuple[str, Fields]] = []
    seen: set[str] = set()
    while identifier:
        if identifier in seen or len(seen) >= _CHAIN_LIMIT:
            raise BadImageArchive(f'the parents of image "{identifier}" go round in a circle')
        seen.add(identifier)
        name = f"{identifier}/json"
        raw = read(members, name, limit=document.CONFIG_LIMIT)
        fields = Fields(document.load(raw, f'"{name}"', limit=document.CONFIG_LIMIT), name)
        chain.append((identifier, fields))
        identifier = fields.text("parent")
    return chain[::-1]


def _v1_layer(
    members: TarMembers, identifier: str, pusher: Pusher
) -> tuple[Descriptor | None, DiffID | None]:
    from lamina.layer.compress import decompressed

    name = f"{identifier}/layer.tar"
    if not members.has(name) and name not in members.links:
        return None, None
    try:
        diff_id = DiffID(_measure(decompressed(members.open(members.follow(name))))[0])
    except Error as error:
        raise BadImageArchive(f'"{name}": {error}', hint=error.hint) from error
    if diff_id == _EMPTY_TAR:
        return None, diff_id
    return _push_layer(members, name, diff_id, pusher), diff_id


def _v1_history(fields: Fields, is_empty: bool) -> History:
    container = fields.inner("container_config")
    command = container.texts("Cmd") if container is not None else None
    return History(
        created=fields.optional_text("created"),
        created_by=" ".join(command or ()),
        author=fields.text("author"),
        comment=fields.text("comment"),
        empty_layer=is_empty,
    )


def _v1_config(fields: Fields, diff_ids: list[DiffID], history: list[History]) -> ImageConfig:
    run = fields.inner("config")
    return ImageConfig.make(
        platform=Platform(fields.text("os", "linux"), fields.text("architecture", "amd64")),
        config=configs.read_run(run) if run is not None else None,
        diff_ids=tuple(diff_ids),
        history=tuple(history),
        created=fields.optional_text("created"),
        author=fields.optional_text("author"),
    )
