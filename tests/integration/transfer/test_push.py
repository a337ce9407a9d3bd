"""Pushing over loopback: compressed on the way, sent once, mounted where it can be."""

from __future__ import annotations

import hashlib
import io
import json
import zlib

import pytest
from tests import places
from tests.integration.transfer.conftest import MakeEngine
from tests.integration.transfer.test_pull import LAYERS, noise, tar
from tests.registry import Registry, cut_after, times

from lamina.engine import Engine
from lamina.errors import Corrupt, NotFound
from lamina.layer.compress import decompressed
from lamina.layer.crc import Crc
from lamina.oci import media_type as types
from lamina.oci import platform as platforms
from lamina.oci import reference
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest
from lamina.oci.reference import Reference
from lamina.transfer.copy import Event, Outcome
from lamina.transfer.push import Manner, NotWhole, rewritten

LARGE = tar(("large", noise(2_500_000)), ("text", b"words " * 100_000))


def keep(engine: Engine, name: Reference, *layers: bytes, **options: object) -> Descriptor:
    """An image of plain layers in the store."""
    memory = places.Memory()
    root = places.image(memory, *layers, **options)
    for data in memory.blobs.values():
        engine.store.blobs.put(data)
    engine.store.names.tag(str(name), root)
    return root


def named(registry: Registry, text: str = "x:1") -> Reference:
    return reference.parse(f"{registry.host}/{text}")


def manifest(registry: Registry, name: str = "x", tag: str = "1") -> dict[str, object]:
    return json.loads(registry.manifests[name][tag][1])


@pytest.mark.parametrize(
    ("compression", "media_type"),
    [("gzip", types.OCI_LAYER_GZIP), ("zstd", types.OCI_LAYER_ZSTD), ("none", types.OCI_LAYER)],
)
def test_plain_layers_are_compressed_on_the_way(
    registry: Registry, engine: Engine, compression: str, media_type: str
) -> None:
    keep(engine, named(registry), LARGE, *LAYERS)
    sent = engine.push(named(registry), Manner(compression=compression))
    found = manifest(registry)
    assert sent.descriptor.digest == Digest.of(registry.manifests["x"]["1"][1])
    for layer, plain in zip(found["layers"], (LARGE, *LAYERS), strict=True):
        assert layer["mediaType"] == media_type
        blob = registry.blobs["x"][layer["digest"]]
        assert len(blob) == layer["size"]
        kind = None if compression != "none" else "none"
        with decompressed(io.BytesIO(blob), kind) as stream:
            assert stream.read() == plain


def test_the_same_push_gives_the_same_digest_and_sends_nothing(
    registry: Registry, engine: Engine
) -> None:
    keep(engine, named(registry), LARGE, *LAYERS)
    first = engine.push(named(registry), Manner())
    registry.seen.clear()
    events: list[Event] = []
    second = engine.push(named(registry), Manner(), tell=events.append)
    assert second.descriptor == first.descriptor
    assert not registry.requests("POST") and not registry.requests("PATCH")
    assert not [one for one in events if one.outcome is Outcome.MOVING]


def test_what_is_not_remembered_comes_out_the_same(
    registry: Registry, engine_at: MakeEngine
) -> None:
    digests = set()
    for place in ("one", "two"):
        engine = engine_at(place)
        keep(engine, named(registry, f"{place}:1"), LARGE)
        sent = engine.push(named(registry, f"{place}:1"), Manner())
        digests.add(sent.descriptor.digest)
    assert len(digests) == 1


def test_to_another_repository_blobs_are_mounted(registry: Registry, engine: Engine) -> None:
    root = keep(engine, named(registry), LARGE)
    engine.push(named(registry), Manner())
    engine.store.names.tag(str(named(registry, "y:1")), root)
    registry.seen.clear()
    events: list[Event] = []
    engine.push(named(registry, "y:1"), Manner(), tell=events.append)
    assert not registry.requests("PATCH")
    assert [one for one in events if one.outcome is Outcome.MOUNTED]
    assert registry.blobs["y"].keys() == registry.blobs["x"].keys()


def test_what_was_pulled_is_mounted_where_it_goes(registry: Registry, engine: Engine) -> None:
    memory = places.Memory()
    root = places.image(memory, LARGE, compress=True)
    registry.put("x", memory, root, "1")
    engine.pull(named(registry))
    engine.store.names.tag(str(named(registry, "y:1")), root)
    sent = engine.push(named(registry, "y:1"), Manner())
    assert sent.descriptor.digest == root.digest
    assert not registry.requests("PATCH") and not registry.requests("PUT", "blobs")


def test_what_was_deleted_there_is_sent_again(registry: Registry, engine: Engine) -> None:
    keep(engine, named(registry), LARGE)
    engine.push(named(registry), Manner())
    before = dict(registry.blobs["x"])
    registry.blobs.clear()
    engine.push(named(registry), Manner())
    assert registry.blobs["x"] == before


def test_a_compressed_upload_that_broke_goes_on(registry: Registry, engine: Engine) -> None:
    keep(engine, named(registry), LARGE)
    registry.faults.append(times(2, "uploads", "PATCH", cut_after(1_000_000)))
    engine.push(named(registry), Manner())
    assert len(registry.requests("PATCH")) == 3
    (layer,) = manifest(registry)["layers"]
    assert hashlib.sha256(registry.blobs["x"][layer["digest"]]).hexdigest() in layer["digest"]
    assert zlib.decompress(registry.blobs["x"][layer["digest"]], 31) == LARGE


