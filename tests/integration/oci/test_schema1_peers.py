"""Schema 1 manifests beside skopeo: it verifies and reads ours, and we its own."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from lamina.errors import Corrupt
from lamina.oci import config, manifest, schema1
from lamina.oci.digest import Digest
from lamina.oci.manifest import Manifest
from lamina.oci.schema1.keys import SigningKey
from places import Memory, image, tar

pytestmark = pytest.mark.skipif(not shutil.which("skopeo"), reason="skopeo is not installed")


def skopeo(*arguments: str) -> str:
    command = ["skopeo", "--insecure-policy", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


class Source:
    """One image in an OCI layout, and its documents."""

    def __init__(self, place: Path) -> None:
        memory = Memory()
        pointer = image(memory, tar(a=b"1"), tar(b=b"2"), tar(c=b"3"))
        blobs = place / "blobs/sha256"
        blobs.mkdir(parents=True)
        for digest, data in memory.blobs.items():
            (blobs / digest.encoded).write_bytes(data)
        (place / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
        index = {"schemaVersion": 2, "manifests": [pointer.to_json()]}
        (place / "index.json").write_text(json.dumps(index))
        found = manifest.parse(memory.blobs[pointer.digest])
        assert isinstance(found, Manifest)
        self.place = place
        self.blobs = memory.blobs
        self.manifest = found
        self.config = config.parse(memory.blobs[found.config.digest])

    def diff_id(self, blob: Digest) -> object:
        digests = [layer.digest for layer in self.manifest.layers]
        return self.config.diff_ids[digests.index(blob)]


@pytest.fixture
def source(tmp_path: Path) -> Source:
    return Source(tmp_path / "source")


def test_what_skopeo_signs_is_verified_and_converted(source: Source, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    skopeo("copy", "--format", "v2s1", f"oci:{source.place}", f"dir:{theirs}")
    raw = (theirs / "manifest.json").read_bytes()
    assert len(schema1.verify(raw)) == 1
    assert skopeo("manifest-digest", f"{theirs}/manifest.json").strip() == schema1.digest(raw)
    found, blobs = schema1.to_image(schema1.read(raw), source.diff_id)
    assert blobs == tuple(layer.digest for layer in source.manifest.layers)
    assert found.diff_ids == source.config.diff_ids
    assert found.config == source.config.config
    with pytest.raises(Corrupt, match="signature 0"):
        schema1.verify(raw.replace(b"amd64", b"arm64", 1))


def test_skopeo_reads_and_would_have_written_what_is_made(source: Source, tmp_path: Path) -> None:
    key = SigningKey.generate()
    raw = schema1.make(
        source.manifest, source.config, "ns/repo", "v1", key, time="2020-01-01T00:00:00Z"
    )
    ours = tmp_path / "ours"
    ours.mkdir()
    (ours / "version").write_text("Directory Transport Version: 1.1\n")
    (ours / "manifest.json").write_bytes(raw)
    for blob in (*source.blobs.values(), schema1.GZIPPED_EMPTY_LAYER):
        (ours / Digest.of(blob).encoded).write_bytes(blob)
    assert skopeo("manifest-digest", f"{ours}/manifest.json").strip() == schema1.digest(raw)
    skopeo("copy", "--format", "oci", f"dir:{ours}", f"oci:{tmp_path}/back:x")
    back = json.loads(skopeo("inspect", "--config", "--raw", f"oci:{tmp_path}/back:x"))
    found, _ = schema1.to_image(schema1.read(raw), source.diff_id)
    assert back["rootfs"]["diff_ids"] == list(source.config.diff_ids)
    assert back["history"] == [entry.to_json() for entry in found.history]
    skopeo("copy", "--format", "v2s1", f"oci:{source.place}", f"dir:{tmp_path}/theirs")
    theirs = schema1.read((tmp_path / "theirs/manifest.json").read_bytes())
    made = schema1.read(raw)
    assert [json.loads(one.text) for one in made.history] == [
        json.loads(one.text) for one in theirs.history
    ]
    assert made.fs_layers == theirs.fs_layers
