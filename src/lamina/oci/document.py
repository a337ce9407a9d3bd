"""JSON documents: raw bytes in, checked fields out, and the same bytes for the same values.

What a peer sends is bounded before it is parsed: bytes, depth, encoding.
A key that appears twice is refused, for readers disagree about which of the two counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum

from lamina.errors import Invalid
from lamina.late import json, re

MANIFEST_LIMIT = 4 << 20  # bytes (distribution-spec, "Pushing Manifests")
CONFIG_LIMIT = 8 << 20  # bytes
DEPTH_LIMIT = 100  # objects and arrays inside one another

_INT64 = 1 << 63


class BadDocument(Invalid):
    """A document is not what its kind requires; `field` is the path of the culprit."""

    def __init__(self, message: str, *, field: str = "", hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.field = field


class Kind(StrEnum):
    """What a JSON document is, by its fields."""

    MANIFEST = "manifest"
    INDEX = "index"
    CONFIG = "config"
    SCHEMA1 = "schema1"
    SCHEMA1_SIGNED = "schema1-signed"
    ARTIFACT = "oci-artifact-manifest"  # of a release candidate of image-spec 1.1, withdrawn
    OTHER = "other"


def load(raw: bytes, what: str, *, limit: int = MANIFEST_LIMIT) -> dict[str, object]:
    """The JSON object that `raw` spells; BadDocument names `what` it was to be."""
    found = _load(raw, what, limit)
    if not isinstance(found, dict):
        raise BadDocument(f"{what} is {_name(found)}: expected an object")
    return found


def load_array(raw: bytes, what: str, *, limit: int = MANIFEST_LIMIT) -> list[object]:
    """The JSON array that `raw` spells; BadDocument names `what` it was to be."""
    found = _load(raw, what, limit)
    if not isinstance(found, list):
        raise BadDocument(f"{what} is {_name(found)}: expected an array")
    return found


def _load(raw: bytes, what: str, limit: int) -> object:
    if len(raw) > limit:
        raise BadDocument(f"{what} is {len(raw)} bytes long: expected at most {limit}")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadDocument(f"{what} is not UTF-8 at byte {error.start}") from None
    try:
        found: object = json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except RecursionError:
        raise BadDocument(f"{what} nests deeper than {DEPTH_LIMIT} levels") from None
    except json.JSONDecodeError as error:
        raise BadDocument(
            f"{what} is not JSON: {error.msg[:1].lower()}{error.msg[1:]}"
            f" at line {error.lineno} column {error.colno}"
        ) from None
    except ValueError as error:  # an integer of thousands of digits
        raise BadDocument(f"{what} is not JSON: {error}") from None
    if raw.count(b"{") + raw.count(b"[") > DEPTH_LIMIT and _depth(found) > DEPTH_LIMIT:
        raise BadDocument(f"{what} nests deeper than {DEPTH_LIMIT} levels")
    if b"\\u" in raw and re.search(rb"\\u[dD][89a-fA-F]", raw):
        _refuse_lone_surrogates(found, what)
    return found


def dump(document: Mapping[str, object]) -> bytes:
    """Compact JSON in the order given, escaped as Go's encoder does."""
    return _dump(document)


def dump_array(documents: Sequence[Mapping[str, object]]) -> bytes:
    """Like `dump`, of an array."""
    return _dump(documents)


def _dump(document: object) -> bytes:
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    if not text.isascii():
        # Go's encoder writes U+FFFD for bytes that are not UTF-8.
        text = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        text = text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    text = text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    return text.encode("utf-8")


def kind(document: Mapping[str, object]) -> Kind:
    """What a document is, judged by its fields: a media type is only a claim."""
    media_type = document.get("mediaType")
    if media_type == "application/vnd.oci.artifact.manifest.v1+json":
        return Kind.ARTIFACT
    if "fsLayers" in document:
        return Kind.SCHEMA1_SIGNED if "signatures" in document else Kind.SCHEMA1
    if "manifests" in document:
        return Kind.INDEX
    if "layers" in document or (
        isinstance(document.get("config"), dict) and "schemaVersion" in document
    ):
        return Kind.MANIFEST
    if "rootfs" in document:
        return Kind.CONFIG
    return Kind.OTHER


