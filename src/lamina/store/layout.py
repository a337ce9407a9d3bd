"""The directories of a store (docs/on-disk.md)."""

from __future__ import annotations

import os

from lamina.errors import Conflict
from lamina.fs import atomic, lock
from lamina.fs.faults import told
from lamina.late import json

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from pathlib import Path

_LAYOUT = b'{"imageLayoutVersion":"1.0.0"}'  # image-layout.md, "oci-layout file"
_DIRECTORIES = ("blobs/sha256", "ingest", "trash", "snapshots", "containers", "cache-mounts")


def ensure(root: Path | str) -> None:
    """Make `root` a store if it is none; Conflict if it is another tool's image layout."""
    # `locks` is made first and `oci-layout` last: both are there, so all is.
    if os.path.exists(f"{root}/oci-layout"):
        if not os.path.isdir(f"{root}/locks"):
            raise Conflict(
                f'"{root}" is an OCI image layout that another tool keeps',
                hint='import it with "lamina load", or set LAMINA_ROOT to another directory',
            )
        return
    with told(str(root)):
        os.makedirs(f"{root}/locks", mode=0o711, exist_ok=True)
        with lock.exclusive(f"{root}/locks/names"):
            for name in _DIRECTORIES:
                os.makedirs(f"{root}/{name}", mode=0o755, exist_ok=True)
            if not os.path.exists(f"{root}/index.json"):
                empty = {
                    "schemaVersion": 2,
                    "mediaType": "application/vnd.oci.image.index.v1+json",
                    "manifests": [],
                }
                atomic.write(
                    f"{root}/index.json", json.dumps(empty, separators=(",", ":")).encode()
                )
            atomic.write(f"{root}/oci-layout", _LAYOUT)
