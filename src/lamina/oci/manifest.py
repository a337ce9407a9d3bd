"""Image manifests and indexes, OCI's and Docker's schema 2 (manifest.md, image-index.md).

A parsed document keeps its raw bytes, for its digest is theirs.
"""

from __future__ import annotations

from collections.abc import Mapping

from lamina.errors import Unsupported
from lamina.oci import descriptor as descriptors
from lamina.oci import document
from lamina.oci import media_type as types
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest
from lamina.oci.document import BadDocument, Fields, Kind
from lamina.values import dataclass, field


class Schema1Unsupported(Unsupported):
    """A Docker schema 1 manifest, which names no config and no diff IDs."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """One image: its config and its layers, bottom first."""

    raw: bytes
    media_type: str
    config: Descriptor
    layers: tuple[Descriptor, ...]
    annotations: Mapping[str, str] = field(default_factory=dict, hash=False)
    artifact_type: str | None = None
    subject: Descriptor | None = None

    @property
    def digest(self) -> Digest:
        return Digest.of(self.raw)

    def descriptor(self) -> Descriptor:
        """The pointer to this document, without platform or annotations."""
        return Descriptor(self.media_type, self.digest, len(self.raw))

    @property
    def is_image(self) -> bool:
        """Whether it is an image with a config to run by, and not some other artifact."""
        return self.config.media_type in types.CONFIGS

    @classmethod
    def make(
        cls,
        config: Descriptor,
        layers: tuple[Descriptor, ...],
        *,
        media_type: str = types.OCI_MANIFEST,
        annotations: Mapping[str, str] | None = None,
    ) -> Manifest:
        """The manifest of these values: the same values give the same bytes."""
        annotations = dict(sorted((annotations or {}).items()))
        found: dict[str, object] = {
            "schemaVersion": 2,
            "mediaType": media_type,
            "config": config.to_json(),
            "layers": [layer.to_json() for layer in layers],
        }
        if annotations:
            found["annotations"] = annotations
        return cls(document.dump(found), media_type, config, layers, annotations)


@dataclass(frozen=True, slots=True)
class Index:
    """Several images, or indexes of them."""

    raw: bytes
    media_type: str
    manifests: tuple[Descriptor, ...]
    annotations: Mapping[str, str] = field(default_factory=dict, hash=False)
    artifact_type: str | None = None
    subject: Descriptor | None = None

    @property
    def digest(self) -> Digest:
        return Digest.of(self.raw)

    def descriptor(self) -> Descriptor:
        """The pointer to this document, without annotations."""
        return Descriptor(self.media_type, self.digest, len(self.raw))

    @classmethod
    def make(
        cls,
        manifests: tuple[Descriptor, ...],
        *,
        media_type: str = types.OCI_INDEX,
        annotations: Mapping[str, str] | None = None,
    ) -> Index:
        """The index of these values: the same values give the same bytes."""
        annotations = dict(sorted((annotations or {}).items()))
        found: dict[str, object] = {
            "schemaVersion": 2,
            "mediaType": media_type,
            "manifests": [one.to_json() for one in manifests],
        }
        if annotations:
            found["annotations"] = annotations
        return cls(document.dump(found), media_type, manifests, annotations)


def parse(raw: bytes, media_type: str | None = None, *, strict: bool = False) -> Manifest | Index:
    """The manifest or index that `raw` spells.

    `media_type` is what a descriptor or a registry says it is; a document that says otherwise, or
    that is both at once, is refused, for two readers would see two images (CVE-2021-41190).
    `strict` also refuses what the JSON schema forbids but real documents have: null for absent,
    no layers at all. BadDocument, or Schema1Unsupported.
    """
    found = document.load(raw, "manifest")
    kind = document.kind(found)
    if kind in (Kind.SCHEMA1, Kind.SCHEMA1_SIGNED):
        raise Schema1Unsupported(
            "Docker schema 1 manifests are not supported",
            hint="push the image again with a current tool, which writes schema 2 or OCI",
        )
    if kind is Kind.ARTIFACT:
        raise Unsupported(
            "OCI artifact manifests are not supported",
            hint="image-spec 1.1 keeps artifacts in image manifests",
        )
    fields = Fields(found, "", strict=strict)
    version = fields.need_integer("schemaVersion")
    if version != 2:
        raise fields.refuse("schemaVersion", version, "2")
    for pair in (("manifests", "layers"), ("manifests", "config")):
        if all(fields.has(key) for key in pair):
            raise BadDocument(
                f'"{pair[0]}" and "{pair[1]}" are both there: expected an index or a manifest',
                field=pair[1],
            )
    if kind is Kind.INDEX:
        return _read_index(raw, fields, media_type)
    return _read_manifest(raw, fields, media_type)


def _read_manifest(raw: bytes, fields: Fields, expected: str | None) -> Manifest:
    config, subject = fields.inner("config"), fields.inner("subject")
    if config is None:
        raise fields.missing("config", "a descriptor, or manifests in an index")
    if fields.strict and not fields.array("layers"):
        raise fields.refuse("layers", "empty", "at least one layer")
    parsed = descriptors.read(config)
    return Manifest(
        raw=raw,
        media_type=_read_type(fields, expected, types.MANIFESTS, parsed.media_type),
        config=parsed,
        layers=tuple(descriptors.read(layer) for layer in fields.inners("layers")),
        annotations=fields.text_map("annotations"),
        artifact_type=descriptors.read_media_type(fields, "artifactType"),
        subject=descriptors.read(subject) if subject is not None else None,
    )


def _read_index(raw: bytes, fields: Fields, expected: str | None) -> Index:
    subject = fields.inner("subject")
    return Index(
        raw=raw,
        media_type=_read_type(fields, expected, types.INDEXES, ""),
        manifests=tuple(descriptors.read(one) for one in fields.inners("manifests")),
        annotations=fields.text_map("annotations"),
        artifact_type=descriptors.read_media_type(fields, "artifactType"),
        subject=descriptors.read(subject) if subject is not None else None,
    )


def _read_type(
    fields: Fields, expected: str | None, allowed: frozenset[str], config_type: str
) -> str:
    """The document's own media type, or the one expected of it, or the one its config suggests."""
    said = descriptors.read_media_type(fields, "mediaType")
    for found, where in ((said, '"mediaType"'), (expected, "the media type it came with")):
        if found is not None and found not in allowed:
            names = " or ".join(f'"{name}"' for name in sorted(allowed))
            raise BadDocument(f'{where} is "{found}": expected {names}', field="mediaType")
    if said is not None and expected is not None and said != expected:
        raise fields.refuse("mediaType", said, f'"{expected}"')
    if said is not None or expected is not None:
        return said or expected or ""
    if types.OCI_INDEX in allowed:
        return types.OCI_INDEX
    is_docker = config_type == types.DOCKER_CONFIG
    return types.DOCKER_MANIFEST if is_docker else types.OCI_MANIFEST
