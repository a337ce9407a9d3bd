from __future__ import annotations

import json

from lamina.oci import media_type as types
from lamina.oci import schema1
from lamina.oci.config import ImageConfig, RunConfig
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import DiffID, Digest
from lamina.oci.manifest import Manifest
from lamina.oci.platform import Platform
from lamina.oci.schema1.keys import SigningKey
from lamina.serve.web.pages.document import keys, pretty
from lamina.serve.web.shelf import Document

KEY = SigningKey.generate()


def signed() -> bytes:
    diff_id = DiffID(Digest.of(b"one"))
    config = ImageConfig.make(
        platform=Platform("linux", "amd64"),
        config=RunConfig(),
        diff_ids=(diff_id,),
        history=(),
        created="2020-01-01T00:00:00Z",
    )
    blob = Descriptor(types.OCI_LAYER_GZIP, Digest.of(b"blob"), 4)
    manifest = Manifest.make(Descriptor(types.OCI_CONFIG, config.digest, 1), (blob,))
    return schema1.make(manifest, config, "a/b", "1", KEY, time="2020-01-01T00:00:00Z")


def document(raw: bytes, media_type: str = types.SCHEMA1_SIGNED) -> Document:
    return Document("manifest", media_type, Digest.of(raw), raw)


def test_the_keys_that_signed_are_named() -> None:
    assert keys(document(signed())) == ([(KEY.id, "EC")], "")


def test_a_forged_signature_is_said() -> None:
    found, problem = keys(document(signed().replace(b'"a/b"', b'"a/c"')))
    assert found == []
    assert "signature 0" in problem


def test_a_payload_alone_has_no_keys() -> None:
    found, problem = keys(document(schema1.payload(signed()), types.SCHEMA1))
    assert (found, "without signatures" in problem) == ([], True)


def test_other_manifests_have_no_keys_in_them() -> None:
    assert keys(document(b"{}", types.OCI_MANIFEST)) == ([], "")


def test_json_is_laid_out_and_all_else_left_as_it_is() -> None:
    assert pretty(b'{"a":["\xc3\xbc"]}') == '{\n  "a": [\n    "ü"\n  ]\n}'
    assert pretty(b"{oops \xff") == "{oops \\xff"
    assert pretty(b"[" * 100_000) == "[" * 100_000
    assert pretty(json.dumps("x" * (2 << 20)).encode()).endswith("\n…")
