"""A layer laid apart and grafted shows the same tree as one that is laid onto the tree below."""

from __future__ import annotations

import io
import os
import tarfile
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.errors import Error
from lamina.fs import mounts
from lamina.layer import apart
from lamina.layer.apply import apply
from lamina.oci.digest import ChainID, DiffID, Digest, chain_ids
from lamina.snapshot import OverlaySnapshotter, overlay_fault, unpack
from shelves import picture, reading

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: mounts and devices")

Member = tuple[str, str, str]  # kind, path, link
names = st.sampled_from(["a", "b", "c"])
paths = st.lists(names, min_size=1, max_size=3).map("/".join)
members = st.tuples(
    st.sampled_from(["dir", "dir", "dir", "file", "file", "symlink", "hardlink", "gone", "opaque"]),
    paths,
    paths,
)


def tar(layer: list[Member], *, number: int, parents: bool) -> bytes:
    """The layer as a tar; with `parents` every directory that leads to a member is in it."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        if number == 0 or parents:
            layer = [(".", ".", ""), *layer] if number % 2 == 0 else layer
        made: set[str] = set()
        for kind, path, link in layer:
            directory, _, name = path.rpartition("/")
            if parents:
                parts = directory.split("/") if directory else []
                for depth in range(1, len(parts) + 1):
                    above = "/".join(parts[:depth])
                    if above not in made:
                        made.add(above)
                        archive.addfile(member("dir", above, "", number))
            if kind == "gone":
                path = f"{directory}/.wh.{name}" if directory else f".wh.{name}"
            elif kind == "opaque":
                path = f"{directory}/.wh..wh..opq" if directory else ".wh..wh..opq"
            made.add(path)
            data = f"{number}{path}".encode() if kind == "file" else b""
            info = member(kind, path, link, number)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def member(kind: str, path: str, link: str, number: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(path)
    info.mtime, info.uid = 1_000_000 + number, number
    info.mode = 0o750 + number if kind in ("dir", ".") else 0o640
    info.type = {
        "dir": tarfile.DIRTYPE,
        ".": tarfile.DIRTYPE,
        "symlink": tarfile.SYMTYPE,
        "hardlink": tarfile.LNKTYPE,
    }.get(kind, tarfile.REGTYPE)
    info.linkname = link if kind in ("symlink", "hardlink") else ""
    return info


def on_top(shelf: OverlaySnapshotter, chain: ChainID, parent: ChainID | None, raw: bytes) -> None:
    unpack(shelf, chain, parent, lambda root: apply(io.BytesIO(raw), root))


def aside(shelf: OverlaySnapshotter, chain: ChainID, parent: ChainID, raw: bytes) -> bool:
    """Unpack the layer apart and graft it; False if it leans."""
    draft = shelf.prepare(f"apart-{chain.short}", None)
    try:
        with mounts.opened(draft.plan) as root:
            found = apart.apply(io.BytesIO(raw), root)
    except Error:
        shelf.discard(draft)
        return False
    assert found.applied.diff_id == Digest.of(raw)
    if found.applied.leans:
        shelf.discard(draft)
        return False
    shelf.graft(draft, chain, parent, whiteouts=found.whiteouts, has_root=found.has_root)
    return True


def both(tars: list[bytes]) -> tuple[int, int]:
    """Compare every tree of the stack; how many layers were laid apart, and leant."""
    counts = [0, 0]
    with tempfile.TemporaryDirectory() as place:
        if (fault := overlay_fault(Path(place))) is not None:
            pytest.skip(f"overlay does not work here: {fault}")
        one, other = OverlaySnapshotter(Path(place, "1")), OverlaySnapshotter(Path(place, "2"))
        parent = None
        chains = chain_ids([DiffID(Digest.of(raw)) for raw in tars])
        for raw, chain in zip(tars, chains, strict=True):
            if one.has(chain):
                break
            try:
                on_top(one, chain, parent, raw)
            except Error:
                break
            if parent is None:
                on_top(other, chain, parent, raw)
            elif aside(other, chain, parent, raw):
                counts[0] += 1
            else:
                counts[1] += 1
                on_top(other, chain, parent, raw)
            with reading(one, chain) as first, reading(other, chain) as second:
                assert shown(second) == shown(first)
            parent = chain
    return counts[0], counts[1]


def shown(root: Path) -> dict[str, tuple[object, ...]]:
    """The picture, without the times of directories that no layer says the time of."""
    return {
        path: seen if int(str(seen[6] or 0)) < 10**18 else (*seen[:6], "now")
        for path, seen in picture(root).items()
    }


@settings(max_examples=120, deadline=None)
@given(st.lists(st.tuples(st.lists(members, max_size=7), st.booleans()), min_size=2, max_size=4))
def test_both_ways_show_the_same(layers: list[tuple[list[Member], bool]]) -> None:
    both([tar(layer, number=at, parents=whole) for at, (layer, whole) in enumerate(layers)])


def layer_of(text: str) -> list[Member]:
    """The members that words like "dir:a hardlink:b=a" spell."""
    found = []
    for word in text.split():
        kind, _, rest = word.partition(":")
        path, _, link = rest.partition("=")
        found.append((kind, path, link))
    return found


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
    "a hard link below": ("file:a", "hardlink:b=a", False),
    "made, then deleted": ("dir:a file:a/b", "dir:a gone:a", False),
    "twice": ("file:x", "file:a file:a", False),
    "all deleted": ("file:a", "opaque:x", False),
    "through a link": ("dir:b symlink:a=b", "file:a/x", False),
    "into a directory below": ("dir:a", "file:a/x", False),
    "into nothing": ("file:x", "file:a/x", False),
}


@pytest.mark.parametrize("name", CASES)
def test_what_leans_and_what_does_not(name: str) -> None:
    lower, upper, is_apart = CASES[name]
    tars = [tar(layer_of(text), number=at, parents=False) for at, text in enumerate((lower, upper))]
    assert both(tars) == (int(is_apart), int(not is_apart))
