"""The engine knows everybody and decides nothing: it makes the nouns and hands them to the verbs.

Nothing is made before it is asked for, so that a command pays only for what it uses.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from lamina.errors import Denied, Unsupported

if TYPE_CHECKING:
    from types import TracebackType

    from lamina.oci.platform import Platform
    from lamina.runtime import Runtime
    from lamina.snapshot.snapshotter import Snapshotter
    from lamina.store import Store


@dataclass(frozen=True, slots=True)
class Settings:
    """What the caller chose; the library itself reads no environment."""

    root: Path  # the store: blobs, names, snapshots, containers
    snapshotter: str | None = None  # "overlay" or "copying"; None: what this machine can do
    runtime: str = "native"
    platform: str | None = None  # of images, when a command does not say; None: this machine's
    source_date_epoch: int | None = None  # seconds; the newest time that anything made here has


class Engine:
    """The nouns of one root, each made at its first use; a context manager that closes them."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def __enter__(self) -> Engine:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the store if it was opened; idempotent."""
        store: Store | None = self.__dict__.pop("store", None)
        if store is not None:
            store.close()

    @property
    def root(self) -> Path:
        return self.settings.root

    @property
    def is_empty(self) -> bool:
        """Whether nothing was ever kept here: there is no store yet, and none need be made."""
        return not (self.root / "oci-layout").exists()

    @cached_property
    def store(self) -> Store:
        """The store, made on disk if need be; Denied where this user may not."""
        from lamina.store import Store

        try:
            return Store.open(self.root)
        except PermissionError as error:
            raise Denied(
                f'the store "{self.root}" cannot be opened by this user',
                hint="point LAMINA_ROOT at a directory of your own, or run as root",
            ) from error

    @cached_property
    def snapshotter(self) -> Snapshotter:
        """The chosen snapshotter, or the best that this kernel and file system can do."""
        name = self.settings.snapshotter
        if name is None:
            from lamina.snapshot import choose

            return choose(self.root)
        if name == "overlay":
            from lamina.snapshot.overlay import OverlaySnapshotter

            return OverlaySnapshotter(self.root)
        if name == "copying":
            from lamina.snapshot.copying import CopyingSnapshotter

            return CopyingSnapshotter(self.root)
        raise Unsupported(
            f'snapshotter "{name}" is not known', hint='choose "overlay" or "copying"'
        )

    def runtime(self, name: str | None = None) -> Runtime:
        """The runtime called `name`: native, or any crun or runc that is installed."""
        name = name or self.settings.runtime
        if name == "native":
            from lamina.runtime.native import NativeRuntime

            return NativeRuntime()
        from lamina.runtime.runc import RuncRuntime

        return RuncRuntime(name)

    @cached_property
    def platform(self) -> Platform:
        """The platform of images when a command does not say."""
        from lamina.oci import platform

        text = self.settings.platform
        return platform.parse(text) if text else platform.default()
