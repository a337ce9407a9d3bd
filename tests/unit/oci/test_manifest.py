import json

import pytest

from lamina.errors import Unsupported
from lamina.oci import manifest, media_type
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest
from lamina.oci.document import BadDocument
from lamina.oci.manifest import Index, Manifest, Schema1Unsupported

CONFIG = Descriptor(media_type.OCI_CONFIG, Digest.of(b"c"), 1)
LAYER = Descriptor(media_type.OCI_LAYER_GZIP, Digest.of(b"l"), 1)


def raw(**fields: object) -> bytes:
    sound = {"schemaVersion": 2, "config": CONFIG.to_json(), "layers": [LAYER.to_json()]}
    return json.dumps({k: v for k, v in (sound | fields).items() if v is not ...}).encode()


def test_what_is_made_is_parsed_again() -> None:
    made = Manifest.make(CONFIG, (LAYER,), annotations={"b": "1", "a": "2"})
    assert manifest.parse(made.raw) == made
    assert made.descriptor() == Descriptor(
        media_type.OCI_MANIFEST, Digest.of(made.raw), len(made.raw)
    )
    index = Index.make((made.descriptor(),), media_type=media_type.DOCKER_LIST)
    assert manifest.parse(index.raw, media_type.DOCKER_LIST) == index


def test_the_digest_is_that_of_the_bytes_as_they_came() -> None:
    spaced = b" " + raw()
    assert manifest.parse(spaced).digest == Digest.of(spaced)


def test_the_same_values_make_the_same_bytes() -> None:
    one = Manifest.make(CONFIG, (LAYER,), annotations={"a": "1", "b": "2"})
    assert one.raw == Manifest.make(CONFIG, (LAYER,), annotations={"b": "2", "a": "1"}).raw


def test_a_manifest_that_does_not_say_its_type_goes_by_its_config() -> None:
    docker = Descriptor(media_type.DOCKER_CONFIG, CONFIG.digest, 1).to_json()
    assert manifest.parse(raw(config=docker)).media_type == media_type.DOCKER_MANIFEST
    assert manifest.parse(raw()).media_type == media_type.OCI_MANIFEST
    assert (
        manifest.parse(raw(), media_type.DOCKER_MANIFEST).media_type == media_type.DOCKER_MANIFEST
    )


@pytest.mark.parametrize("layers", [[], None])
def test_an_image_without_layers_is_real_though_the_schema_forbids_it(layers: object) -> None:
    found = manifest.parse(raw(layers=layers))
    assert isinstance(found, Manifest)
    assert found.layers == ()
    with pytest.raises(BadDocument):
        manifest.parse(raw(layers=layers), strict=True)


def test_an_index_without_manifests_is_an_index() -> None:
    assert isinstance(manifest.parse(b'{"schemaVersion":2,"manifests":null}'), Index)


@pytest.mark.parametrize(
    ("document", "expected", "field"),
    [
        (raw(schemaVersion=...), None, "schemaVersion"),
        (raw(schemaVersion=1), None, "schemaVersion"),
        (raw(schemaVersion="2"), None, "schemaVersion"),
        (raw(config=...), None, "config"),
        (raw(config=[]), None, "config"),
        (raw(layers={}), None, "layers"),
        (raw(layers=[1]), None, "layers[0]"),
        (raw(layers=[LAYER.to_json(), LAYER.to_json() | {"size": "1"}]), None, "layers[1].size"),
        (raw(mediaType=media_type.OCI_INDEX), None, "mediaType"),
        (raw(mediaType="application/json"), None, "mediaType"),
        (raw(mediaType=media_type.OCI_MANIFEST), media_type.DOCKER_MANIFEST, "mediaType"),
        (raw(), media_type.OCI_INDEX, "mediaType"),
        (raw(manifests=[]), None, "layers"),
        (raw(subject="x"), None, "subject"),
        (raw(annotations={"a": 1}), None, "annotations.a"),
    ],
    ids=lambda value: str(value)[-40:],
)
def test_a_wrong_manifest_is_refused_by_the_path(
    document: bytes, expected: str | None, field: str
) -> None:
    with pytest.raises(BadDocument) as caught:
        manifest.parse(document, expected)
    assert caught.value.field == field


def test_schema_1_is_refused_by_name() -> None:
    with pytest.raises(Schema1Unsupported, match="schema 1"):
        manifest.parse(b'{"schemaVersion":1,"fsLayers":[],"history":[]}')


def test_the_withdrawn_artifact_manifest_is_refused_by_name() -> None:
    with pytest.raises(Unsupported, match="artifact manifests"):
        manifest.parse(b'{"mediaType":"application/vnd.oci.artifact.manifest.v1+json"}')
