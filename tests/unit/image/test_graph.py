import pytest

from lamina.errors import NotFound
from lamina.image import graph
from lamina.oci.platform import Platform
from places import Memory, image, index, tar


def test_children_come_before_parents_and_each_once() -> None:
    place = Memory()
    shared = tar(a=b"1")
    one, two = image(place, shared), image(place, shared, platform=Platform("linux", "arm64"))
    both = index(place, one, two)
    order = [descriptor.digest for descriptor in graph.walk(place, both)]
    assert sorted(order) == sorted(place.blobs)
    assert order[-1] == both.digest
    assert order.index(one.digest) > order.index(next(iter(place.blobs)))


def test_a_missing_manifest_is_passed_over_only_where_that_is_asked_for() -> None:
    place = Memory()
    one, two = image(place, tar(a=b"1")), image(place, tar(b=b"1"))
    both = index(place, one, two)
    del place.blobs[one.digest]
    with pytest.raises(NotFound):
        list(graph.walk(place, both))
    assert one.digest not in {found.digest for found in graph.walk(place, both, sparse=True)}
    del place.blobs[both.digest]
    with pytest.raises(NotFound):
        list(graph.walk(place, both, sparse=True))


def test_only_what_is_chosen_of_an_index_is_followed() -> None:
    place = Memory()
    one, two = image(place, tar(a=b"1")), image(place, tar(b=b"1"))
    walked = graph.walk(place, index(place, one, two), choose=lambda found: found.manifests[:1])
    digests = {found.digest for found in walked}
    assert one.digest in digests
    assert two.digest not in digests
