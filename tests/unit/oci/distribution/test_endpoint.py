from __future__ import annotations

import pytest

from lamina.oci.distribution.endpoint import (
    BadName,
    BadTag,
    Endpoint,
    Kind,
    check_name,
    check_tag,
    is_session,
    parse_path,
)

PATHS = {
    "/v2/": Endpoint(Kind.BASE),
    "/v2/_catalog": Endpoint(Kind.CATALOG),
    "/v2/a/b/tags/list": Endpoint(Kind.TAGS, "a/b"),
    "/v2/a/manifests/v1": Endpoint(Kind.MANIFEST, "a", "v1"),
    "/v2/a/blobs/sha256:12": Endpoint(Kind.BLOB, "a", "sha256:12"),
    "/v2/a/blobs/uploads/": Endpoint(Kind.UPLOADS, "a"),
    "/v2/a/blobs/uploads/x-1": Endpoint(Kind.UPLOAD, "a", "x-1"),
    "/v2/a/referrers/sha256:12": Endpoint(Kind.REFERRERS, "a", "sha256:12"),
}


@pytest.mark.parametrize("path", PATHS)
def test_a_path_and_its_endpoint_are_inverses(path: str) -> None:
    assert parse_path(path) == PATHS[path]
    assert PATHS[path].path == path


def test_names_may_hold_the_words_of_the_paths() -> None:
    assert parse_path("/v2/tags/list/manifests/v1") == Endpoint(Kind.MANIFEST, "tags/list", "v1")
    assert parse_path("/v2/uploads/blobs/manifests/v1") == Endpoint(
        Kind.MANIFEST, "uploads/blobs", "v1"
    )
    assert parse_path("/v2/blobs/uploads/tags/list") == Endpoint(Kind.TAGS, "blobs/uploads")


def test_a_slash_too_few_still_begins_an_upload() -> None:
    assert parse_path("/v2/a/blobs/uploads") == Endpoint(Kind.UPLOADS, "a")


@pytest.mark.parametrize("path", ["/", "/v1/", "/v2/a", "/v2/manifests/v1", "/v2/a/manifests/"])
def test_other_paths_are_no_endpoints(path: str) -> None:
    assert parse_path(path) is None


@pytest.mark.parametrize(
    "name", ["", "A", "a//b", "a/", "/a", "a..b", "a___b", "-a", "a_", "ä", "a" * 256, "a\n"]
)
def test_a_wrong_name_is_refused(name: str) -> None:
    with pytest.raises(BadName):
        check_name(name)


@pytest.mark.parametrize("name", ["a", "a/b/c", "a.b", "a_b", "a__b", "a---b", "0/1"])
def test_a_right_name_passes(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize("tag", ["", ".a", "-a", "a b", "a:b", "a" * 129, "a\n"])
def test_a_wrong_tag_is_refused(tag: str) -> None:
    with pytest.raises(BadTag):
        check_tag(tag)


def test_a_right_tag_passes() -> None:
    assert check_tag("_V1.0-" + "a" * 122)


def test_a_session_has_no_slash() -> None:
    assert is_session("0f3c-1_2=.")
    assert not is_session("a/b")
    assert not is_session("")
