"""The engine knows everybody and decides nothing: it makes the nouns and hands them to the verbs.

Nothing is made before it is asked for, so that a command pays only for what it uses.
"""

from __future__ import annotations

import os
from functools import cached_property

from lamina.errors import Denied
from lamina.values import dataclass

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import ExitStack
    from pathlib import Path
    from types import TracebackType
    from typing import Any, BinaryIO

    from lamina.build import Built, Listener
    from lamina.build.outline import Offer, Outline
    from lamina.dockerfile.source import Source
    from lamina.engine.building import BuildRequest
    from lamina.engine.local import Local, Removed, Use
    from lamina.engine.remotes import Remotes
    from lamina.engine.shipping import Got, Sent
    from lamina.engine.sight import Sight
    from lamina.engine.space import Pruned
    from lamina.image.archive import Loaded
    from lamina.image.view import Image
    from lamina.lint import Report as Advice
    from lamina.oci.descriptor import Descriptor
    from lamina.oci.digest import ChainID, DiffID
    from lamina.oci.platform import Platform
    from lamina.oci.reference import Reference
    from lamina.remote.settings import RemoteSettings
    from lamina.run.ground import Ground
    from lamina.runtime.container import Runtime
    from lamina.snapshot.snapshotter import Snapshotter
    from lamina.store import Store
    from lamina.store.gc import Report
    from lamina.store.usage import Row
    from lamina.transfer.archive import Format
    from lamina.transfer.copy import Event
    from lamina.transfer.push import Manner
    from lamina.transfer.tarball import Imported


@dataclass(frozen=True, slots=True)
class Settings:
    """What the caller chose; the library itself reads no environment."""

    root: Path | str  # the store: blobs, names, snapshots, containers
    snapshotter: str | None = None  # "erofs", "overlay", "copying"; None: the best that works
    runtime: str = "native"
    platform: str | None = None  # of images, when a command does not say; None: this machine's
    remote: Callable[[], RemoteSettings] | None = None  # of registries; asked when one is reached
    source_date_epoch: int | None = None  # seconds; the newest time that anything made here has


