"""One image, its documents read and joined: config, layers, and what each instruction did."""

from __future__ import annotations

from lamina.errors import Invalid, Unsupported
from lamina.image import fetch, select
from lamina.oci import config as configs
from lamina.oci.config import History, ImageConfig
from lamina.oci.content import Fetcher
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import ChainID, DiffID, Digest, chain_ids
from lamina.oci.manifest import Index, Manifest
from lamina.oci.platform import Platform
from lamina.values import dataclass


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer under all its names, and the instruction that made it, if the config says."""

    descriptor: Descriptor
    diff_id: DiffID
    chain_id: ChainID
    history: History | None


@dataclass(frozen=True, slots=True)
class Row:
    """One line of an image's history: an instruction, the layer it made, or only the layer."""

    history: History
    layer: Layer | None


@dataclass(frozen=True, slots=True)
class Image:
    """An image for one platform. `index` is where it was chosen from, if it was."""

    descriptor: Descriptor  # of the manifest, as its index or name points at it
    manifest: Manifest
    config: ImageConfig
    layers: tuple[Layer, ...]  # bottom first
    index: Index | None = None

    @property
    def id(self) -> Digest:
        """The image ID, which is the config's digest."""
        return self.manifest.config.digest

    @property
    def platform(self) -> Platform:
        return self.config.platform

    @property
    def size(self) -> int:
        """Bytes of the layers as stored."""
        return sum(layer.descriptor.size for layer in self.layers)

    @property
    def chain_id(self) -> ChainID | None:
        """The name of the whole tree; None for an image without layers."""
        return self.layers[-1].chain_id if self.layers else None

    @property
    def rows(self) -> tuple[Row, ...]:
        """The history with its layers, oldest first; layers without history come last."""
        rows: list[Row] = []
        layers = iter(self.layers)
        for entry in self.config.history:
            rows.append(Row(entry, None if entry.empty_layer else next(layers, None)))
        rows.extend(Row(History(), layer) for layer in layers)
        return tuple(rows)


def load(fetcher: Fetcher, descriptor: Descriptor, *, platform: Platform | None = None) -> Image:
    """The image that `descriptor` points at, or the one for `platform` (this host's if None) in it.

    NotFound if a document is missing, Corrupt if one is not what it should be, Invalid if they do
    not fit together, Unsupported if it is an artifact and no image.
    """
    found = fetch.manifest(fetcher, descriptor)
    index = None
    if isinstance(found, Index):
        index = found
        descriptor = select.choose(fetcher, index, platform)
        found = fetch.manifest(fetcher, descriptor)
        if isinstance(found, Index):
            raise Invalid(f'"{descriptor.digest}" is an index: expected a manifest')
    return join(descriptor, found, _read_config(fetcher, found), index=index)


def join(
    descriptor: Descriptor, manifest: Manifest, config: ImageConfig, *, index: Index | None = None
) -> Image:
    """The image that a manifest and its config make together; Invalid if they differ on layers."""
    if len(manifest.layers) != len(config.diff_ids):
        raise Invalid(
            f'manifest "{descriptor.digest}" names {len(manifest.layers)} layers,'
            f" its config {len(config.diff_ids)} diff IDs"
        )
    made = [entry for entry in config.history if not entry.empty_layer]
    histories = [*made, *[None] * len(config.diff_ids)]
    layers = tuple(
        Layer(blob, diff_id, chain_id, history)
        for blob, diff_id, chain_id, history in zip(
            manifest.layers, config.diff_ids, chain_ids(config.diff_ids), histories, strict=False
        )
    )
    return Image(descriptor, manifest, config, layers, index)


def _read_config(fetcher: Fetcher, manifest: Manifest) -> ImageConfig:
    if not manifest.is_image:
        kind = manifest.artifact_type or manifest.config.media_type
        raise Unsupported(f'an artifact of type "{kind}" is not an image')
    return configs.parse(fetch.document(fetcher, manifest.config))
