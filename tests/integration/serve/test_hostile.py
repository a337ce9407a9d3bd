"""Clients that mean harm, or do not know what they do: the right error, and nothing half there."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.registries import Client, blob

from lamina.oci.digest import Digest
from lamina.registry import open_registry
from lamina.serve.app import App
from lamina.serve.limits import Limits
from lamina.serve.server import Running

NAME = "team/app"


def raw(client: Client, request: bytes, *, end: bool = False) -> bytes:
    """What the server answers to these very bytes, until it closes."""
    place = urlsplit(client.url)
    with socket.create_connection((place.hostname, place.port), timeout=10) as connection:
        try:
            connection.sendall(request)
        except (BrokenPipeError, ConnectionResetError):
            pass
        if end:
            connection.shutdown(socket.SHUT_WR)
        answer = b""
        try:
            while data := connection.recv(65536):
                answer += data
        except ConnectionResetError:
            pass  # it was closed with some of the request unread
        return answer


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


@pytest.mark.parametrize(
    "name",
    [
        "Upper/case",
        "a//b",
        "a/../b",
        "a/./b",
        "-a",
        "a_",
        "a...b",
        "a" * 256,
        "ü",
        "a%20b",
        "a%0ab",
        "a%C3%BC",
        "a%ff",
        "a%",
    ],
)
def test_a_name_that_is_none_is_refused(client: Client, name: str) -> None:
    path = name.encode().decode("latin-1") if name.isascii() else "a%C3%BC"
    for method, rest in (
        ("GET", "tags/list"),
        ("GET", "manifests/x"),
        ("PUT", "manifests/x"),
        ("POST", "blobs/uploads/"),
        ("GET", f"referrers/{Digest.of(b'x')}"),
        ("DELETE", f"blobs/{Digest.of(b'x')}"),
    ):
        line = f"{method} /v2/{path}/{rest} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        answer = raw(client, line.encode("latin-1"))
        assert status(answer) == 400, answer
        assert b"NAME_INVALID" in answer


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/v2/a%2Fb/tags/list", 400),
        ("/v2/a/manifests/..%2f..%2fetc%2fpasswd", 400),
        ("/v2/a%00/tags/list", 400),
        ("/v2/a/blobs/../../../etc/passwd", 404),
        ("/v2/a/manifests/", 404),
        ("/v2//tags/list", 400),
        ("/v2/tags/list", 400),
        ("/v2/a/blobs/sha256:..", 400),
        ("/v2/a/blobs/sha256:" + "g" * 64, 400),
        ("/v2/a/blobs/uploads/../../x", 404),
        ("/v2/a/manifests/" + "t" * 129, 400),
        ("/v2/a/manifests/.x", 400),
        ("/v2/a/manifests/sha256:", 400),
        ("/v2/a/unknown/x", 404),
        ("/v1/", 404),
        ("/", 404),
        ("/etc/passwd", 404),
        ("/v2/a/tags/list?n=1&" + "&".join(f"x{n}=1" for n in range(300)), 400),
        ("/v2/a/tags/list?n=%ff", 400),
    ],
)
def test_a_path_that_leads_nowhere(client: Client, path: str, expected: int) -> None:
    answer = raw(client, f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    assert status(answer) == expected, answer


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/v2/", "GET, HEAD"),
        ("PUT", "/v2/a/tags/list", "GET, HEAD"),
        ("PATCH", "/v2/a/manifests/x", "DELETE, GET, HEAD, PUT"),
        ("PUT", f"/v2/a/blobs/{Digest.of(b'x')}", "DELETE, GET, HEAD"),
        ("GET", "/v2/a/blobs/uploads/", "POST"),
        ("TRACE", "/v2/_catalog", "GET, HEAD"),
    ],
)
def test_a_method_that_is_none_is_refused(
    client: Client, method: str, path: str, allowed: str
) -> None:
    refused = client(method, path)
    assert (refused.status, refused.headers["allow"]) == (405, allowed)
    assert refused.codes == ["UNSUPPORTED"]


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (b"Content-Length: abc\r\n", 400),
        (b"Content-Length: -1\r\n", 400),
        (b"Content-Length: 3\r\nContent-Length: 4\r\n", 400),
        (b"A: " + b"a" * 2_000_000 + b"\r\n", 431),
        (b"A: " + b"a" * 70_000 + b"\r\n", 431),
        (b"".join(b"A%d: x\r\n" % n for n in range(500)), 431),
    ],
    ids=["letters", "negative", "two", "longest", "long", "many"],
)
def test_headers_that_cannot_be_meant(client: Client, headers: bytes, expected: int) -> None:
    line = f"POST /v2/{NAME}/blobs/uploads/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n".encode()
    assert status(raw(client, line + headers + b"\r\n")) == expected


def test_a_client_that_vanishes_leaves_an_upload_to_go_on_with(client: Client) -> None:
    data = blob(200_000)
    begun = client("POST", f"/v2/{NAME}/blobs/uploads/")
    place = begun.headers["location"]
    line = f"PATCH {place} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(data)}\r\n\r\n"
    raw(client, line.encode() + data[:150_000], end=True)
    while True:  # until the server has noticed
        told = client("GET", place)
        offset = int(told.headers["range"].partition("-")[2]) + 1
        sent = client("PATCH", place, data[offset:], Content_Range=f"{offset}-{len(data) - 1}")
        if sent.status == 202:
            break
        assert sent.status in (409, 416)
    assert 0 < offset <= 150_000
    done = client("PUT", place, query=[("digest", Digest.of(data))])
    assert done.status == 201
    assert client("GET", done.location).body == data


def test_a_client_that_vanishes_from_a_single_post_leaves_nothing(
    client: Client, tmp_path: Path
) -> None:
    digest = Digest.of(b"x")
    line = f"POST /v2/{NAME}/blobs/uploads/?digest={digest} HTTP/1.1\r\nHost: x\r\n"
    raw(client, line.encode() + b"Content-Length: 9\r\n\r\nabc", end=True)
    while list((tmp_path / "registry" / "uploads").iterdir()):
        client("GET", "/v2/")


def test_a_second_writer_has_to_wait(client: Client) -> None:
    place = client("POST", f"/v2/{NAME}/blobs/uploads/").headers["location"]
    target = urlsplit(client.url)
    with socket.create_connection((target.hostname, target.port), timeout=10) as first:
        first.sendall(f"PATCH {place} HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc".encode())
        while (second := client("PATCH", place, b"xyz")).status == 202:
            place = client("POST", f"/v2/{NAME}/blobs/uploads/").headers["location"]
            line = f"PATCH {place} HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc"
            first = socket.create_connection((target.hostname, target.port), timeout=10)
            first.sendall(line.encode())
        assert (second.status, second.codes) == (409, ["BLOB_UPLOAD_INVALID"])
        first.sendall(b"def123")
        assert status(first.recv(65536)) == 202
    done = client("PUT", place, query=[("digest", Digest.of(b"abcdef123"))])
    assert done.status == 201


def test_faults_of_ours_tell_strangers_nothing(
    client: Client, tmp_path: Path, lines: list[dict[str, object]]
) -> None:
    digest = client.upload(NAME, blob(100_000))
    path = tmp_path / "registry" / "blobs" / "sha256" / digest.encoded
    os.truncate(path, 1000)
    broken = client("GET", f"/v2/{NAME}/blobs/{digest}")
    assert broken.status == 500
    assert str(tmp_path) not in broken.body.decode()
    assert str(path) in failure(client, lines)
    path.unlink()
    assert client("GET", f"/v2/{NAME}/blobs/{digest}").status == 500


def failure(client: Client, lines: list[dict[str, object]]) -> str:
    """What the log says went wrong; its line comes after the answer."""
    while not (found := [line["error"] for line in lines if "error" in line]):
        client("HEAD", "/healthz")
    return str(found[-1])


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Client]:
    limits = Limits(blob=1000, request=700, manifest=300, patience=0.2, rate=0.001, burst=30)
    app = App(open_registry(tmp_path / "small"), limits=limits)
    with Running(app) as server:
        yield Client(server.url)
    app.close()


def test_what_is_too_large_is_refused_before_it_is_read(small: Client) -> None:
    place = small("POST", "/v2/a/blobs/uploads/").headers["location"]
    for body in (b"x" * 701, iter([b"x" * 701])):
        refused = small("PATCH", place, body)
        assert (refused.status, refused.codes) == (413, ["SIZE_INVALID"])
    assert small("PATCH", place, b"x" * 600).status == 202
    assert small("PATCH", place, b"x" * 401).status == 413
    assert small("PATCH", place, iter([b"x" * 401])).status == 413
    assert small("GET", place).headers["range"] == "0-599"
    assert small("PUT", "/v2/a/manifests/x", b" " * 301).status == 413
    line = f"PUT {place}?digest={Digest.of(b'')} HTTP/1.1\r\nHost: x\r\nContent-Length: {10**15}"
    assert status(raw(small, line.encode() + b"\r\n\r\n")) == 413


def test_who_asks_too_often_has_to_wait(small: Client) -> None:
    statuses = [small("GET", "/v2/").status for _ in range(31)]
    assert statuses == [200] * 30 + [429]
    refused = small("GET", "/v2/")
    assert refused.codes == ["TOOMANYREQUESTS"]
    assert 0 < int(refused.headers["retry-after"]) <= 1000
    assert small("GET", "/healthz").status == 200


def test_who_stops_in_the_middle_is_let_go(small: Client) -> None:
    place = small("POST", "/v2/a/blobs/uploads/").headers["location"]
    line = f"PATCH {place} HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc"
    assert status(raw(small, line.encode())) == 408
    assert small("GET", place).headers["range"] == "0-2"


def test_a_small_body_that_nobody_wants_does_not_cost_the_connection(client: Client) -> None:
    place = client("POST", f"/v2/{NAME}/blobs/uploads/").headers["location"]
    refused = (
        f"PATCH {place} HTTP/1.1\r\nHost: x\r\nContent-Range: 7-9\r\nContent-Length: 3\r\n\r\nabc"
    )
    last = "GET /v2/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    answers = raw(client, (refused + last).encode())
    assert answers.count(b"HTTP/1.1 416 ") == 1
    assert answers.count(b"HTTP/1.1 200 ") == 1


def test_a_client_that_leaves_in_the_middle_of_a_range_ends_it(
    client: Client, lines: list[dict[str, object]]
) -> None:
    digest = client.upload(NAME, bytes(60 << 20))
    target = urlsplit(client.url)
    lines.clear()
    with socket.create_connection((target.hostname, target.port), timeout=10) as connection:
        line = f"GET /v2/{NAME}/blobs/{digest} HTTP/1.1\r\nHost: x\r\nRange: bytes=1-\r\n\r\n"
        connection.sendall(line.encode())
        for _ in range(20 << 10):
            connection.recv(1000, socket.MSG_WAITALL)
    while not (found := [each for each in lines if each["method"] == "GET"]):
        client("HEAD", "/healthz")
    assert found[0]["error"] == "the client went away"
    assert 0 < int(str(found[0]["sent"])) < 60 << 20


def test_a_file_that_ends_too_soon_breaks_the_connection_off(
    client: Client, tmp_path: Path, lines: list[dict[str, object]]
) -> None:
    digest = client.upload(NAME, bytes(30 << 20))
    path = tmp_path / "registry" / "blobs" / "sha256" / digest.encoded
    path.chmod(0o644)
    target = urlsplit(client.url)
    with socket.create_connection((target.hostname, target.port), timeout=10) as connection:
        line = f"GET /v2/{NAME}/blobs/{digest} HTTP/1.1\r\nHost: x\r\nRange: bytes=1-\r\n\r\n"
        connection.sendall(line.encode())
        size = len(connection.recv(1000))
        os.truncate(path, 15 << 20)
        while data := connection.recv(1 << 20):
            size += len(data)
    assert size < 16 << 20
    assert "broke off" in failure(client, lines)


def test_a_request_that_never_ends_does_not_keep_the_server_from_ending(tmp_path: Path) -> None:
    registry = open_registry(tmp_path / "ending")
    app = App(registry)
    with Running(app, grace=0.2) as server:
        client = Client(server.url)
        place = client("POST", "/v2/a/blobs/uploads/").headers["location"]
        connection = socket.create_connection(("127.0.0.1", server.port), timeout=10)
        line = f"PATCH {place} HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\n"
        connection.sendall(line.encode() + bytes(8_000_000))
        while client("GET", place).headers["range"] == "0-0":
            pass
    connection.close()
    app.close()
    session = place.rpartition("/")[2]
    assert 0 < registry.repository("a").offset(session) <= 8_000_000
