"""What a schema 1 manifest says (manifest-v2-1.md)."""

from __future__ import annotations

from lamina.oci import document
from lamina.oci.document import BadDocument, Fields, Kind
from lamina.values import dataclass, field


@dataclass(frozen=True, slots=True)
class V1Image:
    """What a schema 1 manifest says of one layer, out of the JSON text within its JSON."""

    id: str
    parent: str | None
    throwaway: bool  # the instruction changed no file
    text: str = field(default="", repr=False, compare=False)  # the JSON itself: v1Compatibility


@dataclass(frozen=True, slots=True)
class Schema1:
    """The facts of a schema 1 manifest, newest layer first; nothing is verified."""

    is_signed: bool
    name: str
    tag: str
    architecture: str
    fs_layers: tuple[str, ...]  # digests of blobs
    history: tuple[V1Image, ...]
    version: int = 1  # as the document has it; no other is of this schema


def read(raw: bytes) -> Schema1:
    """The facts of the schema 1 manifest that `raw` spells; BadDocument if it is none."""
    found = document.load(raw, "manifest")
    kind = document.kind(found)
    if kind not in (Kind.SCHEMA1, Kind.SCHEMA1_SIGNED):
        raise BadDocument("manifest is not of Docker's schema 1")
    fields = Fields(found, "")
    return Schema1(
        is_signed=kind is Kind.SCHEMA1_SIGNED,
        name=fields.text("name"),
        tag=fields.text("tag"),
        architecture=fields.text("architecture"),
        fs_layers=tuple(layer.need_text("blobSum") for layer in fields.inners("fsLayers")),
        history=tuple(_read_v1(entry) for entry in fields.inners("history")),
        version=fields.need_integer("schemaVersion"),
    )


def v1_fields(text: str, where: str) -> Fields:
    """The fields of a v1Compatibility text; `where` is its path in the manifest."""
    return Fields(document.load(text.encode(), f'"{where}"'), where)


def _read_v1(entry: Fields) -> V1Image:
    text = entry.need_text("v1Compatibility")
    fields = v1_fields(text, entry.path("v1Compatibility"))
    return V1Image(
        id=fields.text("id"),
        parent=fields.optional_text("parent"),
        throwaway=fields.boolean("throwaway"),
        text=text,
    )
