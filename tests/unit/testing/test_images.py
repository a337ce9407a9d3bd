from __future__ import annotations

import gzip
import io
import json
import tarfile

import pytest

from lamina.errors import Invalid, NotFound
from lamina.image import graph
from lamina.oci import manifest as manifests
from lamina.oci import media_type as types
from lamina.oci.config import RunConfig
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest
from lamina.testing.images import File, Symlink, image, index, layer


def members(blob: bytes) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(blob))) as tar:
        return {member.name: member for member in tar}


def test_a_layer_holds_what_it_is_told_to() -> None:
    blob, diff_id = layer(
        {
            "/a/b": "text",
            "a/run": File(b"#!", 0o755, 7, 8),
            "c/": b"",
            "l": Symlink("a"),
            "x/y": None,
        }
    )
    found = members(blob)
    assert list(found) == ["a", "a/b", "a/run", "c", "l", "x", "x/.wh.y"]
    assert found["a"].isdir() and found["c"].isdir()
    assert found["a/b"].size == 4
    assert (found["a/run"].mode, found["a/run"].uid, found["a/run"].gid) == (0o755, 7, 8)
    assert found["l"].linkname == "a"
    assert diff_id == Digest.of(gzip.decompress(blob))


def test_the_same_files_make_the_same_image() -> None:
    assert image({"a": "1"}, {"b": "2"}).root == image({"a": "1"}, {"b": "2"}).root
    assert image({"a": "1"}).digest != image({"a": "2"}).digest


def test_an_image_leads_to_all_of_its_content() -> None:
    made = image({"a": "1"}, {"b": "2"}, config=RunConfig(cmd=("/a",)))
    assert {one.digest for one in graph.walk(made, made.root)} == set(made.content)
    document = manifests.parse(made.raw)
    assert isinstance(document, manifests.Manifest)
    config = json.loads(made.content[document.config.digest])
    assert config["config"]["Cmd"] == ["/a"]
    assert len(config["rootfs"]["diff_ids"]) == 2


def test_an_index_holds_its_images() -> None:
    made = index([image({"a": "1"}, platform=name) for name in ("linux/amd64", "linux/arm64")])
    document = manifests.parse(made.raw)
    assert isinstance(document, manifests.Index)
    assert [str(one.platform) for one in document.manifests] == ["linux/amd64", "linux/arm64"]
    assert {one.digest for one in graph.walk(made, made.root)} == set(made.content)


def test_an_image_of_docker_has_its_media_types() -> None:
    made = image({"a": "1"}, media_type=types.DOCKER_MANIFEST)
    document = manifests.parse(made.raw)
    assert isinstance(document, manifests.Manifest)
    assert document.config.media_type == types.DOCKER_CONFIG
    assert document.layers[0].media_type == types.DOCKER_LAYER_GZIP


@pytest.mark.parametrize("path", ["", "/", "..", "a/../b", "a//b", "./a"])
def test_a_path_that_is_none_is_refused(path: str) -> None:
    with pytest.raises(Invalid):
        layer({path: "x"})


def test_what_is_not_of_the_image_is_not_found() -> None:
    with pytest.raises(NotFound):
        image({"a": "1"}).open(Descriptor("text/plain", Digest.of(b"other"), 5))
