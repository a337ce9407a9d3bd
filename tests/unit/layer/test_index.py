"""A layer's table of contents, kept and read again."""

from __future__ import annotations

import pytest

from lamina.errors import Corrupt
from lamina.layer.index import Index, decode, encode
from lamina.layer.tar import DIR, FILE, SYMLINK, Entry, EntryType
from lamina.oci.digest import Digest

FULL = Entry(
    "a\udcff",
    FILE,
    0o4755,
    1 << 40,
    -1,
    1 << 50,
    -5,
    "",
    (0, 0),
    {"user.x": b"\0\xff"},
    512,
    ((0, 5), (4096, 1)),
    Digest.of(b""),
    "me",
    "us",
)
KINDS = [Entry(kind.value, kind, device=(1, 3), link="x") for kind in EntryType]
MANY = [
    Entry(f"d/{at}", FILE, 0o644, size=at, offset=at * 512, digest=Digest.of(b"%d" % at))
    for at in range(3000)
]


@pytest.mark.parametrize(
    "entries",
    [[], [FULL], KINDS, MANY, MANY[:1024], [*MANY[:1025], FULL]],
    ids=["empty", "full", "kinds", "many", "frame", "frame and one"],
)
def test_what_goes_in_comes_out(entries: list[Entry]) -> None:
    assert decode(encode(entries)) == entries
    index = Index.from_bytes(encode(entries))
    assert list(index) == entries and index == entries and len(index) == len(entries)


def test_other_digests_keep_their_algorithm() -> None:
    entry = Entry("f", digest=Digest.of(b"", "sha512"))
    assert decode(encode([entry])) == [entry]


def test_an_index_is_a_sequence() -> None:
    index = Index()
    for entry in MANY:
        index.append(entry)
    assert index[0] == MANY[0] and index[-1] == MANY[-1] and index[1500] == MANY[1500]
    assert index[1020:1030] == MANY[1020:1030]
    assert MANY[2000] in index and Entry("no", DIR) not in index
    assert index != MANY[:-1]
    with pytest.raises(IndexError):
        index[3000]
    assert encode(index) == encode(MANY)


def test_it_is_compact() -> None:
    assert len(encode(MANY)) < 60 * len(MANY)


def test_damage_shows() -> None:
    data = encode([*MANY, Entry("l", SYMLINK, link="x")])
    for bad in (b"", b"nothing", data[:-1], data[: len(data) // 2], data + b"x"):
        with pytest.raises(Corrupt):
            decode(bad)
    with pytest.raises(Corrupt):
        decode(data[:40] + bytes(40) + data[80:])
