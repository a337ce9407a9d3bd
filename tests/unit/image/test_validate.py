import gzip

import pytest

from lamina.image import view
from lamina.image.validate import Rule, validate
from lamina.oci import media_type
from lamina.oci.config import History, ImageConfig
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import DiffID, Digest
from lamina.oci.manifest import Manifest
from lamina.oci.platform import Platform
from places import Memory, image, index, manifest, tar

AMD64 = Platform("linux", "amd64")


def rules(place: Memory, descriptor: Descriptor) -> list[str]:
    return [breach.rule for breach in validate(place, descriptor)]


@pytest.mark.parametrize("compress", [False, True])
def test_a_sound_image_has_no_breach(compress: bool) -> None:
    place = Memory()
    assert validate(place, image(place, tar(a=b"1"), tar(b=b"2"), compress=compress)) == []
    assert validate(place, image(place)) == []


def test_every_breach_is_told_at_once() -> None:
    place = Memory()
    plain = tar(a=b"1")
    cut = place.put(gzip.compress(plain)[:-9], media_type.OCI_LAYER_GZIP)
    lying = place.put(plain, media_type.OCI_LAYER_GZIP)
    gone = Descriptor(media_type.OCI_LAYER, Digest.of(b"gone"), 4)
    odd = place.put(tar(b=b"2"), "application/x")
    config = ImageConfig.make(
        platform=AMD64,
        diff_ids=tuple(DiffID(Digest.of(data)) for data in (plain, b"other", b"x")),
        history=(History(), History(empty_layer=True)),
    )
    pointer = place.put(config.raw, media_type.OCI_CONFIG)
    found = validate(place, manifest(place, pointer, cut, lying, gone, odd))
    assert {(breach.rule, breach.digest) for breach in found} == {
        (Rule.COUNT, manifest(place, pointer, cut, lying, gone, odd).digest),
        (Rule.COUNT, pointer.digest),
        (Rule.COMPRESSION, cut.digest),
        (Rule.MEDIA_TYPE, lying.digest),
        (Rule.DIFF_ID, lying.digest),
        (Rule.MISSING, gone.digest),
        (Rule.MEDIA_TYPE, odd.digest),
    }


def test_other_bytes_than_promised_are_told_for_size_digest_and_content() -> None:
    place = Memory()
    descriptor = image(place, tar(a=b"1"))
    layer = view.load(place, descriptor).layers[0].descriptor
    place.blobs[layer.digest] += b"x"
    assert rules(place, descriptor) == [Rule.DIFF_ID, Rule.SIZE, Rule.DIGEST]
    place.blobs[layer.digest] = tar(a=b"2")
    assert rules(place, descriptor) == [Rule.DIFF_ID, Rule.DIGEST]


def test_a_malformed_config_is_told_with_its_field_and_the_layers_are_checked_still() -> None:
    place = Memory()
    config = place.put(b'{"os":1,"architecture":"amd64"}', media_type.OCI_CONFIG)
    gone = Descriptor(media_type.OCI_LAYER, Digest.of(b"gone"), 4)
    found = validate(place, manifest(place, config, gone))
    assert [(breach.rule, breach.field) for breach in found] == [
        (Rule.DOCUMENT, "os"),
        (Rule.MISSING, ""),
    ]


def test_missing_documents_are_told() -> None:
    place = Memory()
    descriptor = image(place, tar(a=b"1"))
    del place.blobs[view.load(place, descriptor).id]
    assert rules(place, descriptor) == [Rule.MISSING]
    del place.blobs[descriptor.digest]
    assert rules(place, descriptor) == [Rule.MISSING]


def test_a_layer_that_may_be_fetched_elsewhere_need_not_be_here() -> None:
    place = Memory()
    whole = view.load(place, image(place, tar(a=b"1")))
    layer = whole.layers[0].descriptor
    far = Descriptor(layer.media_type, layer.digest, layer.size, urls=("https://example.com/l",))
    del place.blobs[layer.digest]
    assert validate(place, manifest(place, whole.manifest.config, far)) == []


def test_an_unknown_digest_algorithm_cannot_be_verified() -> None:
    place = Memory()
    whole = view.load(place, image(place, tar(a=b"1")))
    odd = Digest("blake9:abc")
    place.blobs[odd] = tar(a=b"1")
    layer = Descriptor(media_type.OCI_LAYER, odd, len(tar(a=b"1")))
    assert rules(place, manifest(place, whole.manifest.config, layer)) == [Rule.UNVERIFIABLE]


def test_an_index_and_its_configs_agree_on_platforms() -> None:
    place = Memory()
    one = image(place, tar(a=b"1"))
    told = Descriptor(one.media_type, one.digest, one.size, Platform("linux", "arm64"))
    assert rules(place, index(place, told)) == [Rule.PLATFORM]
    told = Descriptor(one.media_type, one.digest, one.size, Platform("linux", "amd64", "v3"))
    assert rules(place, index(place, told)) == []


def test_a_manifest_of_another_type_than_said_is_told() -> None:
    place = Memory()
    one = image(place, tar(a=b"1"))
    other = Descriptor(media_type.DOCKER_MANIFEST, one.digest, one.size)
    assert rules(place, other) == [Rule.MEDIA_TYPE]


def test_schema_1_is_told_to_be_unverifiable() -> None:
    place = Memory()
    raw = b'{"schemaVersion":1,"fsLayers":[],"history":[]}'
    assert rules(place, place.put(raw, media_type.DOCKER_MANIFEST)) == [Rule.UNVERIFIABLE]


def test_an_artifact_is_checked_as_blobs() -> None:
    place = Memory()
    made = Manifest.make(place.put(b"{}", media_type.OCI_EMPTY), (place.put(b"x", "text/plain"),))
    assert validate(place, place.put(made.raw, made.media_type)) == []


def test_a_document_too_large_to_read_is_told() -> None:
    huge = Descriptor(media_type.OCI_MANIFEST, Digest.of(b""), 5 << 20)
    assert rules(Memory(), huge) == [Rule.SIZE]
