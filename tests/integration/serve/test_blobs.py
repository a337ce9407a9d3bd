"""Blobs over HTTP: every way to push, and every way to pull (distribution-spec)."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.registries import Client, blob

from lamina.oci.digest import Digest

ALGORITHMS = ["sha256", "sha384", "sha512"]
NAME = "team/app"
OTHER = "team/other"

Push = Callable[[Client, bytes, Digest], object]


def by_post(client: Client, data: bytes, digest: Digest) -> object:
    return client("POST", f"/v2/{NAME}/blobs/uploads/", data, query=[("digest", digest)])


def by_put(client: Client, data: bytes, digest: Digest) -> object:
    begun = client("POST", f"/v2/{NAME}/blobs/uploads/")
    assert begun.status == 202
    return client("PUT", begun.location, data, query=[("digest", digest)])


def by_stream(client: Client, data: bytes, digest: Digest) -> object:
    begun = client("POST", f"/v2/{NAME}/blobs/uploads/")
    pieces = (data[at : at + 100] for at in range(0, len(data), 100))
    sent = client("PATCH", begun.location, pieces)
    assert sent.status == 202
    return client("PUT", sent.location, query=[("digest", digest)])


def in_chunks(client: Client, data: bytes, digest: Digest, *, put_last: bool = False) -> object:
    place = client(
        "POST", f"/v2/{NAME}/blobs/uploads/", query=[("digest-algorithm", digest.algorithm)]
    ).location
    step = len(data) // 3 + 1
    for at in range(0, len(data), step):
        piece = data[at : at + step]
        if put_last and at + step >= len(data):
            return client(
                "PUT",
                place,
                piece,
                query=[("digest", digest)],
                Content_Range=f"{at}-{at + len(piece) - 1}",
            )
        sent = client("PATCH", place, piece, Content_Range=f"{at}-{at + len(piece) - 1}")
        assert (sent.status, sent.headers["range"]) == (202, f"0-{at + len(piece) - 1}")
        place = sent.location
    return client("PUT", place, query=[("digest", digest)])


def in_chunks_with_put(client: Client, data: bytes, digest: Digest) -> object:
    return in_chunks(client, data, digest, put_last=True)


WAYS = [by_post, by_put, by_stream, in_chunks, in_chunks_with_put]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("push", WAYS, ids=lambda way: way.__name__)
def test_a_blob_is_pushed_and_pulled(client: Client, push: Push, algorithm: str) -> None:
    data = blob(3000)
    digest = Digest.of(data, algorithm)
    done = push(client, data, digest)
    assert done.status == 201
    assert done.headers["docker-content-digest"] == digest
    pulled = client("GET", done.location)
    assert (pulled.status, pulled.body) == (200, data)
    assert pulled.headers["docker-content-digest"] == digest
    seen = client("HEAD", f"/v2/{NAME}/blobs/{digest}")
    assert (seen.status, seen.headers["content-length"], seen.body) == (200, "3000", b"")


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("push", WAYS, ids=lambda way: way.__name__)
def test_bytes_that_are_not_as_named_are_refused(
    client: Client, push: Push, algorithm: str
) -> None:
    digest = Digest.of(blob(), algorithm)
    done = push(client, blob(), digest)
    assert (done.status, done.codes) == (400, ["DIGEST_INVALID"])
    assert client("HEAD", f"/v2/{NAME}/blobs/{digest}").status == 404


@pytest.mark.parametrize("data", [b"", b"{}"], ids=["empty", "empty JSON"])
@pytest.mark.parametrize("push", WAYS, ids=lambda way: way.__name__)
def test_well_known_blobs_are_blobs(client: Client, push: Push, data: bytes) -> None:
    digest = Digest.of(data)
    done = push(client, data, digest)
    assert done.status == 201
    pulled = client("GET", done.location)
    assert (pulled.body, pulled.headers["content-length"]) == (data, str(len(data)))


def test_what_was_not_pushed_is_not_there(client: Client) -> None:
    digest = Digest.of(blob())
    missing = client("GET", f"/v2/{NAME}/blobs/{digest}")
    assert (missing.status, missing.codes) == (404, ["BLOB_UNKNOWN"])
    assert client("DELETE", f"/v2/{NAME}/blobs/{digest}").status == 404


@pytest.mark.parametrize("put_last", [False, True])
def test_chunks_out_of_order_are_refused_and_the_upload_goes_on(
    client: Client, put_last: bool
) -> None:
    data = blob(3067)
    digest = Digest.of(data)
    place = client("POST", f"/v2/{NAME}/blobs/uploads/").location
    at = 0
    while at < len(data):
        for wrong in (at + 1024, at - 1 if at else 5):
            piece = data[wrong : wrong + 1024] or b"x"
            method = "PUT" if put_last else "PATCH"
            refused = client(
                method,
                place,
                piece,
                query=[("digest", digest)] if put_last else (),
                Content_Range=f"{wrong}-{wrong + len(piece) - 1}",
            )
            assert refused.status == 416
            assert refused.headers["range"] == f"0-{max(at - 1, 0)}"
            told = client("GET", refused.location)
            assert (told.status, told.headers["range"]) == (204, f"0-{max(at - 1, 0)}")
            place = told.location
        piece = data[at : at + 1024]
        sent = client("PATCH", place, piece, Content_Range=f"{at}-{at + len(piece) - 1}")
        assert sent.status == 202
        at += len(piece)
    assert client("PUT", place, query=[("digest", digest)]).status == 201
    assert client("GET", f"/v2/{NAME}/blobs/{digest}").body == data


def test_a_cancelled_upload_is_gone(client: Client) -> None:
    begun = client("POST", f"/v2/{NAME}/blobs/uploads/")
    client("PATCH", begun.location, b"some")
    assert client("DELETE", begun.location).status == 204
    for method in ("GET", "PATCH", "DELETE"):
        gone = client(method, begun.location)
        assert gone.status == 404
        assert method == "GET" or gone.codes == ["BLOB_UPLOAD_UNKNOWN"]


def test_an_upload_is_of_its_own_repository_only(client: Client) -> None:
    begun = client("POST", f"/v2/{NAME}/blobs/uploads/")
    elsewhere = begun.headers["location"].replace(NAME, OTHER)
    assert client("GET", elsewhere).status == 404
    assert client("PATCH", elsewhere, b"x").status == 404


def test_a_blob_is_of_the_repository_that_it_was_pushed_to(client: Client) -> None:
    digest = client.upload(OTHER, blob())
    assert client("GET", f"/v2/{NAME}/blobs/{digest}").status == 404


@pytest.mark.parametrize("source", [OTHER, None], ids=["from", "anonymous"])
def test_a_blob_is_mounted(client: Client, source: str | None) -> None:
    data = blob()
    digest = client.upload(OTHER, data)
    query = [("mount", digest), *([("from", source)] if source else [])]
    mounted = client("POST", f"/v2/{NAME}/blobs/uploads/", query=query)
    assert (mounted.status, mounted.headers["docker-content-digest"]) == (201, digest)
    assert client("GET", mounted.location).body == data


def test_a_mount_of_nothing_begins_an_upload(client: Client) -> None:
    data = blob()
    query = [("mount", Digest.of(data)), ("from", OTHER)]
    begun = client("POST", f"/v2/{NAME}/blobs/uploads/", query=query)
    assert begun.status == 202
    assert client("PUT", begun.location, data, query=[("digest", Digest.of(data))]).status == 201


def test_a_deleted_blob_is_gone_from_its_repository_only(client: Client) -> None:
    data = blob()
    digest = client.upload(NAME, data)
    client.upload(OTHER, data)
    assert client("DELETE", f"/v2/{NAME}/blobs/{digest}").status == 202
    assert client("HEAD", f"/v2/{NAME}/blobs/{digest}").status == 404
    assert client("GET", f"/v2/{OTHER}/blobs/{digest}").body == data


@pytest.mark.parametrize(
    ("header", "start", "stop"),
    [
        ("bytes=500-1499", 500, 1500),
        ("bytes=500-", 500, 2048),
        ("bytes=-500", 1548, 2048),
        ("bytes=2000-5000", 2000, 2048),
        ("bytes=0-0", 0, 1),
    ],
)
def test_a_range_of_a_blob(client: Client, header: str, start: int, stop: int) -> None:
    data = blob(2048)
    digest = client.upload(NAME, data)
    part = client("GET", f"/v2/{NAME}/blobs/{digest}", Range=header)
    assert (part.status, part.body) == (206, data[start:stop])
    assert part.headers["content-range"] == f"bytes {start}-{stop - 1}/2048"
    assert part.headers["content-length"] == str(stop - start)


@pytest.mark.parametrize("header", ["bytes=500-0", "bytes=5000-10000", "bytes=2048-", "bytes=-0"])
def test_a_range_without_bytes_is_refused(client: Client, header: str) -> None:
    digest = client.upload(NAME, blob(2048))
    assert client("GET", f"/v2/{NAME}/blobs/{digest}", Range=header).status == 416


@pytest.mark.parametrize("header", ["lines=1-2", "bytes=0-1,4-5", "bytes", "bytes=x-y"])
def test_a_range_that_is_none_gives_all(client: Client, header: str) -> None:
    data = blob(64)
    digest = client.upload(NAME, data)
    whole = client("GET", f"/v2/{NAME}/blobs/{digest}", Range=header)
    assert (whole.status, whole.body) == (200, data)


def test_a_range_is_given_only_of_the_same_bytes(client: Client) -> None:
    data = blob(64)
    digest = client.upload(NAME, data)
    path = f"/v2/{NAME}/blobs/{digest}"
    assert client("GET", path, Range="bytes=0-9", If_Range=f'"{digest}"').status == 206
    assert client("GET", path, Range="bytes=0-9", If_Range='"other"').status == 200


def test_what_is_known_already_is_not_sent_again(client: Client) -> None:
    digest = client.upload(NAME, blob(64))
    path = f"/v2/{NAME}/blobs/{digest}"
    tag = client("GET", path).headers["etag"]
    for header in (tag, f'"x", W/{tag}', "*"):
        same = client("GET", path, If_None_Match=header)
        assert (same.status, same.body) == (304, b"")
    assert client("GET", path, If_None_Match='"x"').status == 200


@pytest.mark.parametrize(
    ("header", "status"),
    [("0-3", 202), ("0-9", 400), ("bytes 0-3/*", 202), ("x", 416), ("9-0", 416), ("1-4", 416)],
)
def test_a_chunk_says_truly_where_it_belongs(client: Client, header: str, status: int) -> None:
    place = client("POST", f"/v2/{NAME}/blobs/uploads/").location
    assert client("PATCH", place, b"four", Content_Range=header).status == status
    left = client("GET", place).headers["range"]
    assert left == ("0-3" if status == 202 else "0-0")


def test_the_digest_of_an_upload_must_be_said_and_known(client: Client) -> None:
    place = client("POST", f"/v2/{NAME}/blobs/uploads/").location
    for query in [], [("digest", "sha256:short")], [("digest", "md5:" + "0" * 32)]:
        refused = client("PUT", place, query=query)
        assert (refused.status, refused.codes) == (400, ["DIGEST_INVALID"])
    unknown = client("POST", f"/v2/{NAME}/blobs/uploads/", query=[("digest-algorithm", "md5")])
    assert (unknown.status, unknown.codes) == (400, ["DIGEST_INVALID"])
