"""Descriptors: typed pointers to content (image-spec, descriptor.md)."""

from __future__ import annotations

from collections.abc import Mapping

from lamina.errors import Invalid
from lamina.late import re
from lamina.oci import platform as platforms
from lamina.oci.digest import Digest
from lamina.oci.document import BadDocument, Fields
from lamina.oci.media_type import CONFIGS, INDEXES, MANIFESTS, OCI_LAYER, OCI_LAYER_GZIP
from lamina.oci.platform import Platform
from lamina.values import dataclass, field

_NAME = r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}"  # RFC 6838, section 4.2
_MEDIA_TYPE = f"{_NAME}/{_NAME}"
_USUAL = INDEXES | MANIFESTS | CONFIGS | {OCI_LAYER, OCI_LAYER_GZIP}


@dataclass(frozen=True, slots=True)
class Descriptor:
    """What kind of bytes, which bytes, and how many."""

    media_type: str
    digest: Digest
    size: int  # bytes, as stored
    platform: Platform | None = None
    annotations: Mapping[str, str] = field(default_factory=dict, hash=False)
    artifact_type: str | None = None
    urls: tuple[str, ...] = ()
    data: bytes | None = None

    def to_json(self) -> dict[str, object]:
        """The JSON object, fields in the order of the spec's own Go types."""
        found: dict[str, object] = {
            "mediaType": self.media_type,
            "digest": str(self.digest),
            "size": self.size,
        }
        if self.urls:
            found["urls"] = list(self.urls)
        if self.annotations:
            found["annotations"] = dict(sorted(self.annotations.items()))
        if self.data is not None:
            from base64 import b64encode

            found["data"] = b64encode(self.data).decode()
        if self.platform is not None:
            found["platform"] = platforms.to_json(self.platform)
        if self.artifact_type is not None:
            found["artifactType"] = self.artifact_type
        return found


def parse(found: object, where: str = "descriptor", *, strict: bool = False) -> Descriptor:
    """The descriptor that a JSON object spells; BadDocument says where and what was expected."""
    return read(Fields(found, where, strict=strict))


def read(fields: Fields) -> Descriptor:
    """The descriptor that `fields` hold."""
    size = fields.need_integer("size")
    if size < 0:
        raise fields.refuse("size", size, "a count of bytes")
    return Descriptor(
        media_type=read_media_type(fields, "mediaType") or _missing_type(fields),
        digest=_read_digest(fields),
        size=size,
        platform=_read_platform(fields),
        annotations=fields.text_map("annotations"),
        artifact_type=read_media_type(fields, "artifactType"),
        urls=_read_urls(fields),
        data=_read_data(fields),
    )


def read_media_type(fields: Fields, key: str) -> str | None:
    """The media type at `key`, None if absent (RFC 6838, section 4.2)."""
    text = fields.optional_text(key)
    if text is None or text in _USUAL:
        return text
    if not re.fullmatch(_MEDIA_TYPE, text):
        raise fields.refuse(key, text[:80], 'a media type like "application/json"')
    return text


def _missing_type(fields: Fields) -> str:
    raise fields.missing("mediaType", "a media type")


def _read_digest(fields: Fields) -> Digest:
    text = fields.need_text("digest")
    try:
        return Digest.opaque(text)
    except Invalid:
        raise fields.refuse("digest", text[:160], "a digest like sha256:<64 hex digits>") from None


def _read_platform(fields: Fields) -> Platform | None:
    found = fields.inner("platform")
    return platforms.read(found) if found is not None else None


def _read_urls(fields: Fields) -> tuple[str, ...]:
    urls = fields.texts("urls") or ()
    for at, url in enumerate(urls):
        if fields.strict and not re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*:[!-~]+", url):
            raise fields.refuse(f"urls[{at}]", url[:160], "a URI")
    return urls


def _read_data(fields: Fields) -> bytes | None:
    text = fields.optional_text("data")
    if text is None:
        return None
    from base64 import b64decode

    try:
        return b64decode(text, validate=True)
    except ValueError:
        raise BadDocument(
            f'"{fields.path("data")}" is not base64', field=fields.path("data")
        ) from None
