"""What is a request, and what is none."""

from __future__ import annotations

from typing import Any

import pytest
from tests.sockets import (
    GET,
    LAST,
    answer,
    asked,
    bodies,
    echo,
)


@pytest.mark.parametrize(
    ("data", "keeps"),
    [
        (b"GET / HTTP/1.0\r\n\r\n", False),
        (b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", True),
    ],
)
def test_old_clients_are_kept_if_they_ask_for_it(data: bytes, keeps: bool) -> None:
    found = asked(echo, data + LAST)
    assert (b"connection: keep-alive" in found) is keeps
    assert len(bodies(found)) == 1 + keeps


@pytest.mark.parametrize(
    "target", [b"http://x/v2/a?n=1", b"HTTPS://x.test:5000/v2/a?n=1", b"/v2/a?n=1"]
)
def test_the_whole_address_may_be_named(target: bytes) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await answer(send, scope["raw_path"] + b" " + scope["query_string"])

    line = b"GET %b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % target
    assert asked(app, line).endswith(b"\r\n\r\n/v2/a n=1")


def test_another_protocol_that_is_offered_is_passed_over() -> None:
    head = b"GET /a HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\n"
    head += b"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n"
    assert bodies(asked(echo, head)) == [b"GET /a "]


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"hello\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\nHost: x\r\n\r\n", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400),
        (b"GET x HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost : x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\n folded: y\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: +1\r\n\r\na", 400),
        (b"PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\nzz", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 600_000 + b"\r\n\r\n", 431),
        (b"GET /" + b"a" * 600_000, 431),
        (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 200 + b"\r\n", 431),
    ],
)
def test_what_is_no_request_is_refused_and_ends_the_connection(data: bytes, status: int) -> None:
    found = asked(echo, data)
    assert found.startswith(b"HTTP/1.1 %d " % status)
    assert found.count(b"HTTP/1.1") == 1
    assert b"connection: close" in found


def test_no_request_can_be_hidden_in_the_body_of_another() -> None:
    """Content-Length and Transfer-Encoding together (RFC 9112, section 6.1)."""
    data = b"PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n"
    found = asked(echo, data + b"0\r\n\r\nGET /hidden HTTP/1.1\r\nHost: x\r\n\r\n")
    assert b"/hidden" not in found
    assert found.startswith(b"HTTP/1.1 400 ")


def test_what_is_right_is_answered_before_what_is_wrong_is_refused() -> None:
    found = asked(echo, GET + b"nonsense\r\n\r\n" + GET)
    assert bodies(found.partition(b"HTTP/1.1 400")[0]) == [b"GET /v2/ "]
    assert found.count(b"HTTP/1.1 400 ") == 1
