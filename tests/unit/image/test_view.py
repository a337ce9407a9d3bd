import pytest

from lamina.errors import Corrupt, Invalid, NotFound, Unsupported
from lamina.image import view
from lamina.image.edit import as_docker, as_oci
from lamina.image.fetch import WrongDigest, WrongSize
from lamina.image.select import NoSuchPlatform
from lamina.oci import media_type
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest, chain_ids
from lamina.oci.platform import Platform, parse
from places import Memory, image, index, manifest, tar

AMD64, ARM64 = Platform("linux", "amd64"), Platform("linux", "arm64")


def test_layers_are_joined_with_the_history_that_made_them() -> None:
    place = Memory()
    found = view.load(place, image(place, tar(a=b"1"), tar(b=b"2")))
    assert [layer.history.created_by for layer in found.layers if layer.history] == [
        "COPY 0 /",
        "COPY 1 /",
    ]
    assert [layer.chain_id for layer in found.layers] == chain_ids(found.config.diff_ids)
    assert found.chain_id == found.layers[-1].chain_id
    assert found.id == found.config.digest
    assert found.size == sum(layer.descriptor.size for layer in found.layers)


def test_rows_without_a_layer_are_those_that_changed_no_file() -> None:
    place = Memory()
    found = view.load(place, image(place, tar(a=b"1"), tar(b=b"2")))
    assert [(row.history.created_by, row.layer is not None) for row in found.rows] == [
        ("COPY 0 /", True),
        ("ENV A=b", False),
        ("COPY 1 /", True),
    ]


def test_layers_without_history_come_last() -> None:
    place = Memory()
    whole = view.load(place, image(place, tar(a=b"1"), tar(b=b"2")))
    config = type(whole.config).make(platform=AMD64, diff_ids=whole.config.diff_ids)
    found = view.join(whole.descriptor, whole.manifest, config)
    assert [row.layer for row in found.rows] == list(found.layers)


def test_an_index_gives_the_image_of_the_platform() -> None:
    place = Memory()
    ours, theirs = image(place, tar(a=b"1")), image(place, tar(b=b"2"), platform=ARM64)
    both = index(
        place,
        Descriptor(ours.media_type, ours.digest, ours.size, AMD64),
        Descriptor(theirs.media_type, theirs.digest, theirs.size, ARM64),
    )
    assert view.load(place, both, platform=ARM64).descriptor.digest == theirs.digest
    assert view.load(place, both, platform=parse("linux/amd64/v3")).platform == AMD64
    with pytest.raises(NoSuchPlatform) as caught:
        view.load(place, both, platform=parse("linux/s390x"))
    assert caught.value.hint == "there is linux/amd64, linux/arm64"


def test_an_index_that_names_no_platform_is_looked_into() -> None:
    place = Memory()
    theirs = image(place, tar(b=b"2"), platform=ARM64)
    inner = index(place, image(place, tar(a=b"1"), platform=AMD64), theirs)
    found = view.load(place, index(place, inner), platform=ARM64)
    assert found.descriptor.digest == theirs.digest
    assert found.index is not None


def test_attestations_are_no_images() -> None:
    place = Memory()
    one = image(place, tar(a=b"1"))
    unknown = Descriptor(one.media_type, one.digest, one.size, Platform("unknown", "unknown"))
    with pytest.raises(NoSuchPlatform, match="linux/amd64"):
        view.load(place, index(place, unknown), platform=AMD64)


def test_a_missing_blob_is_not_found() -> None:
    place = Memory()
    descriptor = image(place, tar(a=b"1"))
    del place.blobs[view.load(place, descriptor).id]
    with pytest.raises(NotFound):
        view.load(place, descriptor)


@pytest.mark.parametrize(
    ("raw", "error"), [(b"x", WrongSize), (b"", WrongSize)], ids=["other", "empty"]
)
def test_a_damaged_document_is_corrupt(raw: bytes, error: type[Corrupt]) -> None:
    place = Memory()
    descriptor = image(place, tar(a=b"1"))
    place.blobs[descriptor.digest] = raw
    with pytest.raises(error):
        view.load(place, descriptor)


def test_a_document_of_the_right_length_but_other_bytes_is_corrupt() -> None:
    place = Memory()
    descriptor = image(place, tar(a=b"1"))
    place.blobs[descriptor.digest] = place.blobs[descriptor.digest].replace(b"2", b"3", 1)
    with pytest.raises(WrongDigest):
        view.load(place, descriptor)


def test_a_manifest_and_a_config_that_differ_on_layers_are_refused() -> None:
    place = Memory()
    whole = view.load(place, image(place, tar(a=b"1")))
    short = manifest(place, whole.manifest.config)
    with pytest.raises(Invalid, match="names 0 layers, its config 1 diff IDs"):
        view.load(place, short)


def test_an_artifact_is_no_image() -> None:
    place = Memory()
    config = place.put(b"{}", "application/vnd.example+json")
    with pytest.raises(Unsupported, match=r'artifact of type "application/vnd.example\+json"'):
        view.load(place, manifest(place, config))


def test_a_document_over_the_limit_is_not_read() -> None:
    with pytest.raises(Invalid, match="would be"):
        view.load(Memory(), Descriptor(media_type.OCI_MANIFEST, Digest.of(b""), 5 << 20))


def test_media_types_are_translated_both_ways() -> None:
    layer = Descriptor(media_type.OCI_LAYER_ZSTD, Digest.of(b""), 0)
    assert as_oci(as_docker(layer)) == layer
    assert as_docker(layer).media_type == media_type.DOCKER_LAYER_ZSTD
    odd = Descriptor("application/x", Digest.of(b""), 0)
    assert as_docker(odd) == as_oci(odd) == odd
