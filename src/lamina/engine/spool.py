"""A private directory for what a command needs only while it runs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def spooled(parent: str) -> Iterator[str]:
    """A private directory for what a build needs only while it runs."""
    from lamina.fs.owner import Owner

    os.makedirs(parent, exist_ok=True)
    for name in os.listdir(parent):
        owner = Owner.of_name(name)
        if owner is None or not owner.alive():
            _remove(parent, name)
    name = Owner.this().fresh_name()
    os.mkdir(f"{parent}/{name}", mode=0o700)
    try:
        yield f"{parent}/{name}"
    finally:
        _remove(parent, name)


def _remove(parent: str, name: str) -> None:
    """Remove a directory of `parent`; what cannot be removed now is by the next build."""
    from lamina.fs.root import remove_at

    fd = os.open(parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        remove_at(fd, name)
    except OSError:
        pass  # perhaps another build was quicker
    finally:
        os.close(fd)
