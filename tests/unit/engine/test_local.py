from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from lamina.engine import Engine, Settings, layers, local
from lamina.engine.local import Use
from lamina.errors import Conflict, Corrupt, NotFound
from lamina.layer import index
from lamina.layer.entry import FILE, Entry
from lamina.oci.digest import DiffID, Digest


def tar(name: str, data: bytes) -> io.BytesIO:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        info = tarfile.TarInfo(name)
        info.size = len(data)
        archive.addfile(info, io.BytesIO(data))
    return io.BytesIO(out.getvalue())


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return Engine(Settings(root=tmp_path / "store", source_date_epoch=0))


def use(engine: Engine, name: str, *, is_running: bool = False) -> Use:
    descriptor, image = engine.image(name)
    return Use("c" * 64, image.id, descriptor.digest, is_running)


def test_an_engine_makes_no_store_to_look_into(engine: Engine) -> None:
    assert engine.images() == []
    assert engine.uses() == []
    assert all(row.total == 0 for row in engine.usage())
    with pytest.raises(NotFound):
        engine.image("x")
    assert not engine.root.exists()


def test_an_import_is_known_at_once(engine: Engine) -> None:
    imported = engine.import_tar(tar("a", b"12345"), "x")
    _, image = engine.image("x")
    assert image.id == imported.id
    store = engine.store
    assert store.indexes.has(image.layers[0].diff_id)
    assert layers.sizes(store, image.layers[0]).content == 5
    assert engine.images()[0].size == 5


def test_digests_of_files_are_taken_when_asked_for_and_kept(engine: Engine) -> None:
    engine.import_tar(tar("a", b"12345"), "x")
    store, layer = engine.store, engine.image("x")[1].layers[0]
    entries = [Entry("a", FILE, size=5, offset=512)]
    store.indexes.put(layer.diff_id, index.encode(entries))  # as a pull leaves it
    assert layers.digested(store, layer)[0].digest == Digest.of(b"12345")
    assert layers.entries(store, layer)[0].digest == Digest.of(b"12345")


def test_a_layer_is_read_again_when_what_was_known_is_lost(engine: Engine) -> None:
    engine.import_tar(tar("a", b"12345"), "x")
    layer = engine.image("x")[1].layers[0]
    before = layers.sizes(engine.store, layer), list(layers.entries(engine.store, layer))
    engine.store.records.delete(layers.SIZES, layer.diff_id)
    with engine.store.database.transaction() as connection:
        connection.execute("DELETE FROM indexes")
    after = layers.sizes(engine.store, layer), layers.entries(engine.store, layer)
    assert [entry.path for entry in after[1]] == [entry.path for entry in before[1]]
    assert after[0] == before[0]


def test_a_forged_diff_id_is_refused(engine: Engine) -> None:
    descriptor = engine.import_tar(tar("a", b"1"), "x").descriptor
    with pytest.raises(Corrupt, match="diff ID"):
        layers.check(DiffID(Digest.of(b"x")), Digest.of(b"y"), descriptor)


def test_a_running_container_keeps_its_image(engine: Engine) -> None:
    engine.import_tar(tar("a", b"1"), "x")
    running = [use(engine, "x", is_running=True)]
    for force in (False, True):
        with pytest.raises(Conflict, match="running container"):
            local.remove(engine.store, "x", force=force, uses=running)


def test_a_stopped_container_gives_way_to_force(engine: Engine) -> None:
    id = engine.import_tar(tar("a", b"1"), "x").id
    stopped = [use(engine, "x")]
    with pytest.raises(Conflict, match="stopped container"):
        local.remove(engine.store, "x", force=False, uses=stopped)
    removed = local.remove(engine.store, "x", force=True, uses=stopped)
    assert removed.untagged == ("docker.io/library/x:latest",)
    assert removed.deleted == ()
    assert engine.image(id)[1].id == id
    with pytest.raises(Conflict, match="is used by the container"):
        local.remove(engine.store, id, force=True, uses=stopped)


def test_one_of_several_names_goes_though_a_container_runs(engine: Engine) -> None:
    engine.import_tar(tar("a", b"1"), "x")
    engine.tag("x", "y")
    running = [use(engine, "x", is_running=True)]
    removed = local.remove(engine.store, "y", force=False, uses=running)
    assert removed.untagged == ("docker.io/library/y:latest",)


def test_one_damaged_image_does_not_hide_the_others(engine: Engine) -> None:
    engine.import_tar(tar("a", b"1"), "x")
    descriptor, _ = engine.image("x")
    engine.import_tar(tar("a", b"2"), "y")
    path = engine.store.blobs.path(descriptor.digest)
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[::-1])
    found = {one.named.name: one.image is None for one in engine.images()}
    assert found == {"docker.io/library/x:latest": True, "docker.io/library/y:latest": False}


def test_removing_frees_the_tree_too(engine: Engine) -> None:
    engine.import_tar(tar("a", b"1"), "x")
    _, image = engine.image("x")
    engine.unpack([(layer.descriptor, layer.diff_id) for layer in image.layers])
    assert engine.snapshotter.chains() == [image.chain_id]
    engine.remove_image("x")
    assert engine.snapshotter.chains() == []
    assert engine.store.records.items(layers.SIZES) == []
