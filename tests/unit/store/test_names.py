from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from lamina.errors import Invalid, NotFound
from lamina.oci import media_type
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest
from lamina.store import Ambiguous, NoImage, Store

ALPINE = "docker.io/library/alpine:3.20"
BUSYBOX = "docker.io/library/busybox:latest"
Put = Callable[..., Any]


def shown(store: Store) -> dict[str | None, str]:
    """What index.json says: digests by name."""
    document = json.loads((store.root / "index.json").read_bytes())
    return {
        entry.get("annotations", {}).get("org.opencontainers.image.ref.name"): entry["digest"]
        for entry in document["manifests"]
    }


def test_a_name_means_what_it_was_given_to(store: Store, put: Put) -> None:
    image = put(b"layer")
    store.names.tag(ALPINE, image.descriptor)
    assert store.names.resolve(ALPINE) == image.descriptor
    assert store.names.digest(ALPINE) == image.descriptor.digest
    assert store.names.digest(BUSYBOX) is None
    assert store.names.keeps(image.descriptor.digest)
    assert shown(store) == {ALPINE: image.descriptor.digest}


def test_an_image_may_have_several_names(store: Store, put: Put) -> None:
    image = put(b"layer")
    store.names.tag(ALPINE, image.descriptor)
    store.names.tag(BUSYBOX, image.descriptor)
    assert store.names.names_of(image.descriptor.digest) == (ALPINE, BUSYBOX)
    assert [named.name for named in store.names.list()] == [ALPINE, BUSYBOX]
    assert set(shown(store)) == {ALPINE, BUSYBOX}


def test_an_image_that_loses_its_name_to_another_stays(store: Store, put: Put) -> None:
    old, new = put(b"old"), put(b"new")
    store.names.tag(ALPINE, old.descriptor)
    store.names.tag(ALPINE, new.descriptor)
    listed = [(named.name, named.descriptor) for named in store.names.list()]
    assert listed == [(ALPINE, new.descriptor), (None, old.descriptor)]
    assert shown(store) == {ALPINE: new.descriptor.digest, None: old.descriptor.digest}


def test_taking_the_last_name_drops_the_image(store: Store, put: Put) -> None:
    image = put(b"layer")
    store.names.tag(ALPINE, image.descriptor)
    store.names.tag(BUSYBOX, image.descriptor)
    assert store.names.untag(ALPINE) is False
    assert store.names.untag(BUSYBOX) is True
    assert store.names.list() == []
    assert shown(store) == {}


def test_an_image_may_be_kept_without_a_name(store: Store, put: Put) -> None:
    image = put(b"layer")
    store.names.keep(image.descriptor)
    store.names.keep(image.descriptor)
    (named,) = store.names.list()
    assert (named.name, named.image_ids) == (None, (image.config,))
    assert store.names.drop(image.descriptor.digest) == ()
    assert store.names.list() == []


def test_untagging_may_keep_the_image(store: Store, put: Put) -> None:
    image = put(b"layer")
    store.names.tag(ALPINE, image.descriptor)
    assert store.names.untag(ALPINE, keep=True) is False
    assert [named.name for named in store.names.list()] == [None]


def test_dropping_an_image_takes_all_its_names(store: Store, put: Put) -> None:
    image = put(b"layer")
    store.names.tag(BUSYBOX, image.descriptor)
    store.names.tag(ALPINE, image.descriptor)
    assert store.names.drop(image.descriptor.digest) == (ALPINE, BUSYBOX)
    with pytest.raises(NoImage):
        store.names.drop(image.descriptor.digest)


def test_an_image_is_found_by_everything_a_person_types(store: Store, put: Put) -> None:
    image = put(b"layer")
    store.names.tag(ALPINE, image.descriptor)
    digest, config = image.descriptor.digest, image.config
    for text in (
        "alpine:3.20",
        "docker.io/alpine:3.20",
        ALPINE,
        f"alpine@{digest}",
        f"alpine:3.20@{digest}",
        digest,
        config,
        config.encoded,
        config.short,
        config.encoded[:4],
        f"sha256:{config.encoded[:6]}",
        digest.short,
    ):
        assert store.names.find(text) == image.descriptor, text


