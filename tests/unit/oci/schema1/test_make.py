"""Images made into signed schema 1 manifests."""

from __future__ import annotations

import gzip
import hashlib
import json

import pytest

from lamina.errors import Invalid
from lamina.oci import media_type, schema1
from lamina.oci.config import History, ImageConfig, RunConfig
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import DiffID, Digest
from lamina.oci.manifest import Manifest
from lamina.oci.platform import Platform
from lamina.oci.schema1.keys import SigningKey

KEY = SigningKey.generate()
DIFF_IDS = tuple(DiffID(Digest.of(name)) for name in (b"one", b"two"))
BLOBS = tuple(Descriptor(media_type.OCI_LAYER_GZIP, Digest.of(d.encode()), 1) for d in DIFF_IDS)
HISTORY = (
    History("2020-01-01T00:00:00Z", "ADD <a> & b", author="ada"),
    History("2020-01-02T00:00:00Z", "ENV A=b", comment="c", empty_layer=True),
    History("2020-01-03T00:00:00Z", "COPY two"),
)


def config(history: tuple[History, ...] = HISTORY) -> ImageConfig:
    return ImageConfig.make(
        platform=Platform("linux", "arm64"),
        config=RunConfig(cmd=("/run",)),
        diff_ids=DIFF_IDS,
        history=history,
        created="2020-01-03T00:00:00Z",
    )


def made(image: ImageConfig, layers: tuple[Descriptor, ...] = BLOBS) -> bytes:
    manifest = Manifest.make(Descriptor(media_type.OCI_CONFIG, image.digest, 1), layers)
    return schema1.make(manifest, image, "ns/repo", "v1", KEY, time="2020-01-01T00:00:00Z")


def test_what_is_made_is_signed_and_says_its_name() -> None:
    raw = made(config())
    assert [key.id for key in schema1.verify(raw)] == [KEY.id]
    found = schema1.read(raw)
    assert (found.name, found.tag, found.architecture) == ("ns/repo", "v1", "arm64")
    assert raw.startswith(b'{\n   "schemaVersion": 1,\n   "name": "ns/repo"')


def test_the_time_of_signing_is_in_no_digest() -> None:
    assert schema1.digest(made(config())) == schema1.digest(made(config()))


def test_the_image_comes_back() -> None:
    diff_ids = dict(zip((blob.digest for blob in BLOBS), DIFF_IDS, strict=True))
    back, blobs = schema1.to_image(schema1.read(made(config())), diff_ids.__getitem__)
    assert blobs == tuple(blob.digest for blob in BLOBS)
    assert back.diff_ids == DIFF_IDS
    assert back.config == config().config
    assert back.history[:2] == HISTORY[:2]


def test_ids_are_a_chain_of_hashes() -> None:
    empty = hashlib.sha256(schema1.GZIPPED_EMPTY_LAYER).hexdigest()

    def of(text: str) -> str:
        return hashlib.sha256(text.encode()).hexdigest()

    first = of(f"{BLOBS[0].digest.encoded} ")
    second = of(f"{empty} {first}")
    third = of(f"{BLOBS[1].digest.encoded} {second} {config().raw.decode()}")
    found = schema1.read(made(config()))
    assert [one.id for one in found.history] == [third, second, first]
    assert [one.parent for one in found.history] == [second, first, None]
    assert [one.throwaway for one in found.history] == [False, True, False]
    assert found.fs_layers[1] == f"sha256:{empty}"


def test_the_empty_layer_is_a_tar_of_nothing() -> None:
    assert gzip.decompress(schema1.GZIPPED_EMPTY_LAYER) == bytes(1024)


def test_an_image_without_history_gets_one() -> None:
    found = schema1.read(made(config(())))
    assert len(found.history) == 2
    assert json.loads(found.history[1].text)["created"] == "2020-01-03T00:00:00Z"


@pytest.mark.parametrize("history", [HISTORY[:2], (*HISTORY, HISTORY[0])])
def test_a_history_that_does_not_fit_is_refused(history: tuple[History, ...]) -> None:
    with pytest.raises(Invalid, match="expected as many"):
        made(config(history))


def test_an_image_without_layers_is_refused() -> None:
    with pytest.raises(Invalid, match="no layers"):
        made(ImageConfig.make(platform=Platform("linux", "arm64")), ())
