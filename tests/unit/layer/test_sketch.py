"""What a layer is drawn as; `tests/property/test_drawn.py` compares trees."""

from __future__ import annotations

import io
import os
import tarfile

import pytest
from tests.contract.test_layers import Tar

from lamina.layer.sketch import Sketched, read
from lamina.layer.tar import read_index

LINK, DIR, FILE, CHAR = tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.REGTYPE, tarfile.CHRTYPE


def drawn(raw: bytes) -> Sketched:
    plain = os.open(os.devnull, os.O_WRONLY)
    try:
        return read(io.BytesIO(raw), plain)
    finally:
        os.close(plain)


LEANING = {
    "a name twice": Tar().add("a").add("a"),
    "a directory twice": Tar().add("a", DIR).add("a", DIR),
    "a hard link below": Tar().add("a", LINK, linkname="b"),
    "a hard link to a directory": Tar().add("b", DIR).add("a", LINK, linkname="b"),
    "through a link": Tar().add("a", tarfile.SYMTYPE, linkname="b").add("a/x"),
    "through a file": Tar().add("a").add("a/x"),
    "made, then deleted": Tar().add("a").add(".wh.a"),
    "all deleted": Tar().add(".wh..wh..opq"),
    "AUFS's names": Tar().add(".wh..wh.aufs"),
    "overlayfs's whiteout": Tar().add("a", CHAR, devmajor=0, devminor=0),
    "a device out of range": Tar().add("a", CHAR, devmajor=5000, devminor=1),
    "an ACL": Tar().xattrs("a", FILE, {"system.posix_acl_access": b"\x02\0\0\0"}),
    "a capability that is none": Tar().xattrs("a", FILE, {"security.capability": b"x"}),
    "an owner that means none": Tar().add("a", pax_headers={"uid": str((1 << 32) - 1)}),
    "a time that ext4 has no room for": Tar().add("a", pax_headers={"mtime": str(1 << 34)}),
    "a name too long": Tar().add("n" * 256),
    "a link to nowhere": Tar().add("a", tarfile.SYMTYPE, linkname=""),
}


@pytest.mark.parametrize("name", LEANING)
def test_what_an_image_cannot_say_leans(name: str) -> None:
    assert drawn(LEANING[name].bytes()).applied.leans


def test_what_is_learnt_of_a_layer_is_as_when_it_is_read() -> None:
    raw = Tar().add("d", DIR).add("d/file", data=b"x" * 3000).add("d/empty").bytes()
    applied = drawn(raw).applied
    assert not applied.leans
    found = read_index(io.BytesIO(raw))
    for entry in found:
        entry.digest = None  # taken when somebody asks
    assert list(applied.index) == found


def test_attributes_for_files_only_are_noted_and_left_out() -> None:
    note = {"user.note": b"1"}
    found = drawn(Tar().xattrs("a", tarfile.SYMTYPE, note).xattrs("b", FILE, note).bytes())
    assert found.applied.notes == (
        'the attribute "user.note" is for files and directories only (1 times)',
    )


def test_the_same_layer_gives_the_same_image() -> None:
    raw = Tar().add("b/c", data=b"1").add("a", data=b"2").bytes()
    images = []
    for _ in range(2):
        found = drawn(raw)
        found.sketch.settle(None)
        images.append(bytes(found.sketch.image(len(raw))))
    assert images[0] == images[1]


def test_a_layer_of_too_many_names_leans(monkeypatch: pytest.MonkeyPatch) -> None:
    from lamina.layer import sketch

    monkeypatch.setattr(sketch, "_ROOM", 2000)
    tar = Tar()
    for number in range(10):
        tar.add(f"f{number}")
    assert drawn(tar.bytes()).applied.leans
