"""Real manifests, configs, layouts and archives, with the facts that other tools tell of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from lamina.errors import Error, Invalid, NotFound, Unsupported
from lamina.image import docker_archive, graph
from lamina.image.archive import LayoutFetcher, Loaded, read_archive, read_layout, recognise
from lamina.image.members import Members, TarMembers, opened
from lamina.image.validate import validate
from lamina.oci import config, descriptor, document, manifest, schema1
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest
from lamina.oci.document import Kind
from lamina.oci.manifest import Index, Manifest
from places import Memory

CASES = Path(__file__).parents[2] / "../shared/cases/manifests"
pytestmark = pytest.mark.skipif(not CASES.exists(), reason="../shared/cases is not here")

WANTED_FIELDS = ("config", "layers", "manifests", "subject", "annotations", "artifactType")


@cache
def rows(name: str) -> list[dict]:
    return [json.loads(line) for line in (CASES / f"{name}.jsonl").read_text().splitlines()]


def score() -> list[tuple[str, int, int, list[str]]]:
    """(kind, passed, total, failing ids) of each kind, schema 1 by itself."""
    if not CASES.exists():
        return []
    scores = []
    for kind, (name, differ, chosen) in DIFFERS.items():
        ours = [row for row in rows(name) if chosen(row)]
        failing = [row["id"] for row in ours if differ(row)]
        scores.append((f"manifests: {kind}", len(ours) - len(failing), len(ours), failing))
    return scores


# --- documents


def is_schema1(row: dict) -> bool:
    return row["facts"].get("kind", "").startswith("schema1")


def document_differs(row: dict) -> str | None:
    """The kind and the fields that are told, and each again out of the parsed values."""
    raw, facts = (CASES / row["file"]).read_bytes(), row["facts"]
    if (len(raw), str(Digest.of(raw))) != (facts["bytes"], facts["digest"]):
        return "digest"
    try:
        found = document.load(raw, "document", limit=document.CONFIG_LIMIT)
    except Invalid as error:
        return f"refused: {error}" if facts["json"] else None
    if document.kind(found) != facts["kind"]:
        return f"kind is {document.kind(found)}"
    told = {"schema_version": found.get("schemaVersion"), "media_type": found.get("mediaType")}
    if any(told[key] != facts[key] for key in told):
        return str(told)
    if "libtrust" in row and (why := signature_differs(row)):
        return why
    return PARSED[document.kind(found)](raw, facts)


def manifest_differs(raw: bytes, facts: dict) -> str | None:
    try:
        found = manifest.parse(raw)
    except Invalid as error:
        return None if is_dishonest(facts) else f"refused: {error}"
    if is_dishonest(facts):
        return "accepted"
    told: dict[str, object] = {
        "annotations": dict(found.annotations),
        "artifactType": found.artifact_type,
        "subject": found.subject and found.subject.to_json(),
    }
    if isinstance(found, Manifest):
        told["config"] = found.config.to_json()
        told["layers"] = [layer.to_json() for layer in found.layers]
    else:
        told["manifests"] = [one.to_json() for one in found.manifests]
    for key in WANTED_FIELDS:
        if (told.get(key) or None) != (facts.get(key) or None):
            return f"{key}: {told.get(key)} is not {facts.get(key)}"
    return None if str(found.digest) == facts["digest"] else "digest of the parsed document"


def is_dishonest(facts: dict) -> bool:
    """A media type that contradicts the fields, or a descriptor that points at nothing."""
    types = {"manifest": manifest.types.MANIFESTS, "index": manifest.types.INDEXES}
    said = facts["media_type"]
    if said is not None and said not in types[facts["kind"]]:
        return True
    pointers = [facts.get("config"), *(facts.get("layers") or ()), *(facts.get("manifests") or ())]
    return any(pointer is not None and not pointer["digest"] for pointer in pointers)


def config_differs(raw: bytes, facts: dict) -> str | None:
    try:
        found = config.parse(raw)
    except Invalid as error:
        return f"refused: {error}"
    told = [list(found.diff_ids), found.platform.os, found.platform.architecture]
    wanted = [facts["diff_ids"] or [], facts["os"], facts["architecture"]]
    return None if told == wanted else f"{told} is not {wanted}"


def refusal_differs(raw: bytes, facts: dict) -> str | None:
    """What is no manifest of a kind known here must be refused, and by name."""
    try:
        manifest.parse(raw)
    except (Invalid, Unsupported):
        return None
    return "accepted"


def schema1_differs(raw: bytes, facts: dict) -> str | None:
    if why := refusal_differs(raw, facts):
        return why
    try:
        found = schema1.read(raw)
    except Invalid as error:
        return f"refused: {error}"
    told = {
        "name": found.name,
        "tag": found.tag,
        "architecture": found.architecture,
        "fs_layers": list(found.fs_layers),
        "history_count": len(found.history),
        "v1": [
            {"id": one.id, "parent": one.parent, "throwaway": one.throwaway}
            for one in found.history
        ],
    }
    wanted = {key: facts[key] for key in told}
    return None if told == wanted else f"{told} is not {wanted}"


def signature_differs(row: dict) -> str | None:
    """The payload, and who signed it, as libtrust says."""
    raw, wanted = (CASES / row["file"]).read_bytes(), row["libtrust"]
    try:
        signed = schema1.payload(raw)
    except schema1.BadSignature as error:
        return None if "parse_error" in wanted else f"refused: {error}"
    told: dict[str, object] = {
        "payload_digest": schema1.digest(raw),
        "payload_length": len(signed),
        "raw_digest": Digest.of(raw),
    }
    try:
        keys = schema1.verify(raw)
    except schema1.BadSignature:
        told["verify_error"] = "invalid signature"
    else:
        told["verified"] = True
        told["key_ids"] = [key.id for key in keys]
        told["key_types"] = [key.type for key in keys]
    return None if told == wanted else f"{told} is not {wanted}"


PARSED: dict[Kind, Callable[[bytes, dict], str | None]] = {
    Kind.MANIFEST: manifest_differs,
    Kind.INDEX: manifest_differs,
    Kind.CONFIG: config_differs,
    Kind.SCHEMA1: schema1_differs,
    Kind.SCHEMA1_SIGNED: schema1_differs,
    Kind.ARTIFACT: refusal_differs,
    Kind.OTHER: refusal_differs,
}


def schema_differs(row: dict) -> str | None:
    readers: dict[str, Callable[[bytes], object]] = {
        "config": lambda raw: config.parse(raw, strict=True),
        "manifest": lambda raw: a(Manifest, manifest.parse(raw, strict=True)),
        "imageindex": lambda raw: a(Index, manifest.parse(raw, strict=True)),
        "descriptor": lambda raw: descriptor.parse(
            document.load(raw, "descriptor"), "", strict=True
        ),
    }
    try:
        readers[row["what"]](row["document"].encode())
    except Invalid as error:
        return f"refused: {error}" if row["valid"] else None
    return None if row["valid"] else "accepted"


def a(kind: type, found: object) -> object:
    if not isinstance(found, kind):
        raise Invalid(f"expected {kind.__name__}")
    return found


# --- layouts


def layout_differs(row: dict) -> str | None:
    root = CASES / row["dir"]
    with opened(root) as members:
        index = read_layout(members)
        fetcher = LayoutFetcher(members)
        if len(index.manifests) != len(row["index"]):
            return "entries"
        for told, wanted in zip(index.manifests, row["index"], strict=True):
            if entry_facts(told) != {key: value for key, value in wanted.items() if value}:
                return f"{told} is not {wanted}"
        there = {path.name for path in root.glob("blobs/*/*")}
        reached, missing = reach(fetcher, index.manifests)
        wrong = {
            breach.digest
            for one in index.manifests
            for breach in validate(fetcher, one)
            if breach.rule in ("digest", "size")
        }
    told_facts = {
        "blobs_ok": len(there) - len(wrong),
        "blobs_with_wrong_digest": sorted(wrong),
        "missing_blobs": sorted(missing),
        "unreferenced_blobs": sorted(f"sha256:{name}" for name in there - reached),
    }
    wanted_facts = {key: row[key] for key in told_facts}
    return None if told_facts == wanted_facts else f"{told_facts} is not {wanted_facts}"


def entry_facts(entry: Descriptor) -> dict[str, object]:
    return {key: value for key, value in entry.to_json().items() if key != "artifactType"}


def reach(fetcher: LayoutFetcher, entries: tuple[Descriptor, ...]) -> tuple[set[str], set[str]]:
    """The hexadecimal names of all blobs that are pointed at, and the digests that are not there.

    One layout has a manifest without config, which is refused, but its layers count as pointed at.
    """
    reached: set[str] = set()
    missing: set[str] = set()
    todo = list(entries)
    while todo:
        one = todo.pop()
        if one.digest.encoded in reached:
            continue
        reached.add(one.digest.encoded)
        try:
            raw = fetcher.open(one).read()
        except NotFound:
            missing.add(str(one.digest))
            continue
        if one.media_type in manifest.types.MANIFESTS | manifest.types.INDEXES:
            todo += pointers(raw)
    return reached, missing


def pointers(raw: bytes) -> list[Descriptor]:
    try:
        return list(graph.children(manifest.parse(raw)))
    except Invalid:
        layers = document.load(raw, "manifest").get("layers")
        return [descriptor.parse(layer) for layer in layers] if isinstance(layers, list) else []


# --- archives


def archive_differs(row: dict) -> str | None:
    """The kind, the entries, and that every image loads, and is whole where the facts say so."""
    path = CASES / row["file"]
    if str(Digest.of(path.read_bytes())) != row["sha256"]:
        return "digest"
    if "error" in row or row["kind"] == "plain-tar":
        return archive_refused(path)
    with opened(path) as members:
        if recognise(members) != row["kind"]:
            return f"kind is {recognise(members)}"
        if why := contents_differ(members, row):
            return why
    place = Memory()
    is_whole = all(one.get("diff_ids_match", True) for one in row.get("images") or ())
    try:
        found = read_archive(path, place)
    except Error as error:
        return f"refused: {error}" if is_whole else None
    if not is_whole:
        breaches = [breach for one in found for breach in validate(place, one.descriptor)]
        return None if breaches else "accepted"
    return loaded_differs(place, found, row)


def archive_refused(path: Path) -> str | None:
    try:
        read_archive(path, Memory())
    except Invalid as error:
        return None if "not an image archive" in str(error) else f"refused: {error}"
    return "accepted"


def contents_differ(members: Members, row: dict) -> str | None:
    if row.get("index") is not None:
        told = [one.to_json() for one in read_layout(members).manifests]
        wanted = [{k: v for k, v in one.items() if v is not None} for one in row["index"]]
        if told != wanted:
            return f"{told} is not {wanted}"
    if row.get("images") is not None:
        assert isinstance(members, TarMembers)
        told_items = [
            [item.config, list(item.tags), list(item.layers)]
            for item in docker_archive.items(members)
        ]
        wanted_items = [
            [one["config"], one["repo_tags"] or [], one["layers"] or []] for one in row["images"]
        ]
        if told_items != wanted_items:
            return f"{told_items} is not {wanted_items}"
    return None


def loaded_differs(place: Memory, found: list[Loaded], row: dict) -> str | None:
    if not found:
        return "nothing was loaded"
    for one in found:
        if breaches := validate(place, one.descriptor):
            return "; ".join(map(str, breaches))
    for at, image in enumerate(row.get("images") or ()):
        loaded = manifest.parse(place.blobs[found[at].descriptor.digest])
        assert isinstance(loaded, Manifest)
        if loaded.config.digest != image["image_id"]:
            return f"image ID is {loaded.config.digest}"
        diff_ids = config.parse(place.blobs[loaded.config.digest]).diff_ids
        if list(diff_ids) != (image["diff_ids"] or []):
            return f"diff IDs are {diff_ids}"
    return None


DIFFERS: dict[str, tuple[str, Callable[[dict], str | None], Callable[[dict], bool]]] = {
    "documents": ("index", document_differs, lambda row: not is_schema1(row)),
    "schema 1 and signatures": ("index", document_differs, is_schema1),
    "schema_tests": ("schema_tests", schema_differs, lambda row: True),
    "layouts": ("layouts", layout_differs, lambda row: True),
    "archives": ("archives", archive_differs, lambda row: True),
}


@pytest.mark.parametrize("kind", DIFFERS)
def test_every_fact_is_told_as_stated(kind: str) -> None:
    name, differ, chosen = DIFFERS[kind]
    differing = {row["id"]: why for row in rows(name) if chosen(row) and (why := differ(row))}
    assert differing == {}
