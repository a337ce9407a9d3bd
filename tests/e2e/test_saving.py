"""Images saved and loaded by the command, and what goes wrong with a store."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.e2e.machine import (
    LOWER,
    ROOTFS,
    UPPER,
    Machine,
    docker_archive,
    needs_rootfs,
    needs_skopeo,
)


@pytest.mark.parametrize("form", ["docker", "oci"])
def test_what_is_saved_is_loaded(loaded: Machine, tmp_path: Path, form: str) -> None:
    id = loaded.out("images", "-q", "--no-trunc")
    loaded.run("save", "--format", form, "-o", tmp_path / "a.tar", "two:1")
    piped = loaded.run("save", "--format", form, "two:1").stdout
    assert piped == (tmp_path / "a.tar").read_bytes()
    other = Machine(tmp_path / "other")
    assert other.out("load", "-i", tmp_path / "a.tar") == "Loaded image: two:1\n"
    assert other.out("images", "-q", "--no-trunc") == id


def test_a_layout_is_saved_and_loaded(loaded: Machine, tmp_path: Path) -> None:
    loaded.run("save", "--format", "oci-dir", "-o", tmp_path / "layout", "two:1")
    other = Machine(tmp_path / "other")
    assert other.out("load", "-i", tmp_path / "layout").startswith("Loaded image: two:1")


def test_an_image_without_a_name_is_loaded_by_its_id(machine: Machine) -> None:
    out = machine.out("load", stdin=docker_archive(tags=None))
    assert out == f"Loaded image ID: {machine.out('images', '-q', '--no-trunc')}"


def test_all_tags_of_a_repository_are_saved(loaded: Machine, tmp_path: Path) -> None:
    loaded.run("tag", "two:1", "two:latest")
    loaded.run("save", "-o", tmp_path / "a.tar", "two")
    other = Machine(tmp_path / "other")
    assert sorted(other.lines("load", "-i", tmp_path / "a.tar")) == [
        "Loaded image: two:1",
        "Loaded image: two:latest",
    ]


@needs_skopeo
def test_skopeo_reads_what_is_saved(loaded: Machine, tmp_path: Path) -> None:
    loaded.run("save", "-o", tmp_path / "d.tar", "two:1")
    loaded.run("save", "--format", "oci", "-o", tmp_path / "o.tar", "two:1")
    loaded.run("save", "--format", "oci-dir", "-o", tmp_path / "dir", "two:1")
    places = (
        f"docker-archive:{tmp_path}/d.tar",
        f"oci-archive:{tmp_path}/o.tar",
        f"oci:{tmp_path}/dir",
        f"oci:{loaded.root}:docker.io/library/two:1",
    )
    for place in places:
        done = subprocess.run(["skopeo", "inspect", place], capture_output=True, check=True)
        found = json.loads(done.stdout)
        assert found["Labels"] == {"tier": "test"}, place
        assert len(found["Layers"]) == 2, place


def test_a_file_that_cannot_be_written_is_named_as_it_was_given(
    loaded: Machine, tmp_path: Path
) -> None:
    error = loaded.fails("save", "-o", tmp_path / "no/such.tar", "two:1")
    assert f'"{tmp_path}/no/such.tar": no such file or directory' in error


def test_a_damaged_blob_is_told(loaded: Machine, tmp_path: Path) -> None:
    blob = loaded.root / "blobs/sha256" / hashlib.sha256(UPPER).hexdigest()
    blob.chmod(0o644)
    blob.write_bytes(UPPER.replace(b"changed", b"CHANGED"))
    assert "has the d" in loaded.fails("save", "-o", tmp_path / "x.tar", "two:1")
    assert not (tmp_path / "x.tar").exists()
    assert "sha256:" in loaded.fails("layers", "two:1", "2")


def mounts_privately() -> bool:
    if not shutil.which("unshare"):
        return False
    done = subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False)
    return done.returncode == 0


def in_private_mounts(
    machine: Machine, script: str, data: bytes | None = None
) -> subprocess.CompletedProcess[bytes]:
    """A shell script, in a mount namespace that goes with it."""
    return subprocess.run(
        ["unshare", "-m", "sh", "-c", script],
        env=machine.environment,
        input=data,
        capture_output=True,
        check=False,
    )


@pytest.mark.skipif(not mounts_privately(), reason="needs the right to mount")
@pytest.mark.parametrize("command", ["import - x", "rmi two:1"])
def test_a_store_that_may_not_be_written_is_told(loaded: Machine, command: str) -> None:
    script = (
        f"mount --bind {loaded.root} {loaded.root} && mount -o remount,bind,ro {loaded.root}"
        f" && exec {sys.executable} -m lamina {command}"
    )
    done = in_private_mounts(loaded, script, LOWER)
    error = done.stderr.decode()
    assert done.returncode == 1
    assert error.startswith("lamina: ")
    assert "hint: " in error
    assert "Traceback" not in error
    assert loaded.lines("images", "--format", "{{.Repository}}:{{.Tag}}") == ["two:1"]


@needs_rootfs
@pytest.mark.skipif(not mounts_privately(), reason="needs the right to mount")
def test_a_full_disk_leaves_the_store_whole(machine: Machine, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.write_bytes(LOWER)
    machine.root.mkdir()
    lamina = f"{sys.executable} -m lamina"
    script = (
        f"mount -t tmpfs -o size=3m none {machine.root}"
        f" && {{ {lamina} import {ROOTFS} big; echo $?; {lamina} import {small} ok"
        f" && {lamina} images --format '{{{{.Repository}}}}'; }}"
    )
    done = in_private_mounts(machine, script)
    assert done.stderr.startswith(b"lamina: no space left in ")
    status, id, name = done.stdout.decode().splitlines()
    assert (status, id[:7], name) == ("1", "sha256:", "ok")


@needs_rootfs
def test_a_killed_import_leaves_the_store_whole(machine: Machine) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "lamina", "import", "-", "x"],
        env=machine.environment,
        stdin=subprocess.PIPE,
    )
    assert process.stdin is not None
    process.stdin.write(ROOTFS.read_bytes()[:2_000_000])
    process.stdin.flush()
    while not list((machine.root / "ingest").glob("*")):
        assert process.poll() is None
    process.kill()
    process.wait()
    process.stdin.close()
    assert machine.lines("images", "-q") == []
    machine.run("import", ROOTFS, "x")
    machine.run("prune", "-f")
    assert len(machine.lines("images", "-q")) == 1
    assert list((machine.root / "ingest").iterdir()) == []


def test_a_reader_that_leaves_is_no_error(loaded: Machine) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "lamina", "inspect", *["two:1"] * 200],
        env=loaded.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.read(1)
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait() == 141
