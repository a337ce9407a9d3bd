"""Drafts written, snapshots read, and trees compared, for the suites about snapshotters."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lamina.fs import mounts
from lamina.oci.digest import ChainID, Digest
from lamina.snapshot import (
    Draft,
    Snapshotter,
)

A, B, C = (ChainID(Digest.of(name)) for name in (b"a", b"b", b"c"))
ODD = os.fsdecode(b"caf\xe9 \xff\n")  # not UTF-8, and not a word
CAPABILITY = bytes.fromhex("0100000200040000000000000000000000000000")  # cap_net_raw+ep
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: owners, devices, mounts")


@contextmanager
def writing(draft: Draft) -> Iterator[Path]:
    """The draft's tree as a path, while it is open."""
    with mounts.opened(draft.plan) as root:
        yield Path(f"/proc/self/fd/{root}")


@contextmanager
def reading(shelf: Snapshotter, chain: ChainID | None) -> Iterator[Path]:
    with mounts.opened(shelf.view(chain)) as root:
        yield Path(f"/proc/self/fd/{root}")


def layer(
    shelf: Snapshotter, chain: ChainID, parent: ChainID | None = None, **files: bytes
) -> ChainID:
    """A snapshot on top of `parent` with these files."""
    draft = shelf.prepare(f"make-{chain.short}", parent)
    with writing(draft) as root:
        for name, data in files.items():
            (root / name).write_bytes(data)
    shelf.commit(draft, chain)
    return chain


def picture(root: Path) -> dict[str, tuple[object, ...]]:
    """All that can be seen of a tree, by path."""
    found: dict[str, tuple[object, ...]] = {}
    names: dict[tuple[int, int], str] = {}
    waiting = ["."]
    while waiting:
        path = waiting.pop()
        full = f"{root}/{path}"  # not by Path, which would take "/." for the link to the tree
        seen = os.lstat(full)
        kind = stat.S_IFMT(seen.st_mode)
        content: object = None
        if kind == stat.S_IFREG:
            content = Path(full).read_bytes()
        elif kind == stat.S_IFLNK:
            content = os.readlink(full)
        elif kind == stat.S_IFDIR:
            waiting += sorted((f"{path}/{name}" for name in os.listdir(full)), reverse=True)
        elif kind in (stat.S_IFCHR, stat.S_IFBLK):
            content = seen.st_rdev
        first = names.setdefault((seen.st_dev, seen.st_ino), path) if kind != stat.S_IFDIR else path
        attributes = {
            name: os.getxattr(full, name, follow_symlinks=False)
            for name in os.listxattr(full, follow_symlinks=False)
        }
        times = None if path == "." else seen.st_mtime_ns
        found[path] = (
            oct(seen.st_mode),
            seen.st_uid,
            seen.st_gid,
            content,
            first,
            attributes,
            times,
        )
    return found


def said(shelf: Snapshotter, draft: Draft) -> list[tuple[str, str]]:
    """The changes of a draft, but for the directories that only hold them."""
    return [
        (change.kind.value, change.path) for change in shelf.changes(draft) if change.path != "."
    ]


def furnish(root: Path) -> None:
    """One of everything that a tree can hold."""
    (root / "dir" / "sub").mkdir(parents=True)
    (root / "dir" / "file").write_bytes(b"content")
    os.link(root / "dir" / "file", root / "dir" / "sub" / "hard")
    os.symlink("../nowhere", root / "dir" / "link")
    os.symlink(ODD, root / "odd link")
    (root / ODD).write_bytes(b"odd")
    with open(root / "sparse", "wb") as file:
        file.truncate(1 << 20)
        file.seek(1 << 19)
        file.write(b"middle")
    os.mkfifo(root / "pipe", 0o640)
    os.setxattr(root / "dir" / "file", "user.note", b"\x00\xff")
    os.setxattr(root / "dir", "user.note", b"on a directory")
    os.chmod(root / "dir", 0o2751)
    os.chmod(root / "dir" / "file", 0o4755)
    if os.geteuid() == 0:
        os.mknod(root / "null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        os.mknod(root / "disk", 0o660 | stat.S_IFBLK, os.makedev(8, 300))
        os.setxattr(root / ODD, "security.capability", CAPABILITY)
        os.setxattr(root / "odd link", "trusted.note", b"on a link", follow_symlinks=False)
        os.chown(root / "odd link", 3, 4, follow_symlinks=False)
        os.chown(root / "pipe", 1, 2)
    for path, when in (("dir/file", -1), ("odd link", 123456789), ("pipe", 1), ("dir", 5)):
        os.utime(root / path, ns=(0, when * 10**9 + 7), follow_symlinks=False)