class Fields:
    """The fields of one JSON object, read by type.

    A field that is null counts as absent, as in Go, unless `strict` follows the JSON schema.
    """

    __slots__ = ("_fields", "strict", "where")

    def __init__(self, found: object, where: str, *, strict: bool = False) -> None:
        self.where = where
        self.strict = strict
        if not isinstance(found, dict):
            raise self._wrong(found, "an object")
        self._fields: dict[str, object] = found

    def path(self, key: str) -> str:
        return f"{self.where}.{key}" if self.where else key

    def has(self, key: str) -> bool:
        return key in self._fields and (self.strict or self._fields[key] is not None)

    def others(self, known: frozenset[str]) -> dict[str, object]:
        """The fields that `known` does not name."""
        return {key: value for key, value in self._fields.items() if key not in known}

    def text(self, key: str, default: str = "") -> str:
        return self.optional_text(key) if self.has(key) else default  # type: ignore[return-value]

    def optional_text(self, key: str) -> str | None:
        if not self.has(key):
            return None
        value = self._fields[key]
        if not isinstance(value, str):
            raise self._wrong(value, "a string", key)
        return value

    def need_text(self, key: str) -> str:
        value = self.optional_text(key)
        if value is None:
            raise self.missing(key, "a string")
        return value

    def optional_integer(self, key: str) -> int | None:
        if not self.has(key):
            return None
        value = self._fields[key]
        if not isinstance(value, int) or isinstance(value, bool):
            raise self._wrong(value, "an integer", key)
        if not -_INT64 <= value < _INT64:
            raise self._wrong(value, "an integer of 64 bits", key)
        return value

    def need_integer(self, key: str) -> int:
        value = self.optional_integer(key)
        if value is None:
            raise self.missing(key, "an integer")
        return value

    def boolean(self, key: str) -> bool:
        if not self.has(key):
            return False
        value = self._fields[key]
        if not isinstance(value, bool):
            raise self._wrong(value, "true or false", key)
        return value

    def array(self, key: str, *, nullable: bool = False) -> list[object] | None:
        if not self.has(key) or (nullable and self._fields[key] is None):
            return None
        value = self._fields[key]
        if not isinstance(value, list):
            raise self._wrong(value, "an array", key)
        return value

    def texts(self, key: str, *, nullable: bool = False) -> tuple[str, ...] | None:
        values = self.array(key, nullable=nullable)
        if values is None:
            return None
        for at, value in enumerate(values):
            if not isinstance(value, str):
                raise self._wrong(value, "a string", f"{key}[{at}]")
        return tuple(values)  # type: ignore[arg-type]

    def inner(self, key: str, *, nullable: bool = False) -> Fields | None:
        if not self.has(key) or (nullable and self._fields[key] is None):
            return None
        return Fields(self._fields[key], self.path(key), strict=self.strict)

    def inners(self, key: str, *, nullable: bool = False) -> Iterator[Fields]:
        for at, value in enumerate(self.array(key, nullable=nullable) or ()):
            yield Fields(value, f"{self.path(key)}[{at}]", strict=self.strict)

    def text_map(self, key: str, *, nullable: bool = False) -> dict[str, str]:
        found = self.inner(key, nullable=nullable)
        if found is None:
            return {}
        return {name: found.text(name) for name in found._fields}

    def keys_of(self, key: str, *, nullable: bool = False) -> tuple[str, ...]:
        """The members of a set, which Docker spells as an object of empty objects."""
        found = self.inner(key, nullable=nullable)
        if found is None:
            return ()
        for name, value in found._fields.items():
            if value is not None and not isinstance(value, dict):
                raise found._wrong(value, "an object", name)
        return tuple(found._fields)

    def missing(self, key: str, expected: str) -> BadDocument:
        path = self.path(key)
        return BadDocument(f'"{path}" is missing: expected {expected}', field=path)

    def refuse(self, key: str, value: object, expected: str) -> BadDocument:
        """The error for a value of the right type that is wrong otherwise."""
        path = self.path(key)
        return BadDocument(f'"{path}" is "{value}": expected {expected}', field=path)

    def _wrong(self, value: object, expected: str, key: str = "") -> BadDocument:
        path = self.path(key) if key else self.where
        return BadDocument(f'"{path}" is {_name(value)}: expected {expected}', field=path)


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise BadDocument(f'"{key}" appears twice in one object', field=key)
            seen.add(key)
    return found


def _refuse_constant(text: str) -> object:
    raise BadDocument(f'"{text}" is not JSON')


def _depth(found: object) -> int:
    deepest = 0
    todo: list[tuple[object, int]] = [(found, 1)]
    while todo:
        value, depth = todo.pop()
        deepest = max(deepest, depth)
        if isinstance(value, dict):
            todo.extend((inner, depth + 1) for inner in value.values())
        elif isinstance(value, list):
            todo.extend((inner, depth + 1) for inner in value)
        else:
            deepest = max(deepest, depth - 1)
    return deepest


def _refuse_lone_surrogates(found: object, what: str) -> None:
    try:
        json.dumps(found, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        raise BadDocument(f"{what} has half of a surrogate pair, which no text has") from None


def _name(value: object) -> str:
    """What a JSON value is, in words."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'the string "{value[:40]}"'
    if isinstance(value, int | float):
        return f"the number {value}" if abs(value) < 10**30 else "a huge number"
    return "an array" if isinstance(value, list) else "an object"
