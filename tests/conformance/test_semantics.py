"""Real Dockerfiles, built: the same files, owners, modes and config as BuildKit's, or a refusal."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from conformance import adapter

SEMANTICS = adapter.CORPUS
CASES = SEMANTICS / "cases"
NAMES = sorted(path.name for path in CASES.iterdir()) if CASES.exists() else []
OPEN = {
    "bk-testCopyChownCreateDest-0": "/etc/shadow holds the day on which adduser ran",
}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not NAMES, reason="../shared/cases is not here"),
    pytest.mark.skipif(os.geteuid() != 0, reason="RUN steps need root"),
]


@cache
def judge() -> ModuleType:
    """The corpus' own judge."""
    spec = importlib.util.spec_from_file_location("judge", SEMANTICS / "judge.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@cache
def base_files(name: str) -> dict[str, Any] | None:
    """What an image that a case is built on holds."""
    if name == "scratch":
        return {}
    archive = SEMANTICS / "bases" / f"{name}-rootfs.tar.gz"
    return judge().rootfs(str(archive)) if archive.exists() else None


def problems(name: str, directory: Path) -> list[object]:
    """What the build of a case gives that it should not."""
    place = directory / name
    case, out = place / "case", place / "out"
    case.mkdir(parents=True)
    out.mkdir()
    try:
        shutil.copy(CASES / name / "expect.json", case)
        command = ["tar", "--numeric-owner", "--xattrs", "--xattrs-include=*", "-xpzf"]
        subprocess.run([*command, CASES / name / "context.tar.gz", "-C", case], check=True)
        root = adapter.own_store(adapter.prepared(directory / "prepared"), place / "store")
        status = adapter.build(root, case, out)
        wanted = json.loads((case / "expect.json").read_text())
        files = config = None
        if status == 0 and wanted["expect"] == "success":
            files = judge().rootfs(str(out / "rootfs.tar"))
            config = adapter.config_of(out / "oci.tar")
        found, _ = judge().judge(wanted, status, files, config, base_files(wanted.get("base")))
        return [item for item in found if not (isinstance(item, dict) and item.get("soft"))]
    finally:
        shutil.rmtree(place)


def score() -> list[tuple[str, int, int, list[str]]]:
    """(kind, passed, total, failing ids)."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
        failing = [name for name in NAMES if problems(name, Path(directory))]
    return [("semantics: builds", len(NAMES) - len(failing), len(NAMES), failing)]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("semantics")


@pytest.mark.parametrize("name", NAMES)
def test_a_build_comes_out_as_buildkits_does(name: str, directory: Path) -> None:
    if name in OPEN:
        pytest.xfail(OPEN[name])
    assert problems(name, directory) == []
