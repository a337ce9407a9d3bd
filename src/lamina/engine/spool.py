"""A private directory for what a command needs only while it runs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def spooled(parent: Path) -> Iterator[Path]:
    """A private directory for what a build needs only while it runs."""
    from lamina.fs.owner import Owner

    parent.mkdir(parents=True, exist_ok=True)
    for name in os.listdir(parent):
        owner = Owner.of_name(name)
        if owner is None or not owner.alive():
            _remove(parent, name)
    place = parent / Owner.this().fresh_name()
    place.mkdir(mode=0o700)
    try:
        yield place
    finally:
        _remove(parent, place.name)


def _remove(parent: Path, name: str) -> None:
    """Remove a directory of `parent`; what cannot be removed now is by the next build."""
    from lamina.fs.root import remove_at

    fd = os.open(parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        remove_at(fd, name)
    except OSError:
        pass  # perhaps another build was quicker
    finally:
        os.close(fd)
