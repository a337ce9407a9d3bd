from __future__ import annotations

import io
import os
from collections.abc import Callable
from typing import Any

import pytest

from lamina.errors import Corrupt
from lamina.layer.crc import Crc
from lamina.oci import media_type as types
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest
from lamina.store import Store
from lamina.store.crcs import KIND

TAR = os.urandom(200_000)
DIGEST = Digest.of(TAR)
CRC = Crc().plus(TAR)
DAMAGES = {
    "flipped": TAR[:100] + bytes([TAR[100] ^ 1]) + TAR[101:],
    "truncated": TAR[:-1],
    "grown": TAR + b"\0",
    "emptied": b"",
}


def read(store: Store, data: bytes) -> None:
    check = store.crcs.check(DIGEST)
    for at in range(0, len(data), 70_000):
        check.update(data[at : at + 70_000])
    check.end()


def test_what_was_kept_is_found(store: Store) -> None:
    assert store.crcs.get(DIGEST) is None
    store.crcs.put(DIGEST, CRC)
    assert store.crcs.get(DIGEST) == CRC


@pytest.mark.parametrize("is_kept", [True, False], ids=["kept", "not kept"])
def test_bytes_that_are_the_same_pass_and_are_known_then(store: Store, is_kept: bool) -> None:
    if is_kept:
        store.crcs.put(DIGEST, CRC)
    read(store, TAR)
    assert store.crcs.get(DIGEST) == CRC


@pytest.mark.parametrize("is_kept", [True, False], ids=["kept", "not kept"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_other_bytes_are_corrupt_and_nothing_is_known_then(
    store: Store, damage: str, is_kept: bool
) -> None:
    if is_kept:
        store.crcs.put(DIGEST, CRC)
    with pytest.raises(Corrupt, match=f'"{DIGEST}" is damaged'):
        read(store, DAMAGES[damage])
    assert store.crcs.get(DIGEST) is None


def test_a_note_that_is_wrong_refuses_good_bytes_once(store: Store) -> None:
    store.crcs.put(DIGEST, Crc(1, len(TAR)))
    with pytest.raises(Corrupt):
        read(store, TAR)
    read(store, TAR)
    assert store.crcs.get(DIGEST) == CRC


@pytest.mark.parametrize("media_type", [types.OCI_LAYER, types.DOCKER_LAYER])
def test_a_plain_layer_that_is_pushed_here_is_known(store: Store, media_type: str) -> None:
    store.blobs.push(Descriptor(media_type, DIGEST, len(TAR)), io.BytesIO(TAR))
    assert store.crcs.get(DIGEST) == CRC


@pytest.mark.parametrize("media_type", [types.OCI_LAYER_GZIP, types.OCI_CONFIG])
def test_nothing_else_that_is_pushed_here_is(store: Store, media_type: str) -> None:
    store.blobs.push(Descriptor(media_type, DIGEST, len(TAR)), io.BytesIO(TAR))
    assert store.records.items(KIND) == []


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_plain_layer_that_is_refused_is_not_known(store: Store, damage: str) -> None:
    with pytest.raises(Corrupt):
        store.blobs.push(Descriptor(types.OCI_LAYER, DIGEST, len(TAR)), io.BytesIO(DAMAGES[damage]))
    assert store.records.items(KIND) == []


def test_it_goes_with_the_layer(store: Store, put: Callable[..., Any]) -> None:
    kept, gone = put(b"kept"), put(b"gone")
    store.names.tag("docker.io/library/alpine:3.20", kept.descriptor)
    for image in (kept, gone):
        store.crcs.put(image.layers[0], CRC)
    assert store.gc(dry_run=True).rows == store.gc().rows == 1
    assert [record.key for record in store.records.items(KIND)] == [kept.layers[0]]
