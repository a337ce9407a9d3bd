"""Other tools read what we write, and we read what they write."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from lamina.image import view
from lamina.image.archive import (
    read_archive,
    write_docker_archive,
    write_oci_archive,
    write_oci_dir,
)
from lamina.image.validate import validate
from lamina.oci.config import RunConfig
from places import Memory, image, tar

needs_skopeo = pytest.mark.skipif(not shutil.which("skopeo"), reason="skopeo is not installed")
needs_umoci = pytest.mark.skipif(not shutil.which("umoci"), reason="umoci is not installed")
CONFIG = RunConfig(cmd=("sh",), env=("A=b",), labels={"l": "<1>"})


def run(*command: object) -> str:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def skopeo(*words: object) -> str:
    return run("skopeo", "--insecure-policy", *words)


@pytest.mark.parametrize("compress", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("kind", ["oci-archive", "docker-archive"])
@needs_skopeo
def test_skopeo_reads_our_archives_and_we_read_its_copies(
    tmp_path: Path, kind: str, compress: bool
) -> None:
    place, other = Memory(), Memory()
    descriptor = image(place, tar(a=b"1"), tar(b=b"2"), compress=compress, config=CONFIG)
    write = write_oci_archive if kind == "oci-archive" else write_docker_archive
    ours, theirs = tmp_path / "ours.tar", tmp_path / "theirs.tar"
    with ours.open("wb") as out:
        write(place, [(descriptor, ["a:1"])], out)
    skopeo("inspect", f"{kind}:{ours}")
    skopeo("copy", "-q", f"{kind}:{ours}", f"docker-archive:{theirs}:a:2")
    (found,) = read_archive(theirs, other)
    assert found.names == ("docker.io/library/a:2",)
    assert validate(other, found.descriptor) == []
    before, after = view.load(place, descriptor).config, view.load(other, found.descriptor).config
    assert (after.diff_ids, after.config.env) == (before.diff_ids, before.config.env)


@needs_skopeo
def test_skopeo_reads_our_layouts_and_we_read_its_own(tmp_path: Path) -> None:
    place, other = Memory(), Memory()
    descriptor = image(place, tar(a=b"1"), compress=True, config=CONFIG)
    write_oci_dir(place, [(descriptor, ["a:1"])], tmp_path / "ours")
    told = json.loads(skopeo("inspect", f"oci:{tmp_path / 'ours'}:1"))
    assert told["Digest"] == descriptor.digest
    assert told["Labels"] == {"l": "<1>"}
    skopeo("copy", "-q", f"oci:{tmp_path / 'ours'}:1", f"oci:{tmp_path / 'theirs'}:v1")
    (found,) = read_archive(tmp_path / "theirs", other)
    assert (found.descriptor.digest, found.label) == (descriptor.digest, "v1")


@needs_umoci
def test_umoci_unpacks_our_layouts(tmp_path: Path) -> None:
    place = Memory()
    descriptor = image(place, tar(a=b"1"), tar(b=b"2"), compress=True, config=CONFIG)
    write_oci_dir(place, [(descriptor, ["a:1"])], tmp_path / "l")
    run("umoci", "unpack", "--rootless", "--image", f"{tmp_path / 'l'}:1", tmp_path / "bundle")
    assert sorted(path.name for path in (tmp_path / "bundle/rootfs").iterdir()) == ["a", "b"]


@pytest.mark.parametrize("kind", ["docker-archive", "oci-archive"])
@pytest.mark.skipif(not shutil.which("podman"), reason="podman is not installed")
def test_podman_loads_our_archives_and_we_load_its_own(tmp_path: Path, kind: str) -> None:
    place, other = Memory(), Memory()
    descriptor = image(place, tar(a=b"1"), compress=True, config=CONFIG)
    out = io.BytesIO()
    write = write_oci_archive if kind == "oci-archive" else write_docker_archive
    write(place, [(descriptor, ["lamina.test/a:1"])], out)
    (tmp_path / "ours.tar").write_bytes(out.getvalue())
    theirs = tmp_path / "theirs.tar"
    with tempfile.TemporaryDirectory(prefix="pod-") as short:  # podman refuses long paths
        podman = ("podman", "--root", f"{short}/root", "--runroot", f"{short}/run")
        podman += ("--storage-driver", "vfs", "--events-backend", "none")
        assert "lamina.test/a:1" in run(*podman, "load", "-i", tmp_path / "ours.tar")
        run(*podman, "save", "--format", kind, "-o", theirs, "lamina.test/a:1")
    (found,) = read_archive(theirs, other)
    assert found.names == ("lamina.test/a:1",)
    assert validate(other, found.descriptor) == []
    assert (
        view.load(other, found.descriptor).config.diff_ids
        == view.load(place, descriptor).config.diff_ids
    )
