"""Making new images of old ones: pure functions on values, nothing is read or written."""

from __future__ import annotations

from collections.abc import Mapping

from lamina.image.view import Image
from lamina.oci import media_type as types
from lamina.oci.config import History, ImageConfig, RunConfig
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import DiffID
from lamina.oci.manifest import Manifest
from lamina.oci.platform import Platform
from lamina.values import dataclass, field, replace

# What Docker once wrote about the container that the image was committed from: untrue of any other.
_STALE_TOP = frozenset(("container", "container_config", "docker_version", "id", "parent"))
_STALE_RUN = frozenset(
    (
        "Hostname",
        "Domainname",
        "AttachStdin",
        "AttachStdout",
        "AttachStderr",
        "Tty",
        "OpenStdin",
        "StdinOnce",
        "Image",
        "NetworkDisabled",
        "MacAddress",
    )
)

_TO_OCI = {
    types.DOCKER_MANIFEST: types.OCI_MANIFEST,
    types.DOCKER_LIST: types.OCI_INDEX,
    types.DOCKER_CONFIG: types.OCI_CONFIG,
    types.DOCKER_LAYER: types.OCI_LAYER,
    types.DOCKER_LAYER_GZIP: types.OCI_LAYER_GZIP,
    types.DOCKER_LAYER_ZSTD: types.OCI_LAYER_ZSTD,
}
_TO_DOCKER = {theirs: ours for ours, theirs in _TO_OCI.items()}


@dataclass(frozen=True, slots=True)
class Assembly:
    """An image in the making: layers bottom first, and what its config will say."""

    platform: Platform
    layers: tuple[Descriptor, ...] = ()
    diff_ids: tuple[DiffID, ...] = ()
    history: tuple[History, ...] = ()
    config: RunConfig = field(default_factory=RunConfig)
    created: str | None = None  # RFC 3339
    author: str | None = None
    extra: Mapping[str, object] = field(default_factory=dict, hash=False)

    @classmethod
    def of(cls, image: Image) -> Assembly:
        """The image to build on, without what it says of the container it came from."""
        config = image.config
        run = config.config
        kept = {key: value for key, value in run.extra.items() if key not in _STALE_RUN}
        return cls(
            platform=config.platform,
            layers=image.manifest.layers,
            diff_ids=config.diff_ids,
            history=config.history,
            config=replace(run, extra=kept),
            created=config.created,
            author=config.author,
            extra={key: value for key, value in config.extra.items() if key not in _STALE_TOP},
        )

    def append(self, layer: Descriptor, diff_id: DiffID, history: History) -> Assembly:
        """The same with a layer on top, and the instruction that made it."""
        return replace(
            self,
            layers=(*self.layers, layer),
            diff_ids=(*self.diff_ids, diff_id),
            history=(*self.history, replace(history, empty_layer=False)),
            created=history.created or self.created,
        )

    def record(self, history: History) -> Assembly:
        """The same after an instruction that changed no file."""
        return replace(
            self,
            history=(*self.history, replace(history, empty_layer=True)),
            created=history.created or self.created,
        )

    def configure(self, config: RunConfig) -> Assembly:
        """The same, running by another config."""
        return replace(self, config=config)

    def make_config(self) -> ImageConfig:
        """The config document; the same values give the same bytes."""
        return ImageConfig.make(
            platform=self.platform,
            config=self.config,
            diff_ids=self.diff_ids,
            history=self.history,
            created=self.created,
            author=self.author,
            extra=self.extra,
        )

    def make(
        self,
        *,
        media_type: str = types.OCI_MANIFEST,
        annotations: Mapping[str, str] | None = None,
    ) -> tuple[Manifest, ImageConfig]:
        """The documents of the image, every media type of the one family asked for."""
        config = self.make_config()
        is_docker = media_type == types.DOCKER_MANIFEST
        pointer = Descriptor(types.OCI_CONFIG, config.digest, len(config.raw))
        convert = as_docker if is_docker else as_oci
        manifest = Manifest.make(
            convert(pointer),
            tuple(convert(layer) for layer in self.layers),
            media_type=media_type,
            annotations=annotations,
        )
        return manifest, config


def as_oci(descriptor: Descriptor) -> Descriptor:
    """The same content under OCI's media type; as it stands where OCI has none for it."""
    known = _TO_OCI.get(descriptor.media_type, descriptor.media_type)
    return replace(descriptor, media_type=known)


def as_docker(descriptor: Descriptor) -> Descriptor:
    """The same content under Docker's media type; as it stands where Docker has none for it."""
    known = _TO_DOCKER.get(descriptor.media_type, descriptor.media_type)
    return replace(descriptor, media_type=known)
