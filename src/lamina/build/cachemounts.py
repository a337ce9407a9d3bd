"""Directories that outlive builds: what `RUN --mount=type=cache` mounts.

    <cache mounts>/<id and shape, hashed>/0/data   its files
                                          0/lock   flock: held while a private or locked one is used
                                          1/...    more, where a private one was busy

The place of a cache depends on its id, its owner and mode, and what it began with, so that two
steps share one exactly when they mean the same (BuildKit does likewise).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from lamina.build.copying import CopySpec, copy, select
from lamina.build.graph import CacheMount
from lamina.build.workshop import Trees, Workshop
from lamina.errors import Unavailable
from lamina.fs import lock
from lamina.late import json
from lamina.oci.digest import Digest

_MOST = 64  # private copies of one cache at once


@contextmanager
def opened(mount: CacheMount, workshop: Workshop, trees: Trees) -> Iterator[Path]:
    """The directory of a cache, made if it is new; how it is shared is seen to meanwhile."""
    place = Path(workshop.cache_mounts, _name(mount, trees))
    place.mkdir(parents=True, exist_ok=True)
    if mount.sharing == "shared":
        with lock.exclusive(place / "making"):
            data = _data(place / "0", mount, workshop, trees)
        yield data
    elif mount.sharing == "locked":
        (place / "0").mkdir(exist_ok=True)
        with lock.exclusive(place / "0" / "lock"):
            yield _data(place / "0", mount, workshop, trees)
    else:
        yield from _private(place, mount, workshop, trees)


def _name(mount: CacheMount, trees: Trees) -> str:
    shape = [mount.id, mount.mode, mount.uid, mount.gid, trees.chain(mount.source), mount.path]
    return Digest.of(json.dumps(shape).encode("utf-8", "surrogateescape")).encoded[:32]


def _private(place: Path, mount: CacheMount, workshop: Workshop, trees: Trees) -> Iterator[Path]:
    """The first that nobody uses."""
    for number in range(_MOST):
        own = place / str(number)
        own.mkdir(exist_ok=True)
        with ExitStack() as stack:
            try:
                stack.enter_context(lock.exclusive(own / "lock", timeout=0))
            except Unavailable:
                continue
            yield _data(own, mount, workshop, trees)
            return
    raise Unavailable(f'cache "{mount.id}" is in use {_MOST} times', hint="wait for those builds")


def _data(own: Path, mount: CacheMount, workshop: Workshop, trees: Trees) -> Path:
    """The files' directory; made aside and renamed, so that a killed build leaves no half of it."""
    data = own / "data"
    if data.exists():
        return data
    own.mkdir(exist_ok=True)
    aside = own / f"new-{os.getpid()}"
    aside.mkdir(exist_ok=True)
    source = mount.path.strip("/")
    layers = trees.layers(mount.source)
    if layers:
        spec = CopySpec(sources=(f"{source}/." if source else ".",), destination="/")
        fd = os.open(aside, os.O_RDONLY | os.O_DIRECTORY)
        try:
            copy(select(trees.context(mount.source), spec), fd)
        finally:
            os.close(fd)
    os.chmod(aside, mount.mode)
    os.chown(aside, mount.uid, mount.gid)
    os.rename(aside, data)
    return data