DAMAGES = {
    "a bit": LARGE[:1000] + bytes([LARGE[1000] ^ 1]) + LARGE[1001:],
    "the last byte": LARGE[:-1] + b"x",
    "truncated": LARGE[:-512],
    "grown": LARGE + bytes(512),
}


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
@pytest.mark.parametrize("is_known", [True, False], ids=["by its CRC-32", "by its digest"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_layer_that_the_disk_has_changed_is_not_sent(
    registry: Registry, engine: Engine, damage: str, is_known: bool, compression: str
) -> None:
    keep(engine, named(registry), LARGE)
    digest = Digest.of(LARGE)
    if is_known:
        engine.store.crcs.put(digest, Crc().plus(LARGE))
    path = engine.store.blobs.path(digest)
    path.chmod(0o644)
    path.write_bytes(DAMAGES[damage])
    with pytest.raises(Corrupt, match="damaged"):
        engine.push(named(registry), Manner(compression=compression))
    # The session was given up, and never ended: at most the config is there.
    assert registry.requests("DELETE", "uploads") and not registry.uploads
    assert all(data.startswith(b"{") for data in registry.blobs.get("x", {}).values())
    assert "x" not in registry.manifests
    path.write_bytes(LARGE)
    engine.push(named(registry), Manner(compression=compression))
    assert len(registry.blobs["x"]) == 2


def test_a_layer_of_an_older_store_is_known_once_it_was_sent(
    registry: Registry, engine: Engine
) -> None:
    keep(engine, named(registry), LARGE)
    assert engine.store.crcs.get(Digest.of(LARGE)) is None
    engine.push(named(registry), Manner())
    assert engine.store.crcs.get(Digest.of(LARGE)) == Crc().plus(LARGE)


def test_whoever_forges_a_layer_and_what_is_known_of_it_is_found_by_who_unpacks_it(
    registry: Registry, engine_at: MakeEngine
) -> None:
    engine, forged = engine_at("sender"), tar(("large", noise(2_500_000, 2)))
    keep(engine, named(registry), LARGE)
    path = engine.store.blobs.path(Digest.of(LARGE))
    path.chmod(0o644)
    path.write_bytes(forged)
    engine.store.crcs.put(Digest.of(LARGE), Crc().plus(forged))
    engine.push(named(registry), Manner())
    with pytest.raises(Corrupt, match="but the config says"):
        engine_at("receiver", "copying").pull(named(registry))


def index_of(engine: Engine, registry: Registry, *lacking: str) -> Descriptor:
    memory = places.Memory()
    images = []
    for text in ("linux/amd64", "linux/arm64"):
        platform = platforms.parse(text)
        one = places.image(memory, tar((text, noise(100))), platform=platform)
        images.append(Descriptor(one.media_type, one.digest, one.size, platform))
    root = places.index(memory, *images)
    for digest, data in memory.blobs.items():
        if digest not in [one.digest for one in images if str(one.platform) in lacking]:
            engine.store.blobs.put(data)
    engine.store.names.tag(str(named(registry)), root)
    return root


def test_an_index_goes_with_all_its_images_rewritten(registry: Registry, engine: Engine) -> None:
    root = index_of(engine, registry)
    sent = engine.push(named(registry), Manner())
    assert sent.descriptor.digest != root.digest
    for one in manifest(registry)["manifests"]:
        raw = registry.manifests["x"][one["digest"]][1]
        assert len(raw) == one["size"]
        assert one["platform"]["os"] == "linux"
        for layer in json.loads(raw)["layers"]:
            assert layer["mediaType"] == types.OCI_LAYER_GZIP


def test_of_an_index_that_is_here_in_part_the_one_image_goes(
    registry: Registry, engine: Engine
) -> None:
    index_of(engine, registry, "linux/arm64")
    engine.push(named(registry), Manner())
    assert "config" in manifest(registry)


def test_one_platform_goes_where_it_is_asked_for(registry: Registry, engine: Engine) -> None:
    index_of(engine, registry)
    engine.push(named(registry), Manner(), platform=platforms.parse("linux/arm64"))
    assert "config" in manifest(registry)


def test_of_an_index_of_which_nothing_is_here_nothing_goes(
    registry: Registry, engine: Engine
) -> None:
    index_of(engine, registry, "linux/arm64", "linux/amd64")
    with pytest.raises(NotWhole, match="of which 0 are here"):
        engine.push(named(registry), Manner())


def test_what_is_not_here_is_not_pushed(registry: Registry, engine: Engine) -> None:
    engine.store.names.list()
    with pytest.raises(NotFound):
        engine.push(named(registry), Manner())


def test_a_document_that_nothing_changes_keeps_its_bytes() -> None:
    raw = b'{ "schemaVersion": 2, "layers": [] }'
    assert rewritten(raw, {}) == raw


def test_a_rewritten_document_keeps_what_it_does_not_know() -> None:
    old, new = Digest.of(b"old"), Digest.of(b"new")
    raw = json.dumps(
        {
            "x": 1,
            "layers": [{"mediaType": "a/b", "digest": old, "size": 3, "annotations": {"k": "v"}}],
        }
    ).encode()
    found = json.loads(rewritten(raw, {old: Descriptor("c/d", new, 9)}))
    assert found["x"] == 1
    layer = {"mediaType": "c/d", "digest": new, "size": 9, "annotations": {"k": "v"}}
    assert found["layers"] == [layer]
