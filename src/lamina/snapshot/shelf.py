"""Where a snapshotter keeps its trees, and how they come and go (docs/on-disk.md, "Snapshots").

A tree moves new/ -> drafts/ -> chains/ -> trash/, each time by one rename of its directory.
Whoever looks for what stands on a snapshot reads new/, drafts/ and chains/ in this order, so that
a tree on its way is seen at least once.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Collection, Iterator

from lamina.errors import Invalid
from lamina.fs import lock
from lamina.fs.faults import told
from lamina.fs.owner import Owner
from lamina.fs.root import remove_at
from lamina.oci.digest import ChainID, Digest
from lamina.snapshot import meta
from lamina.snapshot.meta import Meta
from lamina.snapshot.snapshotter import DraftExists, InUse, NoSnapshot
from lamina.values import replace

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from pathlib import Path

_LONGEST_KEY = 201
_BETWEEN = str.maketrans("", "", "_.-")  # what a key may have beside letters and digits
# A layer that is not extracted (`snapshot.erofs`): its names and metadata, and its plain tar.
IMAGE, DATA = "layer.erofs", "layer.tar"
_PLACES = ("chains", "drafts", "new", "trash")


class Shelf:
    """The directories of one snapshotter. Safe for many threads and processes."""

    def __init__(self, root: Path | str) -> None:
        self.root = os.fspath(root)
        self._lock = os.path.join(root, "lock")
        self._parents: dict[ChainID, ChainID | None] = {}  # of snapshots that were asked for

    def chain_directory(self, chain: ChainID) -> str:
        algorithm, _, encoded = chain.partition(":")
        name = encoded if algorithm == "sha256" else f"{algorithm}-{encoded}"
        return f"{self.root}/chains/{name}"

    def draft_directory(self, key: str) -> str:
        is_fit = key.isascii() and key[:1].isalnum() and key.translate(_BETWEEN).isalnum()
        if not is_fit or len(key) > _LONGEST_KEY:
            raise Invalid(
                f'"{key}" cannot name a draft', hint='use letters, digits, "_", "." and "-"'
            )
        return f"{self.root}/drafts/{key}"

    def has(self, chain: ChainID) -> bool:
        """Whether the snapshot is there and trusted; if so it counts as new for gc."""
        directory = self.chain_directory(chain)
        if not self._is_trusted(directory):
            return False
        # The lock keeps `retire` from judging the old age while it is being renewed.
        with told(self.root), lock.shared(self._lock):
            try:
                os.utime(directory)
            except FileNotFoundError:
                return False
        return True

    def prepare(
        self, key: str, parent: ChainID | None, furnish: Callable[[str, str | None], None]
    ) -> str:
        """The directory of a new draft; `furnish(directory, parent's directory)` makes its tree."""
        target = self.draft_directory(key)
        with told(self.root):
            self._ensure()
            if os.path.exists(target):
                raise DraftExists(f'the draft "{key}" exists already')
            staging, below = self._stage(parent)
            try:
                furnish(staging, below)
                os.rename(staging, target)
            except OSError as error:
                self._delete(staging)
                if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
                    raise DraftExists(f'the draft "{key}" exists already') from error
                raise
            except BaseException:
                self._delete(staging)
                raise
        return target

    def commit(self, key: str, chain: ChainID) -> None:
        """Move the draft to `chain`, or discard it if a trusted snapshot is there."""
        source, target = self.draft_directory(key), self.chain_directory(chain)
        with told(self.root):
            for _ in range(8):
                try:
                    os.rename(source, target)
                    return
                except FileNotFoundError:
                    raise NoSnapshot(f'no draft "{key}" here') from None
                except OSError as error:
                    if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                        raise
                if self._is_trusted(target):
                    break
                # From an earlier boot, and perhaps damaged: ours takes its place.
                with lock.exclusive(self._lock):
                    if not self._is_trusted(target):
                        self._set_aside(target)
        self.discard(key)

    def adopt(self, key: str, parent: ChainID) -> None:
        """Let a draft that was prepared on nothing stand on `parent`, which stays from now on."""
        directory = self.draft_directory(key)
        with told(self.root), lock.shared(self._lock):
            self.meta_of(parent)
            replace(self.meta_of_draft(key), parent=parent).write(directory)

    def discard(self, key: str) -> None:
        """Delete a draft."""
        with told(self.root):
            aside = self._set_aside(self.draft_directory(key))
            if aside is not None:
                self._delete(aside)

    def meta_of_draft(self, key: str) -> Meta:
        try:
            return meta.read(self.draft_directory(key))
        except FileNotFoundError:
            raise NoSnapshot(f'no draft "{key}" here') from None

    def meta_of(self, chain: ChainID) -> Meta:
        try:
            return meta.read(self.chain_directory(chain))
        except FileNotFoundError:
            raise NoSnapshot(
                f'no snapshot "{chain}" here', hint="unpack the image's layers again"
            ) from None

    def stack(self, chain: ChainID | None) -> list[ChainID]:
        """`chain` and all below it, topmost first."""
        found: list[ChainID] = []
        while chain is not None:
            # What stands below the first stays as long as that does, and is named by it.
            if not found or chain not in self._parents:
                self._parents[chain] = self.meta_of(chain).parent
            found.append(chain)
            chain = self._parents[chain]
        return found

    def remove(self, chain: ChainID) -> None:
        """Delete a snapshot; InUse while something stands on it."""
        directory = self.chain_directory(chain)
        if not os.path.exists(directory):
            return
        with told(self.root):
            with lock.exclusive(self._lock):
                for what, parent in self._stands():
                    if parent == chain:
                        what = f'the snapshot "{what}"' if isinstance(what, Digest) else what
                        raise InUse(
                            f'the snapshot "{chain}" is in use by {what}', hint="remove that first"
                        )
                aside = self._set_aside(directory)
            if aside is not None:
                self._delete(aside)

    def chains(self) -> list[ChainID]:
        return sorted(_chain(name) for name in self._names("chains"))

    def drafts(self) -> list[str]:
        return sorted(self._names("drafts"))

    def usage(self, chain: ChainID, *, with_blobs: bool = False) -> int:
        """Bytes of disk, see `Snapshotter.usage`."""
        directory = self.chain_directory(chain)
        try:
            return _usage(directory, with_blobs=with_blobs)
        except FileNotFoundError:
            raise NoSnapshot(f'no snapshot "{chain}" here') from None

    def draft_usage(self, key: str) -> int:
        try:
            from lamina.snapshot import disk

            return disk.usage(os.path.join(self.draft_directory(key), "tree"))
        except FileNotFoundError:
            raise NoSnapshot(f'no draft "{key}" here') from None

    def settle(self) -> None:
        """Sync the file system, and mark as trusted what was there before."""
        here = meta.this_boot()
        with told(self.root):
            new = []
            for name in self._names("chains"):
                directory = f"{self.root}/chains/{name}"
                if not os.path.exists(f"{directory}/settled"):
                    try:
                        if meta.read(directory).boot == here:
                            new.append(directory)
                    except FileNotFoundError:  # removed meanwhile
                        continue
            if not new:
                return
            os.sync()
            for directory in new:
                try:
                    os.close(os.open(f"{directory}/settled", os.O_CREAT | os.O_CLOEXEC, 0o644))
                except FileNotFoundError:
                    continue

    def retire(
        self,
        live: Collection[ChainID],
        *,
        kept: Callable[[str], bool],
        since: int | None,
        dry_run: bool,
    ) -> dict[str, int]:
        """See `Snapshotter.retire`."""
        with told(self.root):
            self._ensure()
            with lock.exclusive(self._lock):
                drafts = [key for key in self.drafts() if self._is_orphan(key, kept)]
                chains = self._unneeded(live, drafts, since)
                places = [(str(chain), self.chain_directory(chain)) for chain in chains]
                places += [(key, self.draft_directory(key)) for key in drafts]
                if not dry_run:
                    places = [
                        (name, aside)
                        for name, path in places
                        if (aside := self._set_aside(path)) is not None
                    ]
            return {name: _usage(path) for name, path in places}

    def purge(self) -> None:
        """Delete what was set aside, and what the dead have left."""
        with told(self.root):
            for name in self._names("trash"):
                self._delete(f"{self.root}/trash/{name}")
            for name in self._names("new"):
                owner = Owner.of_name(name)
                if owner is None or not owner.alive():
                    self._delete(f"{self.root}/new/{name}")

    def _ensure(self) -> None:
        if not os.path.isdir(f"{self.root}/trash"):
            for place in _PLACES:
                os.makedirs(f"{self.root}/{place}", mode=0o711, exist_ok=True)

    def _stage(self, parent: ChainID | None) -> tuple[str, str | None]:
        """A directory in new/ that keeps `parent` from being removed, and the parent's own."""
        owner = Owner.this()
        facts = Meta(parent, owner, meta.this_boot(), time.time_ns())
        staging = f"{self.root}/new/{owner.fresh_name()}"
        with lock.shared(self._lock):
            below = None
            if parent is not None:
                self.meta_of(parent)
                below = self.chain_directory(parent)
            os.mkdir(staging, 0o700)
            facts.write(staging)
        return staging, below

    def _is_trusted(self, directory: str) -> bool:
        if os.path.exists(f"{directory}/settled"):
            return True
        try:
            return meta.read(directory).boot == meta.this_boot()
        except FileNotFoundError:
            return False

    def _is_orphan(self, key: str, kept: Callable[[str], bool]) -> bool:
        """Whether a draft belongs to nobody: its owner is asked first, for it names its heir."""
        try:
            return not self.meta_of_draft(key).owner.alive() and not kept(key)
        except NoSnapshot:  # committed or discarded meanwhile
            return False

    def _unneeded(
        self, live: Collection[ChainID], orphans: Collection[str], since: int | None
    ) -> list[ChainID]:
        """The snapshots that nothing stands on but what goes too."""
        parents = {}
        needed = set(live)
        going = {f'the draft "{key}"' for key in orphans}
        for what, parent in self._stands():
            if isinstance(what, Digest):
                parents[ChainID(what)] = parent
            elif parent is not None and what not in going:
                needed.add(parent)
        for chain in parents:
            if since is not None and self._changed(chain) >= since:
                needed.add(chain)
        for chain in list(needed):
            above = parents.get(chain)
            while above is not None and above not in needed:
                needed.add(above)
                above = parents.get(above)
        return sorted(chain for chain in parents if chain not in needed)

    def _changed(self, chain: ChainID) -> int:
        # A rename and a utime both set it, so it says when the snapshot came, or was asked for.
        return os.stat(self.chain_directory(chain)).st_ctime_ns

    def _stands(self) -> Iterator[tuple[str, ChainID | None]]:
        """Everything that may stand on a snapshot, in words (a chain by its ID), and its parent."""
        for name in self._names("new"):
            owner = Owner.of_name(name)
            if owner is not None and owner.alive():
                facts = self._facts(f"new/{name}")
                if facts is not None:
                    yield "a draft that is being made", facts.parent
        for name in self._names("drafts"):
            facts = self._facts(f"drafts/{name}")
            if facts is not None:
                yield f'the draft "{name}"', facts.parent
        for name in self._names("chains"):
            facts = self._facts(f"chains/{name}")
            if facts is not None:
                yield _chain(name), facts.parent

    def _facts(self, place: str) -> Meta | None:
        try:
            return meta.read(f"{self.root}/{place}")
        except FileNotFoundError:
            return None

    def _names(self, place: str) -> list[str]:
        try:
            return os.listdir(f"{self.root}/{place}")
        except FileNotFoundError:
            return []

    def _set_aside(self, path: str) -> str | None:
        """Move a tree into trash/, in one step; None if it is gone already."""
        aside = f"{self.root}/trash/{Owner.this().fresh_name()}"
        try:
            os.rename(path, aside)
        except FileNotFoundError:
            return None
        return aside

    def _delete(self, path: str) -> None:
        directory, name = os.path.split(path)
        fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            remove_at(fd, name)
        except FileNotFoundError:
            pass  # another one was faster
        finally:
            os.close(fd)


def _chain(name: str) -> ChainID:
    algorithm, dash, encoded = name.partition("-")
    return ChainID(Digest(f"{algorithm}:{encoded}" if dash else f"sha256:{name}"))


def _stat(path: str) -> os.stat_result | None:
    try:
        return os.stat(path, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _usage(directory: str, *, with_blobs: bool = False) -> int:
    """Bytes of the tree in `directory`, counted once, for a snapshot does not change.

    Of a layer that is not extracted, the files count, but not a tar that the store names as well.
    """
    files = [found for name in (IMAGE, DATA) if (found := _stat(f"{directory}/{name}"))]
    if files:
        return sum(found.st_blocks * 512 for found in files if with_blobs or found.st_nlink == 1)
    note = f"{directory}/usage"
    try:
        with open(note, encoding="utf-8") as file:
            return int(file.read())
    except (FileNotFoundError, ValueError):
        pass
    from lamina.snapshot import disk

    total = disk.usage(f"{directory}/tree")
    aside = f"{note}.{Owner.this().fresh_name()}"
    try:
        with open(aside, "x", encoding="utf-8") as file:
            file.write(str(total))
        os.rename(aside, note)
    except OSError:
        pass  # only a note: counted again next time
    return total
