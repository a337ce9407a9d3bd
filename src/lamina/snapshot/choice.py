"""Which snapshotter this kernel, this file system and this user's rights allow: tried for real."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable

from lamina.errors import Error, Unsupported
from lamina.fs import mounts
from lamina.fs.faults import told
from lamina.fs.owner import Owner
from lamina.fs.root import remove_at
from lamina.late import json
from lamina.snapshot import meta
from lamina.snapshot.overlay import OverlaySnapshotter
from lamina.snapshot.snapshotter import Snapshotter
from lamina.values import dataclass

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from pathlib import Path

_NAMES = ("erofs", "overlay", "copying")


@dataclass(frozen=True, slots=True)
class Found:
    """What works in a directory: of each way, why it does not; "" if it does."""

    overlay: str
    erofs: str
    by_loop: bool = False  # EROFS is mounted by loop devices, and from no file


def choose(root: Path | str, *, wanted: str | None = None) -> Snapshotter:
    """The snapshotter to use in `root`, the best that works there; its `why` says the reason.

    EROFS where it is mounted from files, for no layer is extracted then; else overlay, else
    copying. A root stays with what its trees were made with. What was found is remembered for
    this boot and user. `wanted` ("erofs", "overlay" or "copying") asks for one by name:
    Unsupported if it is unknown, or does not work here.
    """
    if wanted is not None and wanted not in _NAMES:
        raise Unsupported(
            f'no snapshotter is called "{wanted}"', hint='use "erofs", "overlay" or "copying"'
        )
    if wanted == "copying":
        return _copying(root, "asked for")
    found = _remembered(root) or _probed(root)
    if wanted == "erofs":
        if found.erofs:
            raise Unsupported(
                f"erofs snapshots do not work here: {found.erofs}",
                hint='use "overlay" or "copying"',
            )
        return _erofs(root, found, "asked for")
    if found.overlay:
        if wanted:
            raise Unsupported(
                f"overlay snapshots do not work here: {found.overlay}", hint='use "copying"'
            )
        return _copying(root, found.overlay)
    if wanted:
        why = "asked for"
    elif found.erofs:
        why = f"overlayfs works here, and EROFS does not: {found.erofs}"
    else:
        first = _first_of(root, "erofs", "overlay")
        if first == "erofs" and found.by_loop:
            return _erofs(root, found, "what is here was made with it")
        if first != "overlay" and not found.by_loop:
            return _erofs(root, found, "EROFS is mounted from files here: no layer is extracted")
        why = "what is here was made with it"
        if first is None:
            why = "overlayfs works here, and EROFS by loop devices only"
    return OverlaySnapshotter(f"{root}/overlay", why=why)


def _erofs(root: Path | str, found: Found, why: str) -> Snapshotter:
    from lamina.snapshot.erofs import ErofsSnapshotter

    return ErofsSnapshotter(f"{root}/erofs", why=why, by_loop=found.by_loop)


def _copying(root: Path | str, why: str) -> Snapshotter:
    from lamina.snapshot.copying import CopyingSnapshotter

    return CopyingSnapshotter(f"{root}/copying", why=why)


def _first_of(root: Path | str, *names: str) -> str | None:
    """The snapshotter that has trees in `root`; of several, the one that was used first."""
    ages = []
    for name in names:
        place = f"{root}/{name}"
        try:
            if any(os.listdir(f"{place}/{part}") for part in ("chains", "drafts")):
                # Nothing is made in the place itself but when it is new.
                ages.append((os.stat(place).st_mtime_ns, name))
        except FileNotFoundError:
            continue
    return min(ages)[1] if ages else None


def overlay_fault(root: Path | str) -> str | None:
    """Why overlay snapshots would not work in the directory `root`; None if they do.

    Mounts a small overlay of directories made there, and looks at what the kernel leaves in the
    upper one when a file and a directory are deleted and made again.
    """
    return _tried(root, _try_overlay)


def erofs_fault(root: Path | str, *, by_loop: bool = False) -> str | None:
    """Why layers could not stay tars in the directory `root`; None if they can.

    Mounts an image made there below an overlay, and looks whether what it shows is in its tar.
    """
    return _tried(root, lambda place: _try_erofs(place, by_loop=by_loop))


def _tried(root: Path | str, attempt: Callable[[Path], str | None]) -> str | None:
    from pathlib import Path

    name = f"probe.{Owner.this().fresh_name()}"
    with told(str(root)):
        fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            return attempt(Path(root, name))
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


def _try_erofs(place: Path, *, by_loop: bool) -> str | None:
    from lamina.layer.erofs import BLOCK, Node, image

    content = b"in the tar".ljust(BLOCK, b"\n")
    directory, file = Node(stat.S_IFDIR | 0o755, (0, 0), 0), Node(stat.S_IFREG | 0o644, (0, 0), 0)
    directory.inside, file.size, file.inside = {"file": file, "gone": file}, BLOCK, BLOCK
    lower, upper, work = place / "lower", place / "upper", place / "work"
    os.makedirs(lower)
    os.mkdir(upper)
    os.mkdir(work)
    (lower / "below").write_bytes(b"")
    (place / "image").write_bytes(image(directory, 2 * BLOCK))
    (place / "data").write_bytes(bytes(BLOCK) + content)
    layer = mounts.Erofs(place / "image", place / "data", by_loop)
    try:
        with mounts.opened(mounts.Overlay((layer, lower), upper, work)) as root:
            os.unlink("gone", dir_fd=root)
            shown = sorted(os.listdir(f"/proc/self/fd/{root}"))
            fd = os.open("file", os.O_RDONLY | os.O_CLOEXEC, dir_fd=root)
            try:
                read = os.read(fd, 2 * BLOCK)
            finally:
                os.close(fd)
    except Error as error:
        return error.message
    except OSError as error:
        return f"reading an image failed: {(error.strerror or 'refused').lower()}"
    if shown != ["below", "file"] or read != content:
        return "an image does not show what is in its tar"
    return None


def _probed(root: Path | str) -> Found:
    with told(str(root)):
        os.makedirs(root, exist_ok=True)
    overlay = overlay_fault(root) or ""
    erofs, by_loop = overlay, False
    if not overlay:
        erofs = erofs_fault(root) or ""
        if erofs and erofs_fault(root, by_loop=True) is None:
            erofs, by_loop = "", True
    found = Found(overlay, erofs, by_loop)
    _remember(root, found)
    return found


def _remember(root: Path | str, found: Found) -> None:
    note = {
        "overlay": found.overlay,
        "erofs": found.erofs,
        "loop": found.by_loop,
        "for": _circumstances(root),
    }
    aside = f"{root}/choice.{Owner.this().fresh_name()}"
    try:
        with open(aside, "w", encoding="utf-8") as file:
            file.write(json.dumps(note))
        os.rename(aside, f"{root}/choice")
    except OSError:
        pass  # only a note: tried again next time


def _remembered(root: Path | str) -> Found | None:
    try:
        with open(f"{root}/choice", encoding="utf-8") as file:
            note = json.loads(file.read())
        if note["for"] == _circumstances(root):
            return Found(str(note["overlay"]), str(note["erofs"]), bool(note["loop"]))
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return None


def _circumstances(root: Path | str) -> str:
    """What the outcome depends on: the boot, the user, his namespace, the file system."""
    try:
        namespace = os.readlink("/proc/self/ns/user")
    except OSError:
        namespace = ""
    return f"{meta.this_boot()} {os.geteuid()} {namespace} {os.stat(root).st_dev}"
