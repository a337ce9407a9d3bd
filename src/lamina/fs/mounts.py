"""Mount plans: the root of a tree as a value, mounted where and when somebody needs it.

`attach` mounts a plan in the caller's own mount namespace; `opened` mounts it nowhere and lends
its descriptor, so that the host's mount table never changes and a killed process leaves nothing.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

from lamina.errors import Denied, Invalid, NotFound, Unavailable, Unsupported
from lamina.fs import detached, lending
from lamina.values import dataclass, replace

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from pathlib import Path

_OF_32_BITS = ("386", "arm", "mips", "mipsle")


@dataclass(frozen=True, slots=True)
class Erofs:
    """An EROFS image that holds names and metadata, and the file that holds the data; read-only."""

    image: Path | str
    data: Path | str
    by_loop: bool = False  # by loop devices, for kernels that mount it from no file (before 6.12)


@dataclass(frozen=True, slots=True)
class Overlay:
    """An overlayfs of trees; read-only without `upper` (kernel, filesystems/overlayfs)."""

    lower: tuple[Path | str | Erofs, ...]  # topmost first
    upper: Path | str | None = None
    work: Path | str | None = None  # empty, on the file system of `upper`
    narrow: bool = False  # over images: inode numbers of 32 bits, but several device numbers
    volatile: bool = False  # what is written may be lost in a crash of the machine: no sync


@dataclass(frozen=True, slots=True)
class Bind:
    """One directory as it is."""

    source: Path | str
    read_only: bool = False


RootPlan = Overlay | Bind | Erofs


class MountFailed(Unavailable):
    """The kernel did not mount a plan."""


class MountDenied(Denied):
    """Mounting needs a right that this process does not have."""


class MountUnsupported(Unsupported):
    """This kernel, or the file system below, cannot mount the plan."""


def attach(plan: RootPlan, target: Path | str) -> None:
    """Mount `plan` on the existing directory `target`, in the caller's mount namespace.

    The caller has a private one, or wants the host's table to change.
    """
    fd = _mounted(plan)
    try:
        detached.attach(fd, os.fspath(target))
    except OSError as error:
        raise _refusal(error, f'mounting on "{target}"') from error
    finally:
        os.close(fd)


@contextmanager
def opened(plan: RootPlan) -> Iterator[int]:
    """Lend a descriptor (O_PATH) of the root of `plan`, mounted nowhere, until the block ends.

    Works from any thread. A writable `Bind` is the directory itself and needs no right; the
    rest needs CAP_SYS_ADMIN (`MountDenied`) and Linux 5.12 (`MountUnsupported`).
    """
    fd = _mounted(plan, opening=True)
    try:
        yield fd
    finally:
        os.close(fd)


class Kept:
    """One mount of each image, kept and lent to all who need that image meanwhile.

    Changes what things cost and nothing else: what goes wrong here is left out. Not safe to be
    used by several threads at once.
    """

    def __init__(self) -> None:
        self._mounts: dict[detached.Image, int] = {}
        self._lent: lending.Lent | None = None

    def keep(self, plan: RootPlan) -> None:
        """Keep the images of `plan` too, as far as they are not kept yet."""
        for each in lowers(plan):
            if not isinstance(each, Erofs) or (one := image(each)) in self._mounts:
                continue
            try:
                fd = self._mounts[one] = detached.erofs(one)
            except OSError:
                return  # whoever mounts the plan will hear why
            if self._lent is None:
                if not lending.is_possible(fd):
                    self.close()
                    return
                self._lent = lending.Lent()
            self._lent.lend(one[0], fd)

    def close(self) -> None:
        """Let go of all; idempotent. A mount that is in use stays as long as that."""
        if self._lent is not None:
            self._lent.close()
            self._lent = None
        for fd in self._mounts.values():
            os.close(fd)
        self._mounts.clear()

    def __enter__(self) -> Kept:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def reduced(plan: RootPlan) -> RootPlan:
    """The same tree, without an overlay where overlayfs refuses a stack of one; Invalid if none."""
    if not isinstance(plan, Overlay):
        return plan
    if (plan.upper is None) != (plan.work is None):
        raise Invalid('an overlay needs "upper" and "work" together, or neither')
    if plan.upper is None:
        if not plan.lower:
            raise Invalid("an overlay needs at least one directory")
        if len(plan.lower) == 1:
            single = plan.lower[0]
            return single if isinstance(single, Erofs) else Bind(single, read_only=True)
    elif not plan.lower:
        return Bind(plan.upper)
    return plan


def _mounted(plan: RootPlan, *, opening: bool = False) -> int:
    plan = reduced(plan)
    if isinstance(plan, Bind):
        return _bind(plan, opening=opening)
    if isinstance(plan, Erofs):
        try:
            return detached.erofs(image(plan))
        except OSError as error:
            raise _refusal(error, f'mounting "{plan.image}"') from error
    lower = [image(each) if isinstance(each, Erofs) else os.fspath(each) for each in plan.lower]
    upper = None if plan.upper is None else os.fspath(plan.upper)
    work = None if plan.work is None else os.fspath(plan.work)
    try:
        return detached.overlay(lower, upper, work, narrow=plan.narrow, volatile=plan.volatile)
    except OSError as error:
        raise _refusal(error, "mounting an overlay") from error


def image(plan: Erofs) -> detached.Image:
    """An image as `fs.detached` takes it."""
    return os.path.abspath(plan.image), os.path.abspath(plan.data), plan.by_loop


def readable(plan: RootPlan) -> RootPlan:
    """The same tree without a writer: a second one on the same directory is not defined.

    To unmount it syncs nothing, where the end of a writable overlay syncs the whole file system.
    """
    if isinstance(plan, Overlay) and plan.upper is not None:
        return Overlay((plan.upper, *plan.lower))
    return plan


def suited(plan: RootPlan, architecture: str) -> RootPlan:
    """`plan` as programs for `architecture`, by Go's name, can use it."""
    if isinstance(plan, Overlay) and architecture in _OF_32_BITS:
        return replace(plan, narrow=True)
    return plan


