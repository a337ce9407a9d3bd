"""The containers on this disk; the directory is the only truth, there is no daemon to ask.

containers/
  lock              held for the moment in which a name is taken or given up
  names/<name>      a symbolic link whose text is the ID; its creation takes the name
  live/<id>         an empty file while some process creates, watches or removes it
  <id>/             64 hexadecimal digits
    container.json  the record, see `container`
    state.json      the moment, see `state`
    lock            held while state.json is read and replaced
    log.json        what it printed, see `logs`
    hosts, hostname, resolv.conf
    control         the socket of the process that watches it, see `control`
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from lamina.errors import Conflict, Corrupt, NotFound
from lamina.fs.atomic import write_all
from lamina.run.container import Container
from lamina.run.container import decode as decode_container
from lamina.run.names import check_name, random_name
from lamina.run.state import State
from lamina.run.state import decode as decode_state

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from pathlib import Path

_HEX = frozenset("0123456789abcdef")


class Ledger:
    """Containers by ID and by name. Every method is safe beside other processes."""

    def __init__(self, root: Path | str) -> None:
        self.root = str(root)

    def directory(self, id: str) -> str:
        """Where the container's own files are."""
        return f"{self.root}/{id}"

    def add(self, make: Callable[[str], Container], state: State, name: str | None) -> Container:
        """Take a name (a random one for None) and write the record that `make(name)` gives.

        Conflict if the name is taken. Atomic: the container is there as a whole, or not.
        """
        self._make_root()
        with self._lock(f"{self.root}/lock"):
            container = make(self._free_name(name))
            directory = f"{self.root}/{container.id}"
            os.mkdir(directory, 0o700)
            self._touch_live(container.id)
            _replace(f"{directory}/state.json", state.encode())
            _replace(f"{directory}/container.json", container.encode())
            _relink(container.id, f"{self.root}/names/{container.name}")
        return container

    def _free_name(self, name: str | None) -> str:
        if name is not None:
            holder = self._holder(check_name(name))
            if holder is not None:
                raise Conflict(
                    f'the container name "{name}" is already in use by container "{holder[:12]}"',
                    hint="remove or rename that container, or use another name",
                )
            return check_name(name)
        attempt = 0
        while True:
            candidate = random_name(attempt)
            if self._holder(candidate) is None:
                return candidate
            attempt += 1

    def _holder(self, name: str) -> str | None:
        """The ID of the container of that name; a link to nothing is left by a crash."""
        try:
            id = os.readlink(f"{self.root}/names/{name}")
        except OSError:
            return None
        return id if os.path.exists(f"{self.root}/{id}/container.json") else None

    def rename(self, id: str, name: str) -> None:
        """Give the container another name; Conflict if it is taken."""
        with self._lock(f"{self.root}/lock"):
            container = self.container(id)
            if name.removeprefix("/") == container.name:
                raise Conflict(f'the container is named "{container.name}" already')
            renamed = container.renamed(self._free_name(name))
            _relink(id, f"{self.root}/names/{renamed.name}")
            _replace(f"{self.root}/{id}/container.json", renamed.encode())
            os.unlink(f"{self.root}/names/{container.name}")

    def remove(self, id: str, name: str) -> None:
        """Forget the container and its files; fine if it is gone already."""
        with self._lock(f"{self.root}/lock"):
            if self._named(name) == id:
                os.unlink(f"{self.root}/names/{name}")
            # Without its record nobody finds it, should the rest be cut short.
            for first in ("container.json", "state.json"):
                _unlink(f"{self.root}/{id}/{first}")
        _remove_tree(f"{self.root}/{id}")
        _unlink(f"{self.root}/live/{id}")

    def is_remains(self, id: str) -> bool:
        """Whether there is no record of that ID, and never will be one."""
        with self._lock(f"{self.root}/lock"):  # which who makes one holds until it is whole
            return not os.path.exists(f"{self.root}/{id}/container.json")

    def _named(self, name: str) -> str | None:
        try:
            return os.readlink(f"{self.root}/names/{name}")
        except OSError:
            return None

    def find(self, text: str) -> Container:
        """The container of that name, ID, or unambiguous beginning of an ID; NotFound if none."""
        if len(text) == 64 and _HEX.issuperset(text):
            return self.container(text)
        bare = text.removeprefix("/")
        held = self._holder(bare) if bare and "/" not in bare else None
        if held is not None:
            return self.container(held)
        if text and _HEX.issuperset(text):
            matches = [id for id in self.ids() if id.startswith(text)]
            if len(matches) == 1:
                return self.container(matches[0])
            if matches:
                raise NotFound(f'"{text}" is the beginning of {len(matches)} container IDs')
        raise NotFound(f'no such container "{text}"', hint='"lamina ps -a" lists them')

    def container(self, id: str) -> Container:
        """The record; NotFound if the container is gone."""
        try:
            return decode_container(_read(f"{self.root}/{id}/container.json"))
        except FileNotFoundError:
            raise NotFound(f'no such container "{id[:12]}"') from None

    def state(self, id: str) -> State:
        """The state as last written; NotFound if the container is gone."""
        try:
            return decode_state(_read(f"{self.root}/{id}/state.json"))
        except FileNotFoundError:
            raise NotFound(f'no such container "{id[:12]}"') from None

    def change(self, id: str, change: Callable[[State], State | None]) -> State:
        """Replace the state by what `change` makes of it, under the container's lock.

        `change` answers None to leave it; what it raises goes through, and nothing changes.
        """
        try:
            with self._lock(f"{self.root}/{id}/lock"):
                before = self.state(id)
                after = change(before)
                if after is None:
                    return before
                if after.owner is not None:
                    self._touch_live(id)
                _replace(f"{self.root}/{id}/state.json", after.encode())
                if after.owner is None:
                    _unlink(f"{self.root}/live/{id}")
                return after
        except FileNotFoundError:
            raise NotFound(f'no such container "{id[:12]}"') from None

    def ids(self) -> list[str]:
        """Every container's ID, those half made or half removed too."""
        try:
            return [name for name in os.listdir(self.root) if len(name) == 64]
        except FileNotFoundError:
            return []

    def live(self) -> list[str]:
        """The IDs of containers that some process owns, or owned when it was killed."""
        try:
            return os.listdir(f"{self.root}/live")
        except FileNotFoundError:
            return []

    def all(self) -> Iterator[tuple[Container, State]]:
        """Every container that can be read, newest first."""
        found = []
        for id in self.ids():
            try:
                found.append((self.container(id), self.state(id)))
            except (NotFound, Corrupt):
                continue  # being made or removed by somebody; `reconcile` mends what is broken
        found.sort(key=lambda pair: pair[0].created, reverse=True)
        return iter(found)

    def _touch_live(self, id: str) -> None:
        os.close(os.open(f"{self.root}/live/{id}", os.O_CREAT | os.O_WRONLY, 0o600))

    def _make_root(self) -> None:
        if not os.path.isdir(f"{self.root}/live"):
            os.makedirs(f"{self.root}/names", exist_ok=True)
            os.makedirs(f"{self.root}/live", exist_ok=True)
            os.chmod(self.root, 0o710)

    @contextmanager
    def _lock(self, path: str) -> Iterator[None]:
        """Exclusive while inside; a lock dies with its process, so waiting for it is short."""
        import fcntl

        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _read(path: str) -> bytes:
    with open(path, "rb", buffering=0) as file:
        return file.read()


def _replace(path: str, data: bytes) -> None:
    """Write aside and rename.

    Not synced: after a crash of the machine no container runs, and `reconcile` removes a record
    that came out torn; a sync at each step would cost more than the step.
    """
    aside = f"{path}.{os.getpid()}"
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        try:
            write_all(descriptor, data)
        finally:
            os.close(descriptor)
    except OSError:
        os.unlink(aside)  # the disk is full; what is there stays
        raise
    os.rename(aside, path)


def _relink(text: str, path: str) -> None:
    _unlink(path)
    os.symlink(text, path)


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass


def _remove_tree(path: str) -> None:
    """Remove a directory of plain files; fine if it is gone."""
    try:
        for entry in os.scandir(path):
            if entry.is_dir(follow_symlinks=False):
                _remove_tree(entry.path)
            else:
                _unlink(entry.path)
        os.rmdir(path)
    except FileNotFoundError:
        pass
