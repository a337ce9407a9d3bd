"""Layers and config into an image in the store."""

from __future__ import annotations

from lamina.build.basis import Basis
from lamina.build.cache import Made
from lamina.build.graph import Graph
from lamina.build.times import rfc3339
from lamina.build.workshop import Trees, Workshop
from lamina.late import json
from lamina.oci import media_type
from lamina.oci.config import History, ImageConfig
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest
from lamina.oci.manifest import Manifest
from lamina.values import dataclass

COMMENT = "lamina.dockerfile.v0"
CREATED = "build-created"  # records: when a config was first made

_OCI_LAYERS = {
    media_type.DOCKER_LAYER: media_type.OCI_LAYER,
    media_type.DOCKER_LAYER_GZIP: media_type.OCI_LAYER_GZIP,
    media_type.DOCKER_LAYER_ZSTD: media_type.OCI_LAYER_ZSTD,
}


@dataclass(frozen=True, slots=True)
class Built:
    """The image that a build made."""

    descriptor: Descriptor  # of the manifest
    manifest: Manifest
    config: ImageConfig
    layers: tuple[Made, ...]
    basis: Basis | None = None  # if it came from the cache as a whole, and that can be told

    @property
    def id(self) -> Digest:
        return self.config.digest


def assemble(graph: Graph, workshop: Workshop, trees: Trees) -> Built:
    """Write the config and the manifest of the target; the same inputs give the same bytes.

    An image that comes from the cache as a whole keeps the time at which it was made first.
    """
    layers = trees.layers(graph.target.tree)
    config = _config(graph, workshop, trees, layers)
    blobs = workshop.store.blobs
    blobs.put(config.raw)
    manifest = Manifest.make(
        Descriptor(media_type.OCI_CONFIG, config.digest, len(config.raw)),
        tuple(_oci_layer(layer.descriptor) for layer in layers),
    )
    blobs.put(manifest.raw)
    return Built(manifest.descriptor(), manifest, config, layers)


def _oci_layer(descriptor: Descriptor) -> Descriptor:
    """The same blob by its OCI type, for one manifest must not mix Docker's and OCI's."""
    kind = _OCI_LAYERS.get(descriptor.media_type, descriptor.media_type)
    return Descriptor(kind, descriptor.digest, descriptor.size)


def _config(
    graph: Graph, workshop: Workshop, trees: Trees, layers: tuple[Made, ...]
) -> ImageConfig:
    target = graph.target

    def made(created: str | None) -> ImageConfig:
        return ImageConfig.make(
            platform=target.platform,
            config=target.config,
            diff_ids=tuple(layer.diff_id for layer in layers),
            history=_history(graph, trees, created),
            created=created,
            author=target.author,
        )

    if graph.epoch is not None:
        return made(rfc3339(graph.epoch))
    untimed = made(None)
    return made(_first_made(workshop, untimed.digest))


def _first_made(workshop: Workshop, untimed: Digest) -> str:
    """When this very config, but for its time, was first made here; now, if never."""
    records = workshop.store.records
    known = records.get(CREATED, untimed)
    if known is not None:
        return str(json.loads(known))
    now = workshop.clock()
    created = rfc3339(now)
    records.put(CREATED, untimed, json.dumps(created).encode(), now=int(now * 1e9))
    return created


def _history(graph: Graph, trees: Trees, created: str | None) -> tuple[History, ...]:
    """Entries in order; one without a layer of its own has the time of the image."""
    entries: list[History] = []
    for draft in graph.target.history:
        if draft.inherited is not None:
            entries.append(draft.inherited)
            continue
        when = created
        if draft.step is not None:
            when = trees.made[draft.step][-1].created
        entries.append(
            History(
                created=when,
                created_by=draft.created_by,
                comment=COMMENT,
                empty_layer=draft.step is None,
            )
        )
    return tuple(entries)
