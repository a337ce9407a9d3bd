from __future__ import annotations

import json
from typing import Any

import pytest
from tests.registries import descriptor, index, manifest

from lamina.oci import media_type as types
from lamina.oci.digest import Digest
from lamina.registry.document import Document, read
from lamina.registry.failures import BadManifest

FOREIGN = "application/vnd.oci.image.layer.nondistributable.v1.tar"


def reading(raw: bytes, media_type: str | None = None) -> Document:
    return read(raw, media_type, Digest.of(raw))


def test_an_image_refers_to_its_config_and_layers() -> None:
    found = reading(manifest(b"{}", b"a", b"b", b"a"))
    assert found.media_type == types.OCI_MANIFEST
    assert found.blobs == tuple(Digest.of(each) for each in (b"{}", b"a", b"b"))
    assert (found.manifests, found.subject, found.referrer) == ((), None, None)


def test_an_index_refers_to_its_children() -> None:
    children = [manifest(b"{}", b"a"), index()]
    found = reading(index(*children))
    assert found.manifests == tuple(Digest.of(each) for each in children)
    assert found.blobs == ()


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, types.OCI_CONFIG),
        ({"artifactType": "application/x"}, "application/x"),
    ],
)
def test_a_referrer_is_listed_by_its_artifact_type(fields: Any, expected: str) -> None:
    subject = descriptor(b"x", types.OCI_MANIFEST)
    raw = manifest(b"{}", subject=subject, annotations={"a": "b"}, **fields)
    found = reading(raw)
    assert found.subject == Digest.of(b"x")
    assert found.referrer is not None
    assert json.loads(found.referrer) == {
        "mediaType": types.OCI_MANIFEST,
        "digest": Digest.of(raw),
        "size": len(raw),
        "artifactType": expected,
        "annotations": {"a": "b"},
    }


def test_an_index_without_a_type_is_listed_without_one() -> None:
    found = reading(index(subject=descriptor(b"x", types.OCI_MANIFEST)))
    assert found.referrer is not None
    assert "artifactType" not in json.loads(found.referrer)


def test_only_foreign_layers_with_urls_may_be_elsewhere() -> None:
    layers = [
        {**descriptor(b"1", FOREIGN), "urls": ["https://x.test/1"]},
        descriptor(b"2", FOREIGN),
        {**descriptor(b"3", types.OCI_LAYER), "urls": ["https://x.test/3"]},
    ]
    assert reading(manifest(b"{}", layers=layers)).elsewhere == {Digest.of(b"1")}


def test_of_unknown_kinds_descriptors_are_believed_where_they_stand() -> None:
    document = {
        "config": descriptor(b"c", "text/plain"),
        "blobs": [descriptor(b"b", "text/plain"), 7, {"digest": "x"}],
        "layers": "none",
        "manifests": [descriptor(b"m", types.OCI_MANIFEST)],
        "subject": descriptor(b"s", types.OCI_MANIFEST),
    }
    found = reading(json.dumps(document).encode(), "application/x")
    assert found.media_type == "application/x"
    assert found.blobs == (Digest.of(b"c"), Digest.of(b"b"))
    assert (found.manifests, found.subject) == ((Digest.of(b"m"),), Digest.of(b"s"))
    assert found.artifact_type == "text/plain"


@pytest.mark.parametrize(
    ("raw", "media_type"),
    [
        (b"{}", None),
        (manifest(b"{}"), types.OCI_INDEX),
        (manifest(b"{}"), types.DOCKER_MANIFEST),
        (b"[]", "application/x"),
        (b'{"schemaVersion": 1, "fsLayers": []}', None),
        (b"{}", types.SCHEMA1_SIGNED),
        (b"{}", types.OCI_MANIFEST),
    ],
)
def test_what_is_no_manifest_is_refused(raw: bytes, media_type: str | None) -> None:
    with pytest.raises(BadManifest):
        reading(raw, media_type)
