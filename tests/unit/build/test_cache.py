"""What the cache may know of a step whose tree has no name yet."""

from __future__ import annotations

from pathlib import Path

import pytest

from lamina.build.cache import KNOWN, Cache, Made
from lamina.build.key import Key, Part
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import ChainID, DiffID, Digest
from lamina.store import Store


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(Store.open(tmp_path / "store"), lambda: 1)


def chain(number: int) -> ChainID:
    return ChainID(Digest.of(b"%d" % number))


def key(base: int, instruction: str = "RUN make") -> Key:
    return Key((Part("base", "", chain(base)), Part("instruction", "", instruction)))


MADE = Made(Descriptor("x/y", chain(0), 1), DiffID(chain(0)), chain(0), "", 0.0)


def test_a_step_is_known_above_the_trees_that_it_was_made_above(cache: Cache) -> None:
    assert not cache.knows(key(9), None)
    cache.keep(key(3), MADE, below=[chain(1), chain(2)])
    assert cache.knows(key(9), chain(1))
    assert cache.knows(key(9), chain(2))
    assert cache.knows(key(9), None)  # an empty tree is below everything
    assert not cache.knows(key(9), chain(3))  # it stood on that, and not above it
    assert not cache.knows(key(3, "RUN other"), chain(1))


def test_what_is_used_again_and_again_is_not_forgotten(cache: Cache) -> None:
    for number in range(100, 400):
        cache.keep(key(number + 1), MADE, below=[chain(1), chain(number)])
    assert cache.knows(key(9), chain(1))
    assert cache.knows(key(9), chain(399))
    assert not cache.knows(key(9), chain(100))


def test_a_record_that_nobody_can_read_is_none(cache: Cache) -> None:
    cache.keep(key(3), MADE, below=[chain(1)])
    cache.store.records.put(KNOWN, key(3).without_base, b"{", now=1)
    assert not cache.knows(key(3), chain(1))
    cache.keep(key(3), MADE, below=[chain(1)])
    assert cache.knows(key(3), chain(1))
