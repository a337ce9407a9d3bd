"""Where the real cases lie, and a store that holds their base images."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

SEMANTICS = Path(__file__).parents[2] / "../shared/cases/semantics"
LAMINA = (sys.executable, "-m", "lamina")


def lamina(root: Path, *args: str, **options: object) -> subprocess.CompletedProcess[bytes]:
    """Run the command on the store at `root`."""
    command: Sequence[str] = (*LAMINA, "--root", str(root), *args)
    return subprocess.run(command, **options)  # type: ignore[call-overload,no-any-return]


@cache
def prepared(directory: Path) -> Path:
    """A store under `directory` that holds the cases' base images."""
    root = directory / "prepared"
    if not root.exists():
        for name in ("busybox", "alpine"):
            source = SEMANTICS / "bases" / name
            archive = directory / f"{name}.tar"
            with archive.open("wb") as file:
                subprocess.run(["tar", "-C", source, "-c", "."], stdout=file, check=True)
            lamina(root, "load", "-q", "-i", str(archive), check=True)
            archive.unlink()
    return root


def fresh(directory: Path, name: str) -> Path:
    """A copy of the prepared store of its own."""
    root = directory / name
    shutil.rmtree(root, ignore_errors=True)
    subprocess.run(["cp", "-a", "--reflink=auto", prepared(directory), root], check=True)
    return root
