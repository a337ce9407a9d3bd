"""Private keys of the registry's own, each in a file that nobody else may read."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from lamina.fs import atomic, lock


def own(path: Path, make: Callable[[], bytes]) -> bytes:
    """What is in the file, which is made by `make` when it is first needed."""
    os.makedirs(path.parent, mode=0o700, exist_ok=True)
    with lock.exclusive(path.parent / "lock"):
        if not path.exists():
            atomic.write(path, make(), mode=0o600)
        return path.read_bytes()