def lowers(plan: RootPlan) -> tuple[Path | str | Erofs, ...]:
    """What an overlay has below its upper directory to show the tree of `plan`, read-only there."""
    if isinstance(plan, Overlay):
        return plan.lower
    return (plan,) if isinstance(plan, Erofs) else (plan.source,)


def _bind(plan: Bind, *, opening: bool) -> int:
    source = os.fspath(plan.source)
    try:
        if opening and not plan.read_only:
            return os.open(source, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        fd = detached.clone(source)
    except OSError as error:
        raise _refusal(error, f'binding "{source}"') from error
    if plan.read_only:
        try:
            detached.make_read_only(fd)
        except OSError as error:
            os.close(fd)
            raise _refusal(error, f'binding "{source}" read-only') from error
    return fd


def _refusal(error: OSError, what: str) -> MountDenied | MountUnsupported | MountFailed | NotFound:
    path = f' ("{os.fsdecode(error.filename)}")' if error.filename else ""
    message = f"{what} failed{path}: {os.strerror(error.errno or 0).lower()}"
    match error.errno:
        case errno.ENOENT | errno.ENOTDIR:
            return NotFound(message)
        case errno.EPERM | errno.EACCES:
            return MountDenied(message, hint="run as root, with CAP_SYS_ADMIN")
        case errno.ENOSYS | errno.ENODEV:
            return MountUnsupported(
                message, hint="this needs Linux 5.12 or later, and overlayfs for overlays"
            )
        case errno.ENOTBLK:
            return MountUnsupported(message, hint="this needs Linux 6.12 or later")
        case errno.EINVAL:
            return MountUnsupported(
                message, hint="the file system below may not serve as a layer of an overlay"
            )
        case _:
            return MountFailed(message)
