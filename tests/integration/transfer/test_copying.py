"""Copies between any two places: the digests stay, and what goes along is what was asked for."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest
from tests.integration.transfer.test_pull import LAYERS, indexed, put
from tests.places import Memory
from tests.registry import Registry, serving

from lamina.engine import Engine, indexing, places
from lamina.engine.places import Kind, Place, Wish, copy, parse
from lamina.errors import Invalid, NotFound, Unsupported
from lamina.oci import media_type
from lamina.oci import platform as platforms
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest
from lamina.transfer.copy import Event


def nobody(event: Event) -> None:
    """Nobody listens."""


def do(engine: Engine, source: str, target: str, **wish: object) -> Descriptor:
    return copy(engine, parse(source), parse(target), Wish(**wish), nobody)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("docker://alpine", Place(Kind.REGISTRY, "alpine")),
        ("docker.io/library/alpine:3", Place(Kind.REGISTRY, "docker.io/library/alpine:3")),
        ("localhost/x", Place(Kind.REGISTRY, "localhost/x")),
        ("localhost:5000/x:1", Place(Kind.REGISTRY, "localhost:5000/x:1")),
        ("alpine:3", Place(Kind.LOCAL, "alpine:3")),
        ("library/alpine", Place(Kind.LOCAL, "library/alpine")),
        ("local:localhost/x:1", Place(Kind.LOCAL, "localhost/x:1")),
        ("oci:dir", Place(Kind.OCI, "dir")),
        ("oci:/a/dir:1.0", Place(Kind.OCI, "/a/dir", "1.0")),
        ("oci-archive:a.tar:x", Place(Kind.OCI_ARCHIVE, "a.tar", "x")),
        ("docker-archive:a.tar:x:1", Place(Kind.DOCKER_ARCHIVE, "a.tar", "x:1")),
    ],
)
def test_places_are_read(text: str, place: Place) -> None:
    assert parse(text) == place


def test_a_place_without_a_path_is_refused() -> None:
    with pytest.raises(Invalid, match="names no file"):
        parse("oci::tag")


def test_round_through_every_kind_of_place_the_digest_stays(
    registry: Registry, engine: Engine, tmp_path: Path
) -> None:
    root = put(registry, *LAYERS)
    way = [
        f"{registry.host}/x:1",
        f"oci:{tmp_path}/layout:one",
        f"oci-archive:{tmp_path}/a.tar:two",
        "local:here:1",
        f"docker-archive:{tmp_path}/d.tar:here:2",
        f"docker://{registry.host}/y:2",
        "here:3",
        f"{registry.host}/z:3",
    ]
    for source, target in itertools.pairwise(way):
        assert do(engine, source, target).digest == root.digest, (source, target)
    assert registry.manifests["z"]["3"] == registry.manifests["x"]["1"]
    assert registry.blobs["z"] == {
        digest: data for digest, data in registry.blobs["x"].items() if digest != str(root.digest)
    }
    index = json.loads((tmp_path / "layout/index.json").read_text())
    names = [one["annotations"][places._REF_NAME] for one in index["manifests"]]
    assert names == ["one"]


def test_between_registries_nothing_stays_here(registry: Registry, engine: Engine) -> None:
    root = put(registry, *LAYERS)
    with serving() as other:
        do(engine, f"{registry.host}/x:1", f"{other.host}/deep/er/x:2")
        assert str(root.digest) in other.manifests["deep/er/x"]
    assert engine.is_empty


def test_within_a_registry_blobs_are_mounted(registry: Registry, engine: Engine) -> None:
    put(registry, *LAYERS)
    do(engine, f"{registry.host}/x:1", f"{registry.host}/y:1")
    assert not registry.served("blobs")
    assert registry.blobs["y"]


def test_what_is_there_is_not_copied(registry: Registry, engine: Engine) -> None:
    put(registry, *LAYERS)
    with serving() as other:
        for _ in range(2):
            other.seen.clear()
            do(engine, f"{registry.host}/x:1", f"{other.host}/x:1")
        assert not other.requests("POST")


def test_of_an_index_one_platform_or_all_are_copied(registry: Registry, engine: Engine) -> None:
    root, images = indexed(registry)
    arm = images["linux/arm64"]
    with serving() as other:
        one = do(
            engine,
            f"{registry.host}/x:1",
            f"{other.host}/one:1",
            platform=platforms.parse("linux/arm64"),
        )
        assert one.digest == arm.digest
        assert do(engine, f"{registry.host}/x:1", f"{other.host}/all:1", every=True) == root
        assert {str(each.digest) for each in images.values()} < other.manifests["all"].keys()
        assert len([tag for tag in other.manifests["one"] if ":" in tag]) == 1


@pytest.mark.parametrize("listed", [True, False], ids=["by the API", "by a tag"])
def test_referrers_go_along_when_asked_for(
    registry: Registry, engine: Engine, listed: bool, tmp_path: Path
) -> None:
    root = put(registry, *LAYERS[:1])
    empty = Memory().put(b"{}", media_type.OCI_EMPTY)
    registry.blobs["x"][str(empty.digest)] = b"{}"
    subject, found = root, []
    for kind in ("signature", "signature-of-signature"):
        document = {
            "schemaVersion": 2,
            "mediaType": media_type.OCI_MANIFEST,
            "artifactType": f"application/{kind}",
            "config": empty.to_json(),
            "layers": [empty.to_json()],
            "subject": subject.to_json(),
        }
        raw = json.dumps(document).encode()
        subject = Descriptor(media_type.OCI_MANIFEST, Digest.of(raw), len(raw))
        registry.manifests["x"][str(subject.digest)] = (media_type.OCI_MANIFEST, raw)
        found.append(str(subject.digest))
    with serving() as other:
        other.referrers = listed
        do(engine, f"{registry.host}/x:1", f"{other.host}/x:1", referrers=True)
        assert set(found) < other.manifests["x"].keys()
        again = f"oci:{tmp_path}/layout:1"
        do(engine, f"{other.host}/x:1", again, referrers=True)
    assert len(json.loads((tmp_path / "layout/index.json").read_text())["manifests"]) == 3
    assert do(engine, again, "back:1").digest == root.digest


def test_referrers_to_where_none_are_kept_are_refused(registry: Registry, engine: Engine) -> None:
    put(registry, *LAYERS[:1])
    with pytest.raises(Unsupported, match="referrers are not kept"):
        do(engine, f"{registry.host}/x:1", "here", referrers=True)


def test_which_of_several_images_must_be_said(
    registry: Registry, engine: Engine, tmp_path: Path
) -> None:
    put(registry, *LAYERS[:1], tag="1")
    put(registry, *LAYERS[:2], tag="2")
    for tag in ("1", "2"):
        do(engine, f"{registry.host}/x:{tag}", f"oci:{tmp_path}/layout:{tag}")
    with pytest.raises(Invalid, match="has 2 images"):
        do(engine, f"oci:{tmp_path}/layout", "here")
    with pytest.raises(NotFound, match='no image of "3"'):
        do(engine, f"oci:{tmp_path}/layout:3", "here")


# --- indexes made of images


def test_an_index_is_made_of_images_of_several_repositories(
    registry: Registry, engine: Engine
) -> None:
    _, images = indexed(registry)
    arm, intel = (images[text] for text in ("linux/arm64", "linux/amd64"))
    host = registry.host
    indexing.create(engine, f"{host}/y:1", [f"{host}/x@{arm.digest}"])
    made = indexing.create(engine, f"{host}/y:1", [f"{host}/x@{intel.digest}"], amend=True)
    raw = registry.manifests["y"]["1"][1]
    assert Digest.of(raw) == made.digest
    found = [one["platform"]["architecture"] for one in json.loads(raw)["manifests"]]
    assert found == ["arm64", "amd64"]
    again = indexing.create(engine, f"{host}/y:1", [f"{host}/x@{intel.digest}"], amend=True)
    assert again == made


def test_an_entry_of_an_index_is_described(registry: Registry, engine: Engine) -> None:
    _, images = indexed(registry)
    arm, intel = (images[text] for text in ("linux/arm64", "linux/amd64"))
    target, image = f"{registry.host}/x:both", f"{registry.host}/x@{arm.digest}"
    indexing.create(engine, target, [image, f"{registry.host}/x@{intel.digest}"])
    made = indexing.annotate(engine, target, image, variant="v9", os_features=("sve",))
    assert made == indexing.pushed(engine, target)
    found = json.loads(registry.manifests["x"]["both"][1])["manifests"]
    described = {"architecture": "arm64", "os": "linux", "os.features": ["sve"], "variant": "v9"}
    assert [one["platform"] for one in found] == [
        described,
        {"architecture": "amd64", "os": "linux"},
    ]
    again = indexing.annotate(engine, target, str(arm.digest), variant="v8")
    assert again != made


def test_what_cannot_be_described_is_refused(registry: Registry, engine: Engine) -> None:
    _, images = indexed(registry)
    arm, intel = (images[text] for text in ("linux/arm64", "linux/amd64"))
    target, image = f"{registry.host}/x:one", f"{registry.host}/x@{arm.digest}"
    indexing.create(engine, target, [image])
    with pytest.raises(NotFound, match="has no image"):
        indexing.annotate(engine, target, str(intel.digest), variant="v8")
    with pytest.raises(Invalid, match='"arm65" is not known'):
        indexing.annotate(engine, target, image, architecture="arm65")
    put(registry, *LAYERS[:1], tag="plain")
    with pytest.raises(Invalid, match="is one image and not an index"):
        indexing.pushed(engine, f"{registry.host}/x:plain")
    with pytest.raises(NotFound):
        indexing.pushed(engine, f"{registry.host}/x:absent")