@pytest.mark.parametrize(
    "text", ["alpine", "alpine:3.21", "ffffffffffff", "UPPER", "", "sha256:", f"a@{Digest.of(b'')}"]
)
def test_what_is_not_here_is_not_found(store: Store, put: Put, text: str) -> None:
    store.names.tag(ALPINE, put(b"layer").descriptor)
    with pytest.raises(NoImage):
        store.names.find(text)


def test_a_name_goes_before_the_beginning_of_an_id(store: Store, put: Put) -> None:
    first, second = put(b"first"), put(b"second")
    short = first.config.encoded[:4]
    store.names.keep(first.descriptor)
    store.names.tag(f"docker.io/library/{short}:latest", second.descriptor)
    assert store.names.find(short) == second.descriptor


def test_the_beginning_of_several_ids_is_refused(store: Store, put: Put) -> None:
    seen: dict[str, int] = {}
    for number in range(17):  # by then two of them share their first digit
        image = put(str(number).encode())
        store.names.keep(image.descriptor)
        digit = image.config.encoded[0]
        seen[digit] = seen.get(digit, 0) + 1
    shared = next(digit for digit, count in seen.items() if count > 1)
    with pytest.raises(Ambiguous, match="several"):
        store.names.find(shared)


def test_one_config_in_two_manifests_is_no_ambiguity(store: Store, put: Put) -> None:
    image = put(b"layer")
    document = json.loads(store.blobs.read(image.descriptor.digest))
    again = json.dumps({**document, "annotations": {"a": "b"}}).encode()
    other = Descriptor(media_type.OCI_MANIFEST, store.blobs.put(again), len(again))
    store.names.tag(ALPINE, image.descriptor)
    store.names.tag(BUSYBOX, other)
    assert store.names.find(image.config.short) in (image.descriptor, other)
    assert store.names.find(image.descriptor.digest) == image.descriptor


def test_an_index_is_found_by_the_id_of_each_image_in_it(store: Store, put: Put) -> None:
    image = put(b"layer")
    index = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": media_type.OCI_INDEX,
            "manifests": [
                image.descriptor.to_json(),
                {"mediaType": media_type.OCI_MANIFEST, "digest": Digest.of(b"?"), "size": 1},
            ],
        }
    ).encode()
    descriptor = Descriptor(media_type.OCI_INDEX, store.blobs.put(index), len(index))
    store.names.tag(ALPINE, descriptor)
    assert store.names.find(image.config.short) == descriptor
    (named,) = store.names.list()
    assert named.image_ids == (image.config,)


def test_names_of_another_layout_are_not_kept(store: Store, put: Put) -> None:
    image = put(b"layer")
    found = Descriptor(
        image.descriptor.media_type,
        image.descriptor.digest,
        image.descriptor.size,
        annotations={"org.opencontainers.image.ref.name": "theirs", "other": "kept"},
    )
    store.names.tag(ALPINE, found)
    assert dict(store.names.resolve(ALPINE).annotations) == {"other": "kept"}
    assert shown(store) == {ALPINE: image.descriptor.digest}


def test_what_is_not_in_the_store_cannot_be_named(store: Store) -> None:
    absent = Descriptor(media_type.OCI_MANIFEST, Digest.of(b"?"), 1)
    with pytest.raises(NotFound, match="not in the store"):
        store.names.tag(ALPINE, absent)
    with pytest.raises(NoImage):
        store.names.resolve(ALPINE)


@pytest.mark.parametrize("name", ["", "a b", "a\n"])
def test_what_is_no_name_is_refused(store: Store, put: Put, name: str) -> None:
    with pytest.raises(Invalid):
        store.names.tag(name, put(b"layer").descriptor)


def test_taking_away_a_name_that_is_not_there_is_not_found(store: Store) -> None:
    with pytest.raises(NoImage):
        store.names.untag(ALPINE)


def test_an_index_that_was_left_behind_is_mended_by_the_next_list(store: Store, put: Put) -> None:
    image = put(b"layer")
    store.names.tag(ALPINE, image.descriptor)
    # As a kill between the transaction and the projection leaves it.
    with store.database.transaction() as connection:
        connection.execute("UPDATE meta SET generation = generation + 1")
        connection.execute("UPDATE names SET name = ?", (BUSYBOX,))
    assert set(shown(store)) == {ALPINE}
    store.names.list()
    assert set(shown(store)) == {BUSYBOX}
