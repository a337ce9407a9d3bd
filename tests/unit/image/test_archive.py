import gzip
import io
import json
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from lamina.errors import Error, Invalid
from lamina.image import view
from lamina.image.archive import (
    BadImageArchive,
    Loaded,
    read_archive,
    write_docker_archive,
    write_oci_archive,
    write_oci_dir,
)
from lamina.image.validate import validate
from lamina.oci.config import ImageConfig
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import DiffID, Digest
from lamina.oci.platform import Platform
from places import Memory, image, index, tar

NAME = "docker.io/library/a:1"
Write = Callable[..., None]


class Pipe(io.RawIOBase):
    """A stream that can be read once, in small pieces."""

    def __init__(self, data: bytes) -> None:
        self._rest = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return self._rest.read(min(size, 1000) if size >= 0 else size)


def written(write: Write, place: Memory, *images: tuple[Descriptor, list[str]]) -> bytes:
    out = io.BytesIO()
    write(place, images, out)
    return out.getvalue()


def archived(entries: list[tuple[str, bytes | tarfile.TarInfo]]) -> bytes:
    """A tar of files in order; a TarInfo stands for itself."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, content in entries:
            if isinstance(content, tarfile.TarInfo):
                archive.addfile(content)
                continue
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tuple[str, tarfile.TarInfo]:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = kind, target
    return name, entry


def saved(*plains: bytes) -> tuple[ImageConfig, list[tuple[str, bytes | tarfile.TarInfo]]]:
    """The members of what `docker save` wrote before 25."""
    config = ImageConfig.make(
        platform=Platform("linux", "amd64"),
        diff_ids=tuple(DiffID(Digest.of(plain)) for plain in plains),
    )
    entries: list[tuple[str, bytes | tarfile.TarInfo]] = [
        (f"{at}/layer.tar", plain) for at, plain in enumerate(plains)
    ]
    name = f"{config.digest.encoded}.json"
    listed = [
        {"Config": name, "RepoTags": ["a:1"], "Layers": [entry[0] for entry in entries]},
    ]
    entries += [(name, config.raw), ("manifest.json", json.dumps(listed).encode())]
    return config, entries


@pytest.mark.parametrize("write", [write_oci_archive, write_docker_archive])
@pytest.mark.parametrize("compress", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize("stream", [io.BytesIO, Pipe])
def test_what_is_written_is_read_again(
    write: Write, compress: Callable[[bytes], bytes], stream: Callable[[bytes], io.BytesIO]
) -> None:
    place, other = Memory(), Memory()
    descriptor = image(place, tar(a=b"1"), tar(b=b"2"), compress=True)
    raw = compress(written(write, place, (descriptor, ["a:1", "ghcr.io/b/c"])))
    assert read_archive(stream(raw), other) == [
        Loaded(descriptor, (NAME, "ghcr.io/b/c:latest")),
    ]
    assert other.blobs == place.blobs
    assert other.pushed[-1] == descriptor.digest


@pytest.mark.parametrize("write", [write_oci_archive, write_docker_archive])
def test_the_same_images_make_the_same_bytes(write: Write) -> None:
    place = Memory()
    one, two = image(place, tar(a=b"1")), image(place, tar(b=b"1"))
    once = written(write, place, (one, ["a:1"]), (two, []))
    place.blobs = dict(reversed(place.blobs.items()))
    assert written(write, place, (one, ["a:1"]), (two, [])) == once


def test_other_tools_can_read_the_tar(tmp_path: Path) -> None:
    place = Memory()
    raw = written(write_docker_archive, place, (image(place, tar(a=b"1" * 1000)), ["a:1"]))
    with tarfile.open(fileobj=io.BytesIO(raw), mode="r:") as archive:
        names = archive.getnames()
        (listed,) = json.load(archive.extractfile("manifest.json"))  # type: ignore[arg-type]
        assert listed["RepoTags"] == ["a:1"]
        assert {listed["Config"], *listed["Layers"]} < set(names)
        assert {entry.mtime for entry in archive} == {0}
    assert names[:2] == ["blobs", "blobs/sha256"]


def test_a_layout_directory_is_written_read_and_added_to(tmp_path: Path) -> None:
    place, other = Memory(), Memory()
    one, two = image(place, tar(a=b"1")), image(place, tar(b=b"1"))
    root = tmp_path / "layout"
    write_oci_dir(place, [(one, ["a:1"])], root)
    write_oci_dir(place, [(two, ["b:1"])], root)
    assert read_archive(root, other) == [
        Loaded(one, (NAME,)),
        Loaded(two, ("docker.io/library/b:1",)),
    ]
    write_oci_dir(place, [(two, ["a:1"])], root)
    assert read_archive(root, other) == [Loaded(two, ("docker.io/library/b:1", NAME))]
    assert not list(root.rglob("*.aside"))


def test_a_directory_of_something_else_is_not_written_into(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("x")
    place = Memory()
    with pytest.raises(Invalid, match="not empty"):
        write_oci_dir(place, [(image(place), [])], tmp_path)
    assert os.listdir(tmp_path) == ["mine"]


def test_an_index_with_one_image_missing_is_written_and_read_without_it() -> None:
    place, other = Memory(), Memory()
    ours, theirs = image(place, tar(a=b"1")), image(place, tar(b=b"1"))
    both = index(place, ours, theirs)
    del place.blobs[theirs.digest]
    raw = written(write_oci_archive, place, (both, ["a:1"]))
    assert [found.descriptor for found in read_archive(io.BytesIO(raw), other)] == [both]
    assert ours.digest in other.blobs


def test_a_blob_that_is_not_as_promised_is_not_written_silently() -> None:
    place = Memory()
    descriptor = image(place, tar(a=b"1"))
    place.blobs[view.load(place, descriptor).layers[0].descriptor.digest] = tar(a=b"2")
    with pytest.raises(Error, match="has the digest"):
        written(write_oci_archive, place, (descriptor, []))


def test_what_docker_saved_before_25_is_read() -> None:
    place = Memory()
    config, entries = saved(tar(a=b"1"), tar(b=b"2"))
    (found,) = read_archive(io.BytesIO(archived(entries)), place)
    assert found.names == (NAME,)
    assert view.load(place, found.descriptor).id == config.digest
    assert validate(place, found.descriptor) == []


def test_layers_compressed_one_by_one_are_read() -> None:
    place = Memory()
    plain = tar(a=b"1")
    _, entries = saved(plain)
    entries[0] = entries[0][0], gzip.compress(plain)
    (found,) = read_archive(io.BytesIO(archived(entries)), place)
    assert validate(place, found.descriptor) == []


def test_layers_compressed_as_no_media_type_knows_are_stored_plain() -> None:
    import bz2

    place = Memory()
    plain = tar(a=b"1")
    _, entries = saved(plain)
    entries[0] = entries[0][0], bz2.compress(plain)
    (found,) = read_archive(io.BytesIO(archived(entries)), place)
    assert validate(place, found.descriptor) == []
    assert place.blobs[Digest.of(plain)] == plain


def test_a_layer_may_be_a_link_to_the_same_layer_elsewhere() -> None:
    place = Memory()
    plain = tar(a=b"1")
    _, entries = saved(plain, plain)
    entries[1] = link("1/layer.tar", "../0/layer.tar")
    (found,) = read_archive(io.BytesIO(archived(entries)), place)
    assert validate(place, found.descriptor) == []


def test_what_docker_saved_before_1_10_is_read() -> None:
    place = Memory()
    bottom = {"id": "b", "created": "2015-01-01T00:00:00Z", "container_config": {"Cmd": ["ADD"]}}
    top = {"id": "t", "parent": "b", "os": "linux", "config": {"Cmd": ["sh"]}}
    raw = archived(
        [
            ("b/json", json.dumps(bottom).encode()),
            ("b/layer.tar", tar(a=b"1")),
            ("t/json", json.dumps(top).encode()),
            ("t/layer.tar", bytes(1024)),
            ("repositories", b'{"a":{"1":"t"}}'),
        ]
    )
    (found,) = read_archive(io.BytesIO(raw), place)
    assert found.names == (NAME,)
    assert validate(place, found.descriptor) == []
    loaded = view.load(place, found.descriptor, platform=Platform("linux", "amd64"))
    assert [entry.empty_layer for entry in loaded.config.history] == [False, True]
    assert loaded.config.config.cmd == ("sh",)


def broken(change: Callable[[list], None]) -> bytes:
    _, entries = saved(tar(a=b"1"))
    change(entries)
    return archived(entries)


def layer_is(member: tuple[str, bytes | tarfile.TarInfo]) -> bytes:
    return broken(lambda entries: entries.__setitem__(0, member))


LAYOUT = ("oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
GONE = Descriptor("application/vnd.oci.image.manifest.v1+json", Digest.of(b"x"), 1).to_json()
HOSTILE: dict[str, bytes] = {
    "nothing": b"",
    "no tar": b"hello" * 500,
    "plain tar": tar(a=b"1"),
    "cut": broken(lambda entries: None)[:2000],
    "twice": broken(lambda entries: entries.append(entries[0])),
    "config missing": broken(lambda entries: entries.pop(1)),
    "layer missing": broken(lambda entries: entries.pop(0)),
    "layer is another": broken(
        lambda entries: entries.__setitem__(0, ("0/layer.tar", tar(b=b"2")))
    ),
    "layer links out": layer_is(link("0/layer.tar", "../../etc/passwd")),
    "layer links to itself": layer_is(link("0/layer.tar", "layer.tar")),
    "layer is a hard link": broken(
        lambda entries: entries.__setitem__(
            0, link("0/layer.tar", "manifest.json", tarfile.LNKTYPE)
        )
    ),
    "manifest is a link": archived([link("manifest.json", "/etc/passwd")]),
    "climbs": archived([("../manifest.json", b"[]")]),
    "device": archived([link("manifest.json", "", tarfile.CHRTYPE)]),
    "manifest too large": archived([("manifest.json", b" " * (5 << 20))]),
    "manifest is an object": archived([("manifest.json", b"{}")]),
    "config named for another": archived(
        [
            ("manifest.json", b'[{"Config":"' + b"a" * 64 + b'.json","Layers":[]}]'),
            ("a" * 64 + ".json", b"{}"),
        ]
    ),
    "bad name": broken(
        lambda entries: entries.__setitem__(
            2, ("manifest.json", entries[2][1].replace(b"a:1", b"A:1"))
        )
    ),
    "layout version": archived(
        [("oci-layout", b'{"imageLayoutVersion":"2"}'), ("index.json", b"")]
    ),
    "index is a manifest": archived([LAYOUT, ("index.json", b'{"schemaVersion":2}')]),
    "manifest blob missing": archived(
        [LAYOUT, ("index.json", json.dumps({"schemaVersion": 2, "manifests": [GONE]}).encode())]
    ),
    "v1 goes in circles": archived(
        [("a/json", b'{"parent":"a"}'), ("repositories", b'{"a":{"b":"a"}}')]
    ),
    "gzip cut": gzip.compress(broken(lambda entries: None))[:-20],
}


@pytest.mark.parametrize("raw", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("stream", [io.BytesIO, Pipe])
def test_a_hostile_or_broken_archive_is_refused(
    raw: bytes, stream: Callable[[bytes], io.BytesIO]
) -> None:
    with pytest.raises(Error) as caught:
        read_archive(stream(raw), Memory())
    assert "\n" not in str(caught.value)


def test_a_layout_with_links_in_place_of_blobs_is_refused(tmp_path: Path) -> None:
    place = Memory()
    descriptor = image(place, tar(a=b"1"))
    write_oci_dir(place, [(descriptor, [])], tmp_path / "l")
    blob = tmp_path / "l/blobs/sha256" / descriptor.digest.encoded
    blob.rename(tmp_path / "elsewhere")
    blob.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BadImageArchive, match="is not a file"):
        read_archive(tmp_path / "l", Memory())


def test_a_name_of_a_layout_that_is_no_reference_is_its_label(tmp_path: Path) -> None:
    place = Memory()
    descriptor = image(place, tar(a=b"1"))
    write_oci_dir(place, [(descriptor, [])], tmp_path)
    found = json.loads((tmp_path / "index.json").read_bytes())
    found["manifests"][0]["annotations"] = {"org.opencontainers.image.ref.name": "v1.0"}
    (tmp_path / "index.json").write_text(json.dumps(found))
    assert read_archive(tmp_path, Memory()) == [Loaded(descriptor, (), "v1.0")]
