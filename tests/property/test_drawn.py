"""A layer that is only drawn shows the same tree as one that is extracted onto the tree below."""

from __future__ import annotations

import gzip
import io
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.property.test_apart import Member, layer_of, members, on_top, tar

from lamina.errors import Error
from lamina.oci.digest import ChainID, DiffID, Digest, chain_ids
from lamina.snapshot import ErofsSnapshotter, OverlaySnapshotter, erofs_fault
from lamina.snapshot.drawing import draw
from shelves import picture, reading

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: mounts and devices")


def drawn(
    shelf: ErofsSnapshotter, chain: ChainID, parent: ChainID | None, raw: bytes, blob: Path
) -> bool:
    """Put the layer on its parent without unpacking it; False if it leans."""
    found = draw(shelf, io.BytesIO(raw))
    return found.land(chain, parent, blob=blob)


def both(tars: list[bytes], *, compressed: bool = False) -> tuple[int, int]:
    """Compare every tree of the stack; how many layers were drawn, and leant."""
    counts = [0, 0]
    with tempfile.TemporaryDirectory() as place:
        if (fault := erofs_fault(Path(place))) is not None:
            pytest.skip(f"EROFS does not work here: {fault}")
        one, other = OverlaySnapshotter(Path(place, "1")), ErofsSnapshotter(Path(place, "2"))
        parent = None
        chains = chain_ids([DiffID(Digest.of(raw)) for raw in tars])
        for number, (raw, chain) in enumerate(zip(tars, chains, strict=True)):
            if one.has(chain):
                break
            try:
                on_top(one, chain, parent, raw)
            except Error:
                break
            blob = Path(place, f"blob-{number}")
            blob.write_bytes(raw)
            stored = gzip.compress(raw, 1) if compressed else raw
            if drawn(other, chain, parent, stored, blob):
                counts[0] += 1
            else:
                counts[1] += 1
                on_top(other, chain, parent, raw)
            assert other.drafts() == []
            with reading(one, chain) as first, reading(other, chain) as second:
                compare(picture(first), picture(second))
            parent = chain
    return counts[0], counts[1]


def compare(extracted: dict[str, tuple[object, ...]], seen: dict[str, tuple[object, ...]]) -> None:
    """But for the times of directories that no layer says the time of: extracting changes them."""
    for path, (*rest, time) in extracted.items():
        if int(str(time or 0)) > 10**18:
            extracted[path] = (*rest, seen[path][-1])
    assert seen == extracted


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.lists(members, max_size=7), st.booleans()), min_size=1, max_size=4),
    st.booleans(),
)
def test_both_ways_show_the_same(layers: list[tuple[list[Member], bool]], compressed: bool) -> None:
    tars = [tar(layer, number=at, parents=whole) for at, (layer, whole) in enumerate(layers)]
    both(tars, compressed=compressed)


CASES = {
    "a file replaced": ("file:a", "file:a", True),
    "a file for a directory": ("dir:a file:a/b", "file:a", True),
    "a directory for a file": ("file:a", "dir:a file:a/b", True),
    "a directory for a link": ("dir:b file:b/x symlink:a=b", "dir:a", True),
    "a directory merged": ("dir:a file:a/b", "dir:a file:a/c", True),
    "a file deleted": ("dir:a file:a/b", "dir:a gone:a/b", True),
    "nothing deleted": ("file:b", "dir:a gone:a/b", True),
    "nothing deleted at the root": ("file:b", "gone:a", True),
    "deleted and made anew": ("dir:a file:a/b", "gone:a dir:a file:a/c", True),
    "made opaque": ("dir:a file:a/b", "dir:a opaque:a/x file:a/c", True),
    "opaque, and deleted in": ("dir:a file:a/b", "dir:a opaque:a/x gone:a/b", True),
    "deleted below a link": ("dir:b file:b/x symlink:a=b", "dir:a gone:a/x", True),
    "a hard link of its own": ("file:x", "file:a hardlink:b=a", True),
    "into a directory below": ("dir:a", "file:a/x", True),
    "deleted in a directory below": ("dir:a file:a/x", "gone:a/x", True),
    "opaque below": ("dir:a file:a/x", "opaque:a/x file:a/y", True),
    "into nothing": ("file:x", "file:a/x", True),
    "a hard link below": ("file:a", "hardlink:b=a", False),
    "made, then deleted": ("dir:a file:a/b", "dir:a gone:a", False),
    "twice": ("file:x", "file:a file:a", False),
    "all deleted": ("file:a", "opaque:x", False),
    "through a link below": ("dir:b symlink:a=b", "file:a/x", False),
    "through a link of its own": ("file:x", "dir:b symlink:a=b file:a/x", False),
    "into a file below": ("file:a", "file:a/x", False),
}


@pytest.mark.parametrize("name", CASES)
def test_what_leans_and_what_does_not(name: str) -> None:
    lower, upper, is_drawn = CASES[name]
    tars = [tar(layer_of(text), number=at, parents=False) for at, text in enumerate((lower, upper))]
    drawn_layers, leant = both(tars)
    assert drawn_layers == (2 if is_drawn else 1)
    assert leant <= 1
