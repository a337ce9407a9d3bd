"""Pulling over loopback, from a registry that behaves and from one that does not."""

from __future__ import annotations

import gzip
import io
import os
import random
import tarfile
from pathlib import Path

import pytest
from tests import places
from tests.contract.killing import killed_at
from tests.integration.transfer.conftest import MakeEngine, settings
from tests.registry import Handler, Registry, cut_after, hang_up, serving, status, times

from lamina.engine import Engine
from lamina.errors import Corrupt, Error, Invalid, NotFound, Unavailable
from lamina.fs import mounts
from lamina.image.select import NoSuchPlatform
from lamina.oci import media_type, reference
from lamina.oci import platform as platforms
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import ChainID, Digest
from lamina.oci.reference import Reference
from lamina.transfer.copy import Event, Outcome

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to own what it unpacks")


def noise(size: int, seed: int = 1) -> bytes:
    """Bytes that do not compress."""
    return random.Random(seed).randbytes(size)


def tar(*members: tuple[str, bytes | None]) -> bytes:
    """A tar of files and, where there is no content, directories."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for path, content in members:
            info = tarfile.TarInfo(path)
            info.mode = 0o755
            if content is None:
                info.type = tarfile.DIRTYPE
            else:
                info.size = len(content)
            archive.addfile(info, io.BytesIO(content or b""))
    return out.getvalue()


LAYERS = (
    tar(("etc", None), ("etc/a", b"1"), ("bin", None), ("bin/sh", noise(300_000))),
    tar(("etc", None), ("etc/b", noise(200_000, 2)), ("etc/.wh.a", b"")),
    tar(("etc/c", b"leans on the directory below")),
    tar(("opt", None), ("opt/x", noise(100_000, 3))),
)


def put(registry: Registry, *layers: bytes, name: str = "x", tag: str = "1") -> Descriptor:
    memory = places.Memory()
    root = places.image(memory, *layers, compress=True)
    registry.put(name, memory, root, tag)
    return root


def named(registry: Registry, text: str = "x:1") -> Reference:
    return reference.parse(f"{registry.host}/{text}")


def tree(engine: Engine, chain: ChainID) -> dict[str, bytes | None]:
    """The files of a snapshot; None for directories."""
    found: dict[str, bytes | None] = {}
    with mounts.opened(engine.snapshotter.view(chain)) as root:
        top = f"/proc/self/fd/{root}/."
        for directory, _, files in os.walk(top):
            found[os.path.relpath(directory, top)] = None
            for file in files:
                path = os.path.join(directory, file)
                found[os.path.relpath(path, top)] = Path(path).read_bytes()
    return found


def nothing_stayed(engine: Engine, spoilt: str = "") -> None:
    """No name, no snapshot, no draft; and nothing of the blob that was spoilt."""
    assert engine.store.names.list() == []
    assert engine.snapshotter.drafts() == []
    assert not (engine.root / "partial" / spoilt.replace(":", "-")).is_file()
    for digest, _ in engine.store.blobs.all():
        assert engine.store.blobs.read(digest) is not None
    engine.collect()
    assert list(engine.store.blobs.all()) == []
    assert engine.snapshotter.chains() == []


@root_only
@pytest.mark.parametrize("room", [0, 1 << 20])
def test_drawn_layers_that_wait_take_little_memory(
    registry: Registry, engine_at: MakeEngine, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    monkeypatch.setattr("lamina.transfer.landing._HELD", room)
    put(registry, *LAYERS)
    engine = engine_at(snapshotter="erofs")
    engine.pull(named(registry), workers=4)
    _, image = engine.image(f"{registry.host}/x:1")
    assert tree(engine, image.chain_id)["etc/c"] == b"leans on the directory below"
    assert engine.snapshotter.forms().tars == len(LAYERS)
    assert engine.snapshotter.drafts() == []


@root_only
@pytest.mark.parametrize("snapshotter", ["erofs", "overlay", "copying"])
@pytest.mark.parametrize("workers", [1, 4])
def test_an_image_is_pulled_and_unpacked(
    registry: Registry, engine_at: MakeEngine, snapshotter: str, workers: int
) -> None:
    root = put(registry, *LAYERS)
    engine = engine_at(snapshotter=snapshotter)
    events: list[Event] = []
    got = engine.pull(named(registry), workers=workers, tell=events.append)
    assert got.is_new
    assert got.descriptor == root
    _, image = engine.image(f"{registry.host}/x:1")
    assert engine.snapshotter.has(image.chain_id)
    found = tree(engine, image.chain_id)
    assert "etc/a" not in found
    assert found["etc/c"] == b"leans on the directory below"
    assert found["opt/x"] == noise(100_000, 3)
    assert engine.snapshotter.drafts() == []
    for layer in image.layers:
        assert engine.store.indexes.has(layer.diff_id)
        assert engine.store.diff_ids.get(layer.descriptor.digest) == layer.diff_id
    unpacked = [one for one in events if one.outcome is Outcome.UNPACKED]
    assert len(unpacked) == len(LAYERS)


@root_only
def test_a_tree_that_is_here_is_not_read_again(registry: Registry, engine: Engine) -> None:
    put(registry, *LAYERS)
    engine.pull(named(registry))
    put(registry, *LAYERS, tar(("new", b"2")), tag="2")
    events: list[Event] = []
    engine.pull(named(registry, "x:2"), tell=events.append)
    touched = {one.descriptor.digest for one in events if one.outcome is not Outcome.PRESENT}
    layers = engine.image(f"{registry.host}/x:2")[1].layers
    assert touched & {layer.descriptor.digest for layer in layers} == {layers[-1].descriptor.digest}


def test_what_is_here_is_not_moved(registry: Registry, engine: Engine) -> None:
    put(registry, *LAYERS)
    engine.pull(named(registry))
    before = registry.served("blobs")
    put(registry, *LAYERS[:2], tar(("new", b"2")), tag="2")
    assert not engine.pull(named(registry)).is_new
    assert registry.served("blobs") == before
    engine.pull(named(registry, "x:2"))
    assert registry.served("blobs") - before < 2000


@root_only
def test_a_tree_that_was_lost_is_made_again_from_what_is_here(
    registry: Registry, engine: Engine
) -> None:
    put(registry, *LAYERS)
    engine.pull(named(registry))
    _, image = engine.image(f"{registry.host}/x:1")
    for layer in reversed(image.layers):
        engine.snapshotter.remove(layer.chain_id)
    before = registry.served("blobs")
    engine.pull(named(registry))
    assert engine.snapshotter.has(image.chain_id)
    assert registry.served("blobs") == before


@root_only
@pytest.mark.parametrize("snapshotter", ["erofs", "overlay", "copying"])
def test_a_layer_that_stands_several_times_comes_once(
    registry: Registry, engine_at: MakeEngine, snapshotter: str
) -> None:
    empty = bytes(1024)
    put(registry, LAYERS[0], empty, LAYERS[1], empty, empty)
    engine = engine_at(snapshotter=snapshotter)
    engine.pull(named(registry))
    _, image = engine.image(f"{registry.host}/x:1")
    assert engine.snapshotter.has(image.chain_id)
    assert "etc/b" in tree(engine, image.chain_id)
    assert len(registry.requests("GET", "blobs")) == 4


def test_by_digest_no_name_is_given(registry: Registry, engine: Engine) -> None:
    root = put(registry, *LAYERS[:1])
    engine.pull(named(registry, f"x@{root.digest}"))
    assert engine.image(f"{registry.host}/x@{root.digest}")[0] == root
    assert [one.name for one in engine.store.names.list()] == [None]


def indexed(registry: Registry) -> tuple[Descriptor, dict[str, Descriptor]]:
    """A nested index of three platforms under the tag "1"."""
    memory = places.Memory()
    images = {}
    for text in ("linux/amd64", "linux/arm64", "linux/riscv64"):
        platform = platforms.parse(text)
        one = places.image(memory, tar((text, b"x")), platform=platform, compress=True)
        images[text] = Descriptor(one.media_type, one.digest, one.size, platform)
    inner = places.index(memory, images["linux/arm64"], images["linux/riscv64"])
    root = places.index(memory, images["linux/amd64"], inner)
    registry.put("x", memory, root, "1")
    return root, images


def test_of_an_index_one_platform_is_pulled(registry: Registry, engine: Engine) -> None:
    root, images = indexed(registry)
    arm = platforms.parse("linux/arm64")
    got = engine.pull(named(registry), platform=arm)
    assert got.descriptor.digest == root.digest
    has = {text: engine.store.blobs.has(one.digest) for text, one in images.items()}
    assert has == {"linux/amd64": False, "linux/arm64": True, "linux/riscv64": False}
    assert engine.image(f"{registry.host}/x:1", arm)[1].platform == arm


def test_all_platforms_are_pulled_when_asked_for(registry: Registry, engine: Engine) -> None:
    _, images = indexed(registry)
    engine.pull(named(registry), every=True)
    for text in images:
        image = engine.image(f"{registry.host}/x:1", platforms.parse(text))[1]
        assert all(engine.store.blobs.has(layer.descriptor.digest) for layer in image.layers)


def test_a_platform_that_there_is_not_is_said_so(registry: Registry, engine: Engine) -> None:
    indexed(registry)
    with pytest.raises(NoSuchPlatform, match="s390x"):
        engine.pull(named(registry), platform=platforms.parse("linux/s390x"))


# --- registries that do not behave


def spoil(registry: Registry, root: Descriptor, data: bytes, name: str = "x") -> str:
    """Put other bytes in place of the largest layer; its digest."""
    blobs = registry.blobs[name]
    digest = max(blobs, key=lambda one: len(blobs[one]))
    blobs[digest] = data
    return digest


@pytest.mark.parametrize("what", ["other", "shorter", "longer", "nothing"])
def test_a_blob_that_is_not_the_one_stops_the_pull(
    registry: Registry, engine: Engine, what: str
) -> None:
    root = put(registry, *LAYERS)
    good = max(registry.blobs["x"].values(), key=len)
    changed = bytes([good[-9] ^ 1])
    bad = {
        "other": good[:-9] + changed + good[-8:],
        "shorter": good[:-1],
        "longer": good + b"x",
        "nothing": b"",
    }[what]
    digest = spoil(registry, root, bad)
    with pytest.raises(Corrupt):
        engine.pull(named(registry))
    nothing_stayed(engine, digest)


def test_a_layer_of_another_diff_id_stops_the_pull(registry: Registry, engine: Engine) -> None:
    memory = places.Memory()
    root = places.image(memory, *LAYERS, compress=True)
    forged = places.image(memory, LAYERS[0], LAYERS[3], compress=True)
    # The manifest of one image with a layer of the other.
    raw = memory.blobs[forged.digest]
    one, two = (str(Digest.of(gzip.compress(LAYERS[at], mtime=0))) for at in (3, 1))
    size = {at: len(gzip.compress(LAYERS[at], mtime=0)) for at in (1, 3)}
    raw = raw.replace(one.encode(), two.encode())
    raw = raw.replace(f'"size":{size[3]}'.encode(), f'"size":{size[1]}'.encode())
    registry.put("x", memory, root)
    registry.manifests["x"]["1"] = (media_type.OCI_MANIFEST, raw)
    registry.manifests["x"][str(Digest.of(raw))] = (media_type.OCI_MANIFEST, raw)
    with pytest.raises(Corrupt, match="unpacks to"):
        engine.pull(named(registry))
    nothing_stayed(engine)


def test_a_bomb_is_not_unpacked(registry: Registry, engine: Engine) -> None:
    plain = tar(("zeros", bytes(300 << 20)))
    once = gzip.compress(plain, mtime=0)
    memory = places.Memory()
    layer = memory.put(once, media_type.OCI_LAYER_GZIP)
    del plain
    bomb = tar(("a", noise(10)))
    root = places.image(memory, bomb, compress=True)
    assert layer.size < 400_000
    raw = memory.blobs[root.digest]
    small = gzip.compress(bomb, mtime=0)
    raw = raw.replace(str(Digest.of(small)).encode(), str(layer.digest).encode())
    raw = raw.replace(f'"size":{len(small)}'.encode(), f'"size":{layer.size}'.encode())
    registry.put("x", memory, root)
    registry.manifests["x"]["1"] = (media_type.OCI_MANIFEST, raw)
    registry.manifests["x"][str(Digest.of(raw))] = (media_type.OCI_MANIFEST, raw)
    with pytest.raises(Error):
        engine.pull(named(registry))
    nothing_stayed(engine)


def test_a_config_of_fewer_layers_is_refused(registry: Registry, engine: Engine) -> None:
    memory = places.Memory()
    root = places.image(memory, *LAYERS[:2], compress=True)
    image = memory.blobs[root.digest]
    import json

    document = json.loads(image)
    document["layers"] = document["layers"][:1]
    raw = json.dumps(document).encode()
    registry.put("x", memory, root)
    registry.manifests["x"]["1"] = (media_type.OCI_MANIFEST, raw)
    registry.manifests["x"][str(Digest.of(raw))] = (media_type.OCI_MANIFEST, raw)
    with pytest.raises(Invalid):
        engine.pull(named(registry))
    nothing_stayed(engine)


def test_a_missing_blob_stops_the_pull(registry: Registry, engine: Engine) -> None:
    root = put(registry, *LAYERS)
    del registry.blobs["x"][spoil(registry, root, b"")]
    with pytest.raises(NotFound):
        engine.pull(named(registry))
    nothing_stayed(engine)


# --- what breaks off


def test_a_pull_that_broke_off_goes_on_where_it_was(registry: Registry, engine: Engine) -> None:
    put(registry, *LAYERS)
    blobs = registry.blobs["x"]
    digest = max(blobs, key=lambda one: len(blobs[one]))

    def break_for_good(handler: Handler) -> bool:
        first = len(registry.requests("GET", digest)) == 1
        return cut_after(200_000)(handler) if first else hang_up(handler)

    registry.faults.append(times(99, digest, "GET", break_for_good))
    with pytest.raises(Unavailable, match="broke off after 200000 of"):
        engine.pull(named(registry))
    registry.faults.clear()
    nothing_stayed(engine)
    engine.pull(named(registry))
    assert registry.requests("GET", digest)[-1].headers["range"] == "bytes=200000-"
    assert registry.served(digest) == len(blobs[digest])
    assert list((engine.root / "partial").iterdir()) == []


def test_what_was_kept_and_is_wrong_is_fetched_anew(registry: Registry, engine: Engine) -> None:
    put(registry, *LAYERS)
    blobs = registry.blobs["x"]
    digest = Digest(max(blobs, key=lambda one: len(blobs[one])))
    with engine.store.partial(digest) as partial:
        partial.write(b"wrong" * 1000)
    engine.pull(named(registry))
    assert engine.store.blobs.read(digest) == blobs[digest]


@pytest.mark.slow
def test_killed_at_any_moment_a_pull_goes_on_and_nothing_comes_twice(
    registry: Registry, tmp_path: Path
) -> None:
    put(registry, *LAYERS)
    name = named(registry)
    steps = 0
    for step in range(40, 900, 37):
        root = tmp_path / f"store-{step}"
        registry.seen.clear()

        def pull(root: Path = root) -> None:
            with Engine(settings(root)) as engine:
                engine.pull(name, workers=2)

        was_killed = killed_at(step, pull)
        with Engine(settings(root)) as engine:
            steps += was_killed
            if not engine.images():  # else it was killed when all was done
                assert was_killed
                engine.pull(name)
            _, image = engine.image(str(name))
            if os.geteuid() == 0:
                assert engine.snapshotter.has(image.chain_id)
            for digest, data in registry.blobs["x"].items():
                assert engine.store.blobs.read(Digest(digest)) == data
            engine.collect()
            assert engine.snapshotter.drafts() == []
        if not was_killed:
            break
    assert steps > 3


def test_a_mirror_is_asked_first_and_failing_it_the_registry(
    registry: Registry, tmp_path: Path
) -> None:
    from lamina.remote.hosts import HostFiles
    from lamina.remote.settings import RemoteSettings
    from lamina.values import replace

    root = put(registry, *LAYERS)
    with serving() as mirror:
        put(mirror, *LAYERS, name="copy/x")
        file = tmp_path / "registries.conf"
        file.write_text(
            f'[[registry]]\nprefix = "{registry.host}"\nlocation = "{registry.host}"\n'
            f'[[registry.mirror]]\nlocation = "{mirror.host}/copy"\ninsecure = true\n'
        )
        mirror.faults.append(times(9, "blobs", "GET", status(500)))
        base = settings(tmp_path / "store")
        assert base.remote is not None
        remote = RemoteSettings(hosts=HostFiles(registries=file), patience=base.remote().patience)
        with Engine(replace(base, remote=lambda: remote)) as engine:
            assert engine.pull(named(registry)).descriptor == root
        assert mirror.requests("HEAD", "/v2/copy/x/manifests/1")
        assert not registry.requests("HEAD", "manifests")
        assert registry.requests("GET", "blobs")


# --- Docker schema 1


def as_schema1(registry: Registry, tag: str = "old") -> bytes:
    """An image of two layers under a tag, signed as Docker once did."""
    from lamina.image import view
    from lamina.oci import schema1
    from lamina.oci.schema1.keys import SigningKey

    memory = places.Memory()
    image = view.load(memory, places.image(memory, *LAYERS[:2], compress=True))
    raw = schema1.make(
        image.manifest, image.config, "x", tag, SigningKey.generate(), time="2015-01-01T00:00:00Z"
    )
    registry.put("x", memory, image.descriptor)
    registry.manifests["x"] = dict.fromkeys(
        (tag, str(schema1.digest(raw))), (media_type.SCHEMA1_SIGNED, raw)
    )
    return raw


def test_an_old_manifest_becomes_an_image(registry: Registry, engine: Engine) -> None:
    from lamina.oci import schema1

    raw = as_schema1(registry)
    got = engine.pull(named(registry, "x:old"))
    assert got.descriptor.media_type == media_type.DOCKER_MANIFEST
    _, image = engine.image(f"{registry.host}/x:old")
    assert [layer.diff_id for layer in image.layers] == [Digest.of(one) for one in LAYERS[:2]]
    if os.geteuid() == 0:
        assert "etc/a" not in tree(engine, image.chain_id)
    again = engine.pull(named(registry, f"x@{schema1.digest(raw)}"))
    assert again.descriptor == got.descriptor


def test_an_old_manifest_that_was_changed_is_refused(registry: Registry, engine: Engine) -> None:
    from lamina.oci import schema1

    raw = as_schema1(registry)
    digest = schema1.digest(raw)
    forged = raw.replace(b'"architecture": "amd64"', b'"architecture": "arm64"')
    assert forged != raw
    for name in registry.manifests["x"]:
        registry.manifests["x"][name] = (media_type.SCHEMA1_SIGNED, forged)
    for text in ("x:old", f"x@{digest}"):
        with pytest.raises(Corrupt):
            engine.pull(named(registry, text))
    nothing_stayed(engine)