class Engine:
    """The nouns of one root, each made at its first use; a context manager that closes them."""

    def __init__(self, settings: Settings, store: Store | None = None) -> None:
        """`store`: that of the settings' root, where it is open already."""
        self.settings = settings
        if store is not None:
            self.store = store

    def __enter__(self) -> Engine:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self, *, exiting: bool = False) -> None:
        """Close the store, files and connections that were opened; idempotent.

        `exiting`: the process ends now, and the kernel will close what can be left to it.
        """
        opened: ExitStack | None = self.__dict__.pop("_opened", None)
        if opened is not None:
            opened.close()
        store: Store | None = self.__dict__.pop("store", None)
        if store is not None:
            (store.leave if exiting else store.close)()
        remotes: Remotes | None = self.__dict__.pop("remotes", None)
        if remotes is not None:
            remotes.close()

    @cached_property
    def root(self) -> Path:
        from pathlib import Path

        return Path(self.settings.root)

    @property
    def directory(self) -> str:
        """The root as text, for commands that live shorter than the import of `pathlib` takes."""
        return os.fspath(self.settings.root)

    @property
    def is_empty(self) -> bool:
        """Whether nothing was ever kept here: there is no store yet, and none need be made."""
        return not os.path.exists(f"{self.directory}/oci-layout")

    @cached_property
    def store(self) -> Store:
        """The store, made on disk if need be; Denied where this user may not."""
        from lamina.store import Store

        try:
            return Store.open(self.directory)
        except PermissionError as error:
            raise Denied(
                f'the store "{self.directory}" cannot be opened by this user',
                hint="point LAMINA_ROOT at a directory of your own, or run as root",
            ) from error

    @cached_property
    def snapshotter(self) -> Snapshotter:
        """The chosen snapshotter, or the best that this kernel and file system can do."""
        from lamina.snapshot import choose

        return choose(f"{self.directory}/snapshots", wanted=self.settings.snapshotter)

    def runtime(self, name: str | None = None) -> Runtime:
        """The runtime called `name`: native, or any crun or runc that is installed."""
        name = name or self.settings.runtime
        if name == "native":
            from lamina.runtime.native import Native

            return Native()
        from lamina.runtime.runc import Runc

        return Runc(name)

    def unpack(self, layers: Sequence[tuple[Descriptor, DiffID]]) -> ChainID | None:
        """See that the tree of these layers, bottom first, is a snapshot here, and name it."""
        from lamina.engine.trees import unpack

        return unpack(self.store, self.snapshotter, layers, locks=f"{self.directory}/locks")

    def build(self, request: BuildRequest, listen: Listener, stdout: BinaryIO) -> Built:
        """Build an image; see `lamina.engine.building`. `stdout` is for outputs to "-"."""
        from lamina.engine.building import run

        return run(self, request, listen, stdout)

    def check(self, request: BuildRequest) -> Advice:
        """What BuildKit's checks say of a build, which is not done."""
        from lamina.engine.building import check

        return check(self, request)

    def targets(self, request: BuildRequest) -> tuple[Source, list[Offer]]:
        """The Dockerfile of a build, and the stages that it offers."""
        from lamina.engine.offers import targets

        return targets(self, request)

    def outline(self, request: BuildRequest) -> tuple[Source, Outline]:
        """The Dockerfile of a build, and the parameters that it takes."""
        from lamina.engine.offers import outline

        return outline(self, request)

    @cached_property
    def ground(self) -> Ground:
        """What containers stand on."""
        from lamina.run.ground import Ground

        return Ground(self.directory, lambda: self.snapshotter, self.runtime)

    @cached_property
    def platform(self) -> Platform:
        """The platform of images when a command does not say."""
        from lamina.oci import platform

        text = self.settings.platform
        return platform.parse(text) if text else platform.default()

    @cached_property
    def asked_platform(self) -> Platform | None:
        """The platform of images that the settings ask for; None if they do not say."""
        return self.platform if self.settings.platform else None

    # -- images there: see `shipping` ----------------------------------------------------------

    @cached_property
    def remotes(self) -> Remotes:
        """The registries."""
        from lamina.engine.remotes import Remotes
        from lamina.remote.settings import RemoteSettings

        remote = self.settings.remote
        return Remotes(remote() if remote is not None else RemoteSettings())

    def pull(
        self,
        name: Reference,
        *,
        platform: Platform | None = None,
        every: bool = False,
        workers: int | None = None,
        tell: Callable[[Event], None] = lambda event: None,
    ) -> Got:
        """Get an image from its registry: for one platform, or with `every` all of an index."""
        from lamina.engine import shipping

        return shipping.pull(self, name, platform=platform, every=every, workers=workers, tell=tell)

    def push(
        self,
        name: Reference,
        manner: Manner,
        *,
        platform: Platform | None = None,
        tell: Callable[[Event], None] = lambda event: None,
    ) -> Sent:
        """Send an image that is here to the registry that its name says."""
        from lamina.engine import shipping

        return shipping.push(self, name, manner, platform=platform, tell=tell)

    @cached_property
    def _opened(self) -> ExitStack:
        """What is closed with the engine."""
        from contextlib import ExitStack

        return ExitStack()

    # -- images here: see `local` and `space` --------------------------------------------------

    def images(self, *, with_sizes: bool = True) -> list[Local]:
        """Every name here, then every image without one; none where there is no store."""
        from lamina.engine import local

        if self.is_empty:
            return []
        return local.listing(self.store, self.asked_platform, with_sizes=with_sizes)

    def image(self, text: str, platform: Platform | None = None) -> tuple[Descriptor, Image]:
        """What `text` names, and the image in it for `platform`; NotFound."""
        from lamina.engine import local

        self._need_images(text)
        return local.find(self.store, text, platform or self.asked_platform)

    def analyze(self, text: str, platform: Platform | None = None) -> Sight:
        """The image that `text` names, to look into: its tree, waste, packages, files; NotFound.

        It may be in a registry, a layout or an archive too, spelled as `copy` spells places.
        """
        from lamina.engine import elsewhere

        return elsewhere.anywhere(self, text, platform, self._opened)

    def tag(self, source: str, target: str) -> None:
        """Give the image that `source` means the name `target` too."""
        from lamina.engine import local

        self._need_images(source)
        local.tag(self.store, source, target)

    def remove_image(self, text: str, *, force: bool = False, gc: bool = True) -> Removed:
        """Take a name away, and the image when it was the last; see `local.remove`."""
        from lamina.engine import local

        self._need_images(text)
        removed = local.remove(self.store, text, force=force, uses=self.uses())
        if removed.deleted and gc:
            self.collect()
        return removed

    def save(
        self,
        texts: Sequence[str],
        out: BinaryIO | str,
        form: Format,
        *,
        platform: Platform | None = None,
    ) -> None:
        """Write images into an archive or a layout, under the names that they are asked for by."""
        from lamina.engine import local
        from lamina.transfer import archive

        self._need_images(*texts)
        with self.store.lease("save"):
            chosen = local.to_save(self.store, texts, platform)
            archive.save(self.store.blobs, chosen, out, form, platform=platform)

    def load(
        self, source: str | BinaryIO, *, tell: Callable[[Event], None] | None = None
    ) -> list[Loaded]:
        """Keep every image of an archive or layout."""
        from lamina.transfer import archive

        return archive.load(self.store, source, tell=tell)

    def import_tar(
        self,
        stream: BinaryIO,
        name: str | None,
        *,
        changes: Sequence[str] = (),
        comment: str = "",
        platform: Platform | None = None,
    ) -> Imported:
        """Make an image of a tar of a root file system, and name it."""
        from lamina.engine import importing

        return importing.run(self, stream, name, changes, comment, platform)

    def uses(self) -> list[Use]:
        """Which container stands on which image."""
        from lamina.engine.local import Use
        from lamina.run.removal import reconcile

        if self.is_empty:
            return []
        reconcile(self.ground)
        return [
            Use(container.id, container.image_id, container.manifest, state.is_running)
            for container, state in self.ground.ledger.all()
        ]

    def inspect_container(self, text: str, *, with_size: bool = False) -> dict[str, Any]:
        """What `docker inspect` says of one container; NotFound."""
        from lamina.run.shape import inspected

        ledger = self.ground.ledger
        container = ledger.find(text)
        document = inspected(self.ground, container, ledger.state(container.id))
        if with_size:
            document["SizeRw"] = self.snapshotter.draft_usage(container.draft_key)
        return document

    def collect(self, *, dry_run: bool = False) -> Report:
        """Free what nobody needs any more."""
        from lamina.engine import space

        containers = self.ground.ledger.ids()
        return space.collect(self.store, self.snapshotter, containers, dry_run=dry_run)

    def usage(self) -> list[Row]:
        """What takes space here: images, containers, volumes, build cache."""
        from lamina.engine import space
        from lamina.store.usage import Row

        if self.is_empty:
            kinds = ("Images", "Containers", "Local Volumes", "Build Cache")
            return [Row(kind, 0, 0, 0, 0) for kind in kinds]
        containers = list(self.ground.ledger.all())
        return space.usage(self.store, self.snapshotter, containers, self.root)

    def prune(
        self,
        *,
        containers: bool = False,
        images: Callable[[Local], bool] | None = None,
        cache: bool = False,
        volumes: bool = False,
        every: bool = False,
        unused_ns: int | None = None,
    ) -> Pruned:
        """Take away what nothing uses of the kinds asked for, and free its space.

        `images` says which of them; `every` is about named images and all of the build cache.
        """
        from lamina.engine import space

        if self.is_empty:
            return space.Pruned()
        return space.prune(
            self,
            containers=containers,
            images=images,
            cache=cache,
            volumes=volumes,
            every=every,
            unused_ns=unused_ns,
        )

    def facts(self) -> dict[str, str | int]:
        """The store and this machine, for people: names and values in the order to show them."""
        from lamina.engine import facts

        return facts.collect(self)

    def _need_images(self, *texts: str) -> None:
        """Refuse names where there is no store, rather than make one to look into."""
        if self.is_empty and texts:
            from lamina.store import NoImage

            raise NoImage(
                f'no image "{texts[0]}" here', hint=f'there is no store in "{self.directory}" yet'
            )
