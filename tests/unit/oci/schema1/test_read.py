import json

import pytest

from lamina.oci import schema1
from lamina.oci.document import BadDocument
from lamina.oci.schema1 import Schema1, V1Image

SOUND = {
    "schemaVersion": 1,
    "name": "a",
    "tag": "b",
    "architecture": "amd64",
    "fsLayers": [{"blobSum": "sha256:x"}],
    "history": [{"v1Compatibility": '{"id":"1","throwaway":true}'}],
}


def test_the_facts_are_told_but_not_verified() -> None:
    found = schema1.read(json.dumps(SOUND).encode())
    assert found == Schema1(False, "a", "b", "amd64", ("sha256:x",), (V1Image("1", None, True),))


@pytest.mark.parametrize(
    "change",
    [
        {"fsLayers": [{}]},
        {"history": [{}]},
        {"history": [{"v1Compatibility": "x"}]},
        {"name": 1},
    ],
)
def test_a_malformed_manifest_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(BadDocument):
        schema1.read(json.dumps(SOUND | change).encode())


def test_other_documents_are_refused() -> None:
    with pytest.raises(BadDocument, match="schema 1"):
        schema1.read(b'{"schemaVersion":2,"manifests":[]}')
