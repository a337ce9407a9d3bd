"""Local volumes: directories of this host that outlive containers.

    volumes/<name>/
      volume.json    {"created": ns, "labels": {…}, "anonymous": false}
      lock           held while it is filled
      _data/         what containers see

A volume is made by the first container that names it, and an empty one is filled with what that
container's image has at its target, owner and mode included, as in Docker.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from lamina.errors import NotFound
from lamina.late import json
from lamina.run.mounts import check_volume_name
from lamina.values import dataclass

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Volume:
    """One volume on this disk."""

    name: str
    data: str
    created: int  # ns
    labels: Mapping[str, str]
    anonymous: bool


def random_volume_name() -> str:
    """64 hexadecimal digits, as Docker names a volume that nobody named."""
    return os.urandom(32).hex()


def ensure(
    root: Path | str, name: str, *, now: int, labels: Mapping[str, str], anonymous: bool
) -> Volume:
    """The volume of that name, made if it is not there; one that is there stays as it is."""
    directory = f"{root}/{check_volume_name(name)}"
    if not os.path.exists(f"{directory}/volume.json"):
        os.makedirs(f"{directory}/_data", mode=0o755, exist_ok=True)
        record = {"created": now, "labels": dict(labels), "anonymous": anonymous}
        aside = f"{directory}/volume.json.{os.getpid()}"
        with open(aside, "w", encoding="utf-8") as file:
            file.write(json.dumps(record))
        os.rename(aside, f"{directory}/volume.json")
        os.chmod(root, 0o711)  # what is inside is the containers' own business
    return read(root, name)


def read(root: Path | str, name: str) -> Volume:
    """The volume of that name; NotFound if there is none."""
    directory = f"{root}/{name}"
    try:
        with open(f"{directory}/volume.json", "rb") as file:
            record = json.loads(file.read())
    except (OSError, ValueError):
        raise NotFound(f'no such volume "{name}"') from None
    return Volume(
        name, f"{directory}/_data", record["created"], record["labels"], record["anonymous"]
    )


def names(root: Path | str) -> list[str]:
    """Every volume's name, sorted."""
    try:
        return sorted(
            name for name in os.listdir(root) if os.path.exists(f"{root}/{name}/volume.json")
        )
    except FileNotFoundError:
        return []


def remove(root: Path | str, name: str) -> None:
    """Delete the volume and all that is in it; fine if it is gone."""
    from lamina.fs.root import remove_at

    try:
        fd = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        remove_at(fd, name)
    except FileNotFoundError:
        pass
    finally:
        os.close(fd)


def fill(volume: Volume, source: Callable[[], int | None]) -> bool:
    """Fill an empty volume with a copy of the directory that `source` opens; whether it was done.

    `source` answers None where the image has no directory there. The descriptor is closed here.
    """
    with _locked(os.path.dirname(volume.data)):
        with os.scandir(volume.data) as entries:
            if next(entries, None) is not None:
                return False
        fd = source()
        if fd is None:
            return False
        try:
            copy_tree(fd, volume.data)
        finally:
            os.close(fd)
    return True


def copy_tree(source: int, target: str) -> None:
    """Copy what is in the directory `source` into the directory `target`, and its owner and mode.

    By way of a tar, which keeps hard links, holes, devices and attributes.
    """
    from tempfile import TemporaryFile

    from lamina.fs.metadata import copy_metadata
    from lamina.layer.apply import apply
    from lamina.layer.changes import tree_changes
    from lamina.layer.diff import pack

    reading = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=source)
    writing = os.open(target, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if os.listdir(reading):
            with TemporaryFile(dir=os.path.dirname(target)) as tar:
                pack(tree_changes(None, reading), tar)
                tar.seek(0)
                apply(tar, writing, as_changeset=False)
        copy_metadata(reading, writing)
    finally:
        os.close(reading)
        os.close(writing)


@contextmanager
def _locked(directory: str) -> Iterator[None]:
    from lamina.fs.lock import exclusive

    with exclusive(f"{directory}/lock"):
        yield
