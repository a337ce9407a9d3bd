"""Whatever makes a plain layer keeps its CRC-32, so that a push need not hash it again."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from tests import places
from tests.e2e.machine import LOWER, UPPER, Machine, docker_archive, tar
from tests.registry import serving

from lamina.layer.crc import Crc
from lamina.layer.tar import read_index
from lamina.oci.digest import Digest
from lamina.store import Store

LAYER = tar(("dir/", None), ("dir/large", os.urandom(300_000)), ("small", b"s"))


def build(machine: Machine, scratch: Path) -> None:
    (scratch / "Dockerfile").write_text("FROM scratch\nCOPY . /\nCOPY large /other\n")
    (scratch / "large").write_bytes(os.urandom(300_000))
    machine.run("build", "-q", "-t", "x", scratch)


def import_(machine: Machine, scratch: Path) -> None:
    machine.run("import", "-", "x", stdin=LAYER)


def load(machine: Machine, scratch: Path) -> None:
    machine.run("load", stdin=docker_archive(tags=["x:latest"]))


def pull(machine: Machine, scratch: Path) -> None:
    memory = places.Memory()
    root = places.image(memory, LOWER, LAYER, UPPER)
    with serving() as registry:
        registry.put("x", memory, root, "1")
        machine.run("pull", "-q", f"{registry.host}/x:1")


@pytest.mark.parametrize(
    ("make", "count"),
    [(build, 2), (import_, 1), (load, 2), (pull, 3)],
    ids=["build", "import", "load", "pull"],
)
def test_it_is_kept_with_each_plain_layer(
    machine: Machine, tmp_path: Path, make: Callable[[Machine, Path], None], count: int
) -> None:
    (tmp_path / "scratch").mkdir()
    make(machine, tmp_path / "scratch")
    store = Store.open(machine.root)
    found = {digest: store.blobs.read(digest) for digest, _ in store.blobs.all()}
    tars = {digest: data for digest, data in found.items() if not data.startswith(b"{")}
    assert len(tars) == count
    for digest, data in tars.items():
        assert read_index(io.BytesIO(data))
        assert store.crcs.get(Digest(digest)) == Crc().plus(data)
    store.close()


def test_a_damaged_layer_goes_into_no_archive_either(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "scratch").mkdir()
    build(machine, tmp_path / "scratch")
    store = Store.open(machine.root)
    (largest, _), *_ = sorted(store.blobs.all(), key=lambda one: -one[1].st_size)
    path = store.blobs.path(largest)
    path.chmod(0o644)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)
    out = tmp_path / "image.tar"
    words = machine.fails("build", "-q", "-o", f"type=oci,dest={out}", tmp_path / "scratch")
    assert f'"{largest}" is damaged' in words
    assert not out.exists()
    store.close()
