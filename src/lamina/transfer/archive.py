"""Images into archives, and out of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import BinaryIO

from lamina.fs import atomic
from lamina.image import export
from lamina.image.archive import Loaded, read_archive
from lamina.oci.content import Fetcher
from lamina.oci.descriptor import Descriptor
from lamina.oci.platform import Platform
from lamina.store import Store
from lamina.transfer.copy import Event, Told


class Format(StrEnum):
    """What `save` can write."""

    DOCKER = "docker-archive"  # what `docker save` writes
    OCI = "oci-archive"  # a layout in a tar
    OCI_DIR = "oci-dir"  # a layout


def save(
    source: Fetcher,
    images: Sequence[tuple[Descriptor, Sequence[str]]],
    out: BinaryIO | str | os.PathLike[str],
    form: Format,
    *,
    platform: Platform | None = None,
) -> None:
    """Write images under their names; `out` is a directory for OCI_DIR, else a stream or a file.

    A file appears whole or not at all. NotFound or Corrupt if a blob is not as it should be.
    """
    chosen = [(descriptor, tuple(names)) for descriptor, names in images]
    if form is Format.OCI_DIR:
        assert isinstance(out, str | os.PathLike)
        export.write_oci_dir(source, chosen, out)
    elif isinstance(out, str | os.PathLike):
        _save_file(source, chosen, os.fspath(out), form, platform)
    else:
        _write(source, chosen, out, form, platform)


def _write(
    source: Fetcher,
    images: list[tuple[Descriptor, tuple[str, ...]]],
    out: BinaryIO,
    form: Format,
    platform: Platform | None,
) -> None:
    if form is Format.DOCKER:
        export.write_docker_archive(source, images, out, platform=platform)
    else:
        export.write_oci_archive(source, images, out)


def _save_file(
    source: Fetcher,
    images: list[tuple[Descriptor, tuple[str, ...]]],
    path: str,
    form: Format,
    platform: Platform | None,
) -> None:
    with atomic.result(path) as out:
        _write(source, images, out, form, platform)


def load(
    store: Store,
    source: str | os.PathLike[str] | BinaryIO,
    *,
    tell: Callable[[Event], None] | None = None,
) -> list[Loaded]:
    """Keep every image of an archive or layout, under the names that it gives them.

    Nothing is named before all of it is here.
    """
    with store.lease("load"):
        target = store.blobs if tell is None else Told(store.blobs, tell)
        loaded = read_archive(source, target)
        for one in loaded:
            for name in one.names:
                store.names.tag(name, one.descriptor)
            if not one.names:
                store.names.keep(one.descriptor)
    return loaded
