"""A root file system made an image: the store, the snapshotter and the clock meet here."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, BinaryIO

from lamina.engine import layers, local
from lamina.image.change import changed
from lamina.layer.limits import BadArchive
from lamina.oci.config import RunConfig
from lamina.transfer.tarball import Imported, import_tar

if TYPE_CHECKING:
    from lamina.engine.engine import Engine
    from lamina.oci.platform import Platform


def run(
    engine: Engine,
    stream: BinaryIO,
    name: str | None,
    changes: Sequence[str],
    comment: str,
    platform: Platform | None,
) -> Imported:
    """Import the tar, remember what was learnt on the way, and name the image or keep it.

    Who may own files unpacks the tree in the same pass; for others that waits for the first use.
    """
    target = str(local.full_name(name)) if name is not None else None
    config = changed(RunConfig(), changes)
    store = engine.store
    with store.lease("import"):
        try:
            imported = import_tar(
                store,
                stream,
                platform=platform or engine.platform,
                config=config,
                created=_now(engine.settings.source_date_epoch),
                comment=comment,
                snapshotter=engine.snapshotter if os.geteuid() == 0 else None,
            )
        except BadArchive as error:
            error.hint = error.hint or "expected a tar of a root file system"
            raise
        learnt = imported.layer
        layers.keep(store, learnt.digest, learnt.diff_id, learnt.entries, learnt.plain_size)
        if target is not None:
            store.names.tag(target, imported.descriptor)
        else:
            store.names.keep(imported.descriptor)
    return imported


def _now(epoch: int | None) -> str:
    """The time that the image says it was made at, RFC 3339."""
    if epoch is not None:
        return datetime.fromtimestamp(epoch, UTC).isoformat().replace("+00:00", "Z")
    now = time.time_ns()
    second = datetime.fromtimestamp(now // 1_000_000_000, UTC)
    return f"{second:%Y-%m-%dT%H:%M:%S}.{now % 1_000_000_000:09d}Z"
