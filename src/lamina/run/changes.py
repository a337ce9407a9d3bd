"""What a container changed in its files, and its whole tree."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from lamina.fs.mounts import opened, readable
from lamina.fs.root import Root
from lamina.layer.changes import Change, Kind
from lamina.layer.entry import DIR, Entry
from lamina.run.bundle import read_created
from lamina.run.container import Container
from lamina.run.ground import Ground

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from typing import BinaryIO

LETTERS = {Kind.ADDED: "A", Kind.MODIFIED: "C", Kind.DELETED: "D"}


def changes(ground: Ground, container: Container) -> Iterator[Change]:
    """How the container's tree differs from its image, sorted by path, for one use each.

    Mount points that had to be made, and the directories that only they touched, are left out:
    nobody's doing, as Docker hides them in a layer of its own.
    """
    snapshotter = ground.snapshotter()
    made = {path.lstrip("/") for path in read_created(ground.ledger.directory(container.id))}
    draft = snapshotter.open_draft(container.draft_key)
    dropped = set()
    if made:
        with opened(snapshotter.view(container.parent)) as fd:
            entries = [(change.kind, change.entry) for change in snapshotter.changes(draft)]
            dropped = _noise(entries, made, Root(fd))
    return (change for change in snapshotter.changes(draft) if change.path not in dropped)


def _noise(entries: list[tuple[Kind, Entry]], made: set[str], below: Root) -> set[str]:
    """The paths that mounting alone accounts for."""
    dropped: set[str] = set()
    touched: set[str] = set()  # directories with something in them that somebody did
    parents = {os.path.dirname(path) or "." for path in made}
    for kind, entry in reversed(entries):
        path = entry.path
        parent = "." if path == "." else os.path.dirname(path) or "."
        if (kind is Kind.ADDED and path in made and path not in touched and not entry.size) or (
            kind is Kind.MODIFIED
            and entry.type is DIR
            and path in parents
            and path not in touched
            and _is_same_directory(entry, below)
        ):
            dropped.add(path)
        elif path != ".":
            touched.add(parent)
    return dropped


def _is_same_directory(entry: Entry, below: Root) -> bool:
    """Whether owner and mode are the image's, so that only the time differs."""
    try:
        found = below.lstat(entry.path)
    except OSError:
        return False
    return (found.st_mode & 0o7777, found.st_uid, found.st_gid) == (
        entry.mode,
        entry.uid,
        entry.gid,
    )


def listed(ground: Ground, container: Container) -> list[tuple[str, str]]:
    """(letter, absolute path) as `docker diff` prints them; what lies above a change is changed."""
    found: dict[str, str] = {}
    for change in changes(ground, container):
        letter = LETTERS.get(change.kind)
        if letter is None or change.path == ".":
            continue
        above = os.path.dirname(change.path)
        while above and above not in found:
            found[above] = "C"
            above = os.path.dirname(above)
        found[change.path] = letter
    return [(found[path], f"/{path}") for path in sorted(found)]


def export(ground: Ground, container: Container, out: BinaryIO) -> None:
    """Write the whole tree as a plain tar; what is mounted in it is not part of it."""
    from lamina.layer.changes import tree_changes
    from lamina.layer.diff import pack

    with merged(ground, container) as fd:
        reading = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=fd)
        try:
            pack(tree_changes(None, reading), out)
        finally:
            os.close(reading)


@contextmanager
def merged(ground: Ground, container: Container) -> Iterator[int]:
    """The container's tree to read, by a descriptor, while it may be running."""
    draft = ground.snapshotter().open_draft(container.draft_key)
    with opened(readable(draft.plan)) as fd:
        yield fd
