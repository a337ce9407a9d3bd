"""Which snapshotter this kernel, this file system and this user's rights allow: tried for real."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

from lamina.errors import Error, Unsupported
from lamina.fs import mounts
from lamina.fs.faults import told
from lamina.fs.owner import Owner
from lamina.fs.root import remove_at
from lamina.snapshot import meta
from lamina.snapshot.overlay import OverlaySnapshotter
from lamina.snapshot.snapshotter import Snapshotter

_NAMES = ("overlay", "copying")


def choose(root: Path, *, wanted: str | None = None) -> Snapshotter:
    """The snapshotter to use in `root`, overlay if it works there; its `why` says the reason.

    What was found is remembered for this boot and user. `wanted` ("overlay" or "copying") asks for
    one by name: Unsupported if it is unknown, or does not work here.
    """
    if wanted is not None and wanted not in _NAMES:
        raise Unsupported(f'no snapshotter is called "{wanted}"', hint='use "overlay" or "copying"')
    if wanted == "copying":
        return _copying(root, "asked for")
    fault, why = _remembered(root) or _probed(root)
    if not fault:
        return OverlaySnapshotter(root / "overlay", why="asked for" if wanted else why)
    if wanted:
        raise Unsupported(f"overlay snapshots do not work here: {why}", hint='use "copying"')
    return _copying(root, why)


def _copying(root: Path, why: str) -> Snapshotter:
    from lamina.snapshot.copying import CopyingSnapshotter

    return CopyingSnapshotter(root / "copying", why=why)


def overlay_fault(root: Path) -> str | None:
    """Why overlay snapshots would not work in the directory `root`; None if they do.

    Mounts a small overlay of directories made there, and looks at what the kernel leaves in the
    upper one when a file and a directory are deleted and made again.
    """
    name = f"probe.{Owner.this().fresh_name()}"
    with told(str(root)):
        fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            return _try_overlay(root / name)
        finally:
            try:
                remove_at(fd, name)
            finally:
                os.close(fd)


def _try_overlay(place: Path) -> str | None:
    lower, upper, work = place / "lower", place / "upper", place / "work"
    os.makedirs(lower / "directory")
    os.mkdir(upper)
    os.mkdir(work)
    (lower / "file").write_bytes(b"")
    try:
        with mounts.opened(mounts.Overlay((lower,), upper, work)) as root:
            os.unlink("file", dir_fd=root)
            os.rmdir("directory", dir_fd=root)
            os.mkdir("directory", dir_fd=root)
    except Error as error:
        return error.message
    except OSError as error:
        return f"writing to an overlay failed: {(error.strerror or 'refused').lower()}"
    found = os.lstat(upper / "file")
    if not stat.S_ISCHR(found.st_mode) or found.st_rdev != 0:
        return "a deleted file leaves no whiteout"
    for name in ("trusted.overlay.opaque", "user.overlay.opaque"):
        try:
            if os.getxattr(upper / "directory", name) == b"y":
                return None
        except OSError:
            continue
    return "a directory made again is not marked as opaque"


def _probed(root: Path) -> tuple[bool, str]:
    with told(str(root)):
        os.makedirs(root, exist_ok=True)
    fault = overlay_fault(root)
    why = "overlayfs works here" if fault is None else fault
    _remember(root, fault is not None, why)
    return fault is not None, why


def _remember(root: Path, fault: bool, why: str) -> None:
    aside = root / f"choice.{Owner.this().fresh_name()}"
    try:
        aside.write_text(json.dumps({"fault": fault, "why": why, "for": _circumstances()}))
        os.rename(aside, root / "choice")
    except OSError:
        pass  # only a note: tried again next time


def _remembered(root: Path) -> tuple[bool, str] | None:
    try:
        with open(root / "choice", encoding="utf-8") as file:
            found = json.load(file)
        if found["for"] == _circumstances():
            return bool(found["fault"]), str(found["why"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return None


def _circumstances() -> str:
    """What the outcome depends on besides the file system: the boot, the user, his namespace."""
    try:
        namespace = os.readlink("/proc/self/ns/user")
    except OSError:
        namespace = ""
    return f"{meta.this_boot()} {os.geteuid()} {namespace}"
