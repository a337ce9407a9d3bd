"""Series of builds in one cache: what must come from it, and what must be done again."""

from __future__ import annotations

import json
import os
import shutil
import tarfile
import tempfile
from pathlib import Path

import pytest

from conformance.cases import SEMANTICS, fresh, lamina

SEQUENCES = SEMANTICS / "sequences"
NAMES = sorted(path.name for path in SEQUENCES.iterdir()) if SEQUENCES.exists() else []

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not NAMES, reason="../shared/cases is not here"),
    pytest.mark.skipif(os.geteuid() != 0, reason="RUN steps need root"),
]


def problems(name: str, directory: Path) -> list[str]:
    """What a sequence gives that it should not."""
    root = fresh(directory, f"sequence-{name}")
    sequence = json.loads((SEQUENCES / name / "sequence.json").read_text())
    found: list[str] = []
    previous: dict[str, bytes] = {}
    for number, step in enumerate(sequence["steps"]):
        context = directory / f"context-{name}"
        shutil.rmtree(context, ignore_errors=True)
        shutil.copytree(SEQUENCES / name / step["context"], context)
        for path, mode in (step.get("modes") or {}).items():
            (context / path).chmod(int(mode, 8))
        files = build(root, context, step, directory / f"{name}.tar")
        if files is None:
            return [*found, f"step {number} failed"]
        for path in step.get("same_as_previous", ()):
            if files.get(path) != previous.get(path) or path not in files:
                found.append(f"step {number}: {path} was made anew")
        for path in step.get("differs_from_previous", ()):
            if files.get(path) == previous.get(path) or path not in files:
                found.append(f"step {number}: {path} came from the cache")
        previous = files
    return found


def build(root: Path, context: Path, step: dict, archive: Path) -> dict[str, bytes] | None:
    """The files of one build, by absolute path; None if it fails."""
    args = ["build", "-q", "-o", f"type=tar,dest={archive}"]
    for name, value in step["build_args"].items():
        args += ["--build-arg", f"{name}={value}"]
    if step["no_cache"] == "":
        args.append("--no-cache")
    elif step["no_cache"]:
        args += ["--no-cache-filter", step["no_cache"]]
    for host in step.get("add_hosts") or ():
        args += ["--add-host", host]
    if lamina(root, *args, str(context), capture_output=True).returncode != 0:
        return None
    files: dict[str, bytes] = {}
    with tarfile.open(archive) as tar:
        for member in tar:
            stream = tar.extractfile(member) if member.isreg() else None
            if stream is not None:
                files["/" + member.name.strip("./")] = stream.read()
    return files


def score() -> list[tuple[str, int, int, list[str]]]:
    """(kind, passed, total, failing ids)."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
        failing = [name for name in NAMES if problems(name, Path(directory))]
    return [("semantics: sequences", len(NAMES) - len(failing), len(NAMES), failing)]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sequences")


@pytest.mark.parametrize("name", NAMES)
def test_the_cache_answers_as_buildkits_does(name: str, directory: Path) -> None:
    assert problems(name, directory) == []
