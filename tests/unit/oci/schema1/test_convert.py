"""Schema 1 manifests made into images."""

from __future__ import annotations

import json

import pytest

from lamina.errors import Invalid
from lamina.oci import schema1
from lamina.oci.digest import DiffID, Digest

BASE, EMPTY, TOP = (str(Digest.of(name)) for name in (b"base", b"empty", b"top"))
IDS = ["a" * 64, "b" * 64, "c" * 64]


def diff_id(blob: Digest) -> DiffID:
    return DiffID(Digest.of(f"tar of {blob}".encode()))


def v1(number: int, **others: object) -> dict[str, object]:
    parent = {"parent": IDS[number - 1]} if number else {}
    return {"id": IDS[number], **parent, "created": f"2020-01-0{number + 1}T00:00:00Z", **others}


LAYERS = [  # oldest first
    (BASE, v1(0, container_config={"Cmd": ["/bin/sh", "-c", "#(nop) ADD"]}, author="ada")),
    (EMPTY, v1(1, container_config={"Cmd": ["ENV"]}, throwaway=True, comment="c")),
    (
        TOP,
        v1(
            2,
            architecture="arm64",
            os="linux",
            config={"Cmd": ["/run"]},
            docker_version="1.9",
            Size=7,
            layer_id="x",
            parent_id="y",
        ),
    ),
]


def manifest(layers: list = LAYERS, **others: object) -> bytes:
    found = {
        "schemaVersion": 1,
        "name": "n",
        "tag": "t",
        "architecture": "amd64",
        "fsLayers": [{"blobSum": blob} for blob, _ in reversed(layers)],
        "history": [{"v1Compatibility": json.dumps(one)} for _, one in reversed(layers)],
    }
    return json.dumps(found | others).encode()


def test_the_newest_layer_is_the_config() -> None:
    config, blobs = schema1.to_image(schema1.read(manifest()), diff_id)
    assert blobs == (BASE, TOP)
    assert config.diff_ids == tuple(diff_id(blob) for blob in blobs)
    assert config.platform.architecture == "arm64"
    assert config.config.cmd == ("/run",)
    assert dict(config.extra) == {"docker_version": "1.9"}
    assert [entry.to_json() for entry in config.history] == [
        {
            "created": "2020-01-01T00:00:00Z",
            "created_by": "/bin/sh -c #(nop) ADD",
            "author": "ada",
        },
        {
            "created": "2020-01-02T00:00:00Z",
            "created_by": "ENV",
            "comment": "c",
            "empty_layer": True,
        },
        {"created": "2020-01-03T00:00:00Z"},
    ]


def test_the_same_manifest_gives_the_same_image() -> None:
    one, two = (schema1.to_image(schema1.read(manifest()), diff_id)[0] for _ in range(2))
    assert one.raw == two.raw


def test_what_an_old_config_lacks_comes_from_the_manifest() -> None:
    config, _ = schema1.to_image(schema1.read(manifest([(BASE, v1(0))])), diff_id)
    assert (config.platform.os, config.platform.architecture) == ("linux", "amd64")


def test_a_layer_that_stands_twice_in_a_row_counts_once() -> None:
    doubled = [LAYERS[0], LAYERS[1], LAYERS[1], LAYERS[2]]
    _, blobs = schema1.to_image(schema1.read(manifest(doubled)), diff_id)
    assert blobs == (BASE, TOP)


def test_one_blob_may_be_two_layers() -> None:
    twice = [(BASE, v1(0)), (BASE, v1(1))]
    config, blobs = schema1.to_image(schema1.read(manifest(twice)), diff_id)
    assert blobs == (BASE, BASE)
    assert len(config.diff_ids) == 2


@pytest.mark.parametrize(
    ("layers", "others", "why"),
    [
        ([], {}, "empty"),
        (LAYERS, {"schemaVersion": 2}, "schemaVersion"),
        (LAYERS, {"fsLayers": [{"blobSum": BASE}]}, "expected as many"),
        ([(BASE, v1(1))], {}, "the parent of layer"),
        ([(BASE, v1(0)), (TOP, v1(2))], {}, "the parent of layer"),
        ([(BASE, v1(0)), (TOP, {"id": IDS[1]})], {}, "the parent of layer"),
        ([(BASE, {"id": "../x"})], {}, "64 hexadecimal digits"),
        (
            [(BASE, v1(0)), (TOP, v1(1)), (BASE, {"id": IDS[0], "parent": IDS[1]})],
            {},
            "appears twice",
        ),
        ([("sha256:x", v1(0))], {}, "not a digest"),
        ([(BASE, v1(0, config=1))], {}, "config"),
    ],
)
def test_what_is_no_chain_is_refused(layers: list, others: dict, why: str) -> None:
    with pytest.raises(Invalid, match=why):
        schema1.to_image(schema1.read(manifest(layers, **others)), diff_id)
