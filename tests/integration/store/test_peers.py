"""Other tools read the store as the image layout that it is."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lamina.store import Store

ALPINE = "docker.io/library/alpine:3.20"
EMPTY_TAR = bytes(1024)


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(shutil.which("skopeo") is None, reason="skopeo is not installed")
def test_skopeo_inspects_and_copies_by_full_name(
    store: Store, put: Callable[..., Any], tmp_path: Path
) -> None:
    image = put(EMPTY_TAR)
    store.names.tag(ALPINE, image.descriptor)
    store.names.keep(put(EMPTY_TAR, EMPTY_TAR).descriptor)
    told = json.loads(run("skopeo", "inspect", f"oci:{store.root}:{ALPINE}"))
    assert told["Digest"] == image.descriptor.digest
    assert told["Layers"] == list(image.layers)
    source, target = f"oci:{store.root}:{ALPINE}", f"oci:{tmp_path}/copy:x"
    run("skopeo", "copy", "-q", "--preserve-digests", source, target)
    copied = json.loads((tmp_path / "copy" / "index.json").read_bytes())
    assert copied["manifests"][0]["digest"] == image.descriptor.digest


@pytest.mark.skipif(shutil.which("umoci") is None, reason="umoci is not installed")
def test_umoci_lists_the_names(store: Store, put: Callable[..., Any]) -> None:
    store.names.tag(ALPINE, put(EMPTY_TAR).descriptor)
    assert ALPINE in run("umoci", "ls", "--layout", str(store.root))
