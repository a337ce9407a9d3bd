"""A layer that becomes a snapshot without being extracted: read first, put on its parent later."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from lamina.layer import sketch
from lamina.layer.apply import Applied
from lamina.layer.entry import Entry
from lamina.layer.extract import Leans
from lamina.layer.sketch import Sketch
from lamina.oci.digest import ChainID
from lamina.snapshot.snapshotter import Draft, Indexer
from lamina.values import dataclass


@dataclass(frozen=True, slots=True)
class Drawn:
    """A layer that has been read: `land` or `discard` it. Where `applied.leans`, it cannot land."""

    indexer: Indexer
    draft: Draft
    applied: Applied
    sketch: Sketch

    def land(self, chain: ChainID, parent: ChainID | None, *, blob: Path) -> bool:
        """Make it the snapshot `chain` on top of `parent`; `blob` is where the store has it.

        False, and nothing of it stays, if it must be unpacked after all.
        """
        applied = self.applied
        if applied.leans:
            self.discard()
            return False
        plain = blob if applied.digest == applied.diff_id else None
        return _land(self.indexer, self.draft, chain, parent, self.sketch, plain)

    def discard(self) -> None:
        """Throw it away."""
        self.indexer.discard(self.draft)


def draw(indexer: Indexer, stream: BinaryIO) -> Drawn:
    """Read the layer `stream` to its end; raises as `layer.apply`."""
    draft = indexer.prepare(f"unpack-{os.getpid()}-{os.urandom(8).hex()}", None)
    try:
        plain = indexer.plain(draft)
        try:
            found = sketch.read(stream, plain)
        finally:
            os.close(plain)
    except BaseException:
        indexer.discard(draft)
        raise
    return Drawn(indexer, draft, found.applied, found.sketch)


def land(
    indexer: Indexer, entries: Iterable[Entry], chain: ChainID, parent: ChainID | None, blob: Path
) -> bool:
    """Make the plain layer `blob`, which has these entries, the snapshot `chain` on `parent`.

    False, and nothing of it stays, if it must be unpacked after all.
    """
    drawing = Sketch()
    draft = indexer.prepare(f"draw-{os.getpid()}-{os.urandom(8).hex()}", None)
    try:
        os.close(indexer.plain(draft))
        for entry in entries:
            drawing.add(entry)
    except BaseException as error:
        indexer.discard(draft)
        if isinstance(error, Leans):
            return False
        raise
    return _land(indexer, draft, chain, parent, drawing, blob)


def _land(
    indexer: Indexer,
    draft: Draft,
    chain: ChainID,
    parent: ChainID | None,
    drawing: Sketch,
    blob: Path | None,
) -> bool:
    has_landed = False
    try:
        has_landed = indexer.index(draft, chain, parent, drawing, blob=blob)
    finally:
        if not has_landed:
            indexer.discard(draft)
    return has_landed
