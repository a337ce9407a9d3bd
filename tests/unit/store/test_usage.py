from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lamina.store import Store
from lamina.store.usage import Container, summary

Put = Callable[..., Any]


def test_an_empty_store_takes_nothing(store: Store) -> None:
    assert [(row.kind, row.total, row.size) for row in summary(store)] == [
        ("Images", 0, 0),
        ("Containers", 0, 0),
        ("Build Cache", 0, 0),
    ]


def test_what_images_share_counts_once_and_what_is_used_stays(store: Store, put: Put) -> None:
    used, idle = put(b"s" * 1000, b"u" * 100), put(b"s" * 1000, b"i" * 10)
    store.names.tag("used", used.descriptor)
    store.names.tag("idle", idle.descriptor)
    containers = [Container(used.config, 7, True), Container(used.descriptor.digest, 5, False)]
    images, running, _ = summary(
        store, containers=containers, trees={used.chains[1]: 50, idle.chains[1]: 3}
    )
    total = sum(store.blobs.size(digest) for digest in used.blobs | idle.blobs)
    alone = sum(store.blobs.size(digest) for digest in idle.blobs - used.blobs)
    assert (images.total, images.active, images.size) == (2, 1, total + 53)
    assert images.reclaimable == alone + 3
    assert (running.total, running.active, running.size, running.reclaimable) == (2, 1, 12, 5)


def test_the_build_cache_is_what_only_records_lead_to(store: Store, put: Put) -> None:
    image = put(b"in the image")
    store.names.tag("name", image.descriptor)
    alone = store.blobs.put(b"12345")
    store.records.put("step", "a", b"", now=1, refs=[alone, image.layers[0]])
    _, _, cache = summary(store, cache_kinds=["step"], cache_size=100)
    assert (cache.total, cache.size, cache.reclaimable) == (1, 105, 105)
