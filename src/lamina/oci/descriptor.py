"""Descriptors: typed pointers to content (image-spec, descriptor.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from lamina.oci.digest import Digest
from lamina.oci.platform import Platform


@dataclass(frozen=True, slots=True)
class Descriptor:
    """What kind of bytes, which bytes, and how many."""

    media_type: str
    digest: Digest
    size: int  # bytes, as stored
    platform: Platform | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)
    artifact_type: str | None = None
    urls: tuple[str, ...] = ()
    data: bytes | None = None
