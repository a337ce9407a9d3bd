from lamina.image import view
from lamina.image.edit import Assembly
from lamina.image.validate import validate
from lamina.oci import media_type
from lamina.oci.config import History, ImageConfig, RunConfig
from lamina.oci.digest import DiffID, Digest
from lamina.oci.platform import Platform
from places import Memory, image, tar


def test_a_layer_on_top_leaves_those_below_alone() -> None:
    place = Memory()
    base = view.load(place, image(place, tar(a=b"1")))
    plain = tar(b=b"2")
    top = place.put(plain)
    made = Assembly.of(base).append(top, DiffID(Digest.of(plain)), History("2026-02-02T00:00:00Z"))
    manifest, config = made.make()
    assert manifest.layers[:-1] == base.manifest.layers
    assert manifest.layers[-1] == top
    assert config.created == "2026-02-02T00:00:00Z"
    place.put(config.raw, media_type.OCI_CONFIG)
    assert validate(place, place.put(manifest.raw, manifest.media_type)) == []


def test_the_same_edit_makes_the_same_bytes() -> None:
    place = Memory()
    base = view.load(place, image(place, tar(a=b"1")))
    once, again = (Assembly.of(base).record(History("2026-01-01T00:00:00Z", "X")) for _ in "12")
    assert once.make() == again.make()


def test_an_instruction_without_files_adds_history_only() -> None:
    made = Assembly(Platform("linux", "amd64")).record(History(created_by="ENV A=b"))
    manifest, config = made.make()
    assert manifest.layers == ()
    assert config.history == (History(created_by="ENV A=b", empty_layer=True),)


def test_a_docker_manifest_has_docker_types_throughout() -> None:
    place = Memory()
    base = view.load(place, image(place, tar(a=b"1"), compress=True))
    manifest, _ = Assembly.of(base).make(media_type=media_type.DOCKER_MANIFEST)
    assert manifest.media_type == media_type.DOCKER_MANIFEST
    assert manifest.config.media_type == media_type.DOCKER_CONFIG
    assert [layer.media_type for layer in manifest.layers] == [media_type.DOCKER_LAYER_GZIP]


def test_what_docker_said_of_the_container_is_dropped() -> None:
    place = Memory()
    base = view.load(place, image(place, tar(a=b"1")))
    stale = ImageConfig.make(
        platform=base.platform,
        diff_ids=base.config.diff_ids,
        config=RunConfig(extra={"Hostname": "h", "Kept": 1}),
        extra={"container": "x", "docker_version": "1", "kept": 2},
    )
    _, config = Assembly.of(view.join(base.descriptor, base.manifest, stale)).make()
    assert config.extra == {"kept": 2}
    assert config.config.extra == {"Kept": 1}
