"""Answers as they come over a socket, byte by byte."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path
from typing import Any

import pytest
from tests.sockets import (
    GET,
    LAST,
    all_of,
    answer,
    asked,
    bodies,
    echo,
    open_to,
    told,
    until,
)

from lamina.serve.http.asgi import ZEROCOPY
from lamina.serve.http.waits import here, sleep
from lamina.serve.server import Running


def test_a_connection_is_kept_and_requests_may_come_together() -> None:
    found = asked(echo, GET + GET + LAST)
    assert bodies(found) == [b"GET /v2/ ", b"GET /v2/ ", b"GET /last "]
    assert found.count(b"connection: close") == 1


def test_a_request_may_come_byte_by_byte() -> None:
    data = b"PUT /x?a=%20b HTTP/1.1\r\nhOsT: x\r\nContent-Length: 3\r\n\r\nabc" + LAST
    with Running(echo) as server, open_to(server) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(len(data)):
            sock.sendall(data[at : at + 1])
        assert bodies(all_of(sock)) == [b"PUT /x abc", b"GET /last "]


def test_a_body_may_come_in_chunks() -> None:
    head = b"PUT /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunks = b"3\r\nabc\r\n4;a=b\r\ndefg\r\n0\r\nTrailer: x\r\n\r\n"
    assert bodies(asked(echo, head + chunks + LAST)) == [b"PUT /x abcdefg", b"GET /last "]


def test_requests_behind_a_body_that_is_still_read_wait_for_their_turn() -> None:
    data = os.urandom(5 << 20)
    head = b"PUT /x HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(data)
    with Running(echo) as server, open_to(server) as sock:
        everything = GET + head + data + head + data + LAST
        sending = threading.Thread(target=sock.sendall, args=(everything,))
        sending.start()
        found = bodies(all_of(sock))
        sending.join()
    assert found == [b"GET /v2/ ", *[b"PUT /x " + data] * 2, b"GET /last "]


def test_who_expects_to_be_told_is_told_to_go_on() -> None:
    head = b"PUT /x HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"
    with Running(echo) as server, open_to(server) as sock:
        sock.sendall(head)
        assert until(sock, b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(b"abc" + LAST)
        assert bodies(all_of(sock))[0] == b"PUT /x abc"


def test_who_is_refused_is_not_told_to_go_on_and_hears_why() -> None:
    async def refusing(scope: Any, receive: Any, send: Any) -> None:
        await answer(send, b"no", 413)

    head = b"PUT /x HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 9999\r\n\r\n"
    found = asked(refusing, head)
    assert found.startswith(b"HTTP/1.1 413 Content Too Large\r\n")
    assert b"connection: close\r\n" not in found.partition(b"\r\n\r\n")[2]


def test_who_sends_on_after_the_answer_hears_it_all_the_same() -> None:
    async def refusing(scope: Any, receive: Any, send: Any) -> None:
        await answer(send, b"no" * 1000, 413)

    with Running(refusing) as server, open_to(server) as sock:
        sock.sendall(b"PUT /x HTTP/1.1\r\nHost: x\r\nContent-Length: 90000000\r\n\r\n")
        for _ in range(100):
            sock.sendall(bytes(10_000))
        assert all_of(sock).endswith(b"no" * 1000)


def test_heads_have_no_body_and_204_has_none() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await answer(send, b"body", 204 if scope["path"] == "/none" else 200)

    data = b"HEAD /a HTTP/1.1\r\nHost: x\r\n\r\nGET /none HTTP/1.1\r\nHost: x\r\n\r\n" + LAST
    found = asked(app, data)
    assert found.count(b"body") == 1
    assert found.endswith(b"\r\n\r\nbody")


def test_a_body_whose_length_is_not_said_gets_one_or_ends_with_the_connection() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        if scope["path"] == "/last":
            await send({"type": "http.response.body", "body": b"one ", "more_body": True})
        await send({"type": "http.response.body", "body": b"two"})

    found = asked(app, GET + b"GET /last HTTP/1.1\r\nHost: x\r\n\r\n")
    first, _, second = found.partition(b"two")
    assert b"\r\ncontent-length: 3\r\n" in first
    assert b"\r\nconnection: close\r\n" in second
    assert second.endswith(b"\r\n\r\none two")


@pytest.mark.parametrize("value", [b"a\r\nset-cookie: b", b"a\nb", b"a\0"])
def test_nobody_adds_a_header_by_way_of_another(value: bytes) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await answer(send, b"", 200, (b"location", value))

    found = asked(app, GET)
    assert found.startswith(b"HTTP/1.1 500 ")
    assert b"set-cookie" not in found


def test_a_fault_before_the_answer_is_told_and_one_in_it_breaks_off() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/last":
            length = [(b"content-length", b"10")]
            await send({"type": "http.response.start", "status": 200, "headers": length})
            await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise RuntimeError

    with Running(app) as server:
        with open_to(server) as sock:
            assert told(sock, GET).startswith(b"HTTP/1.1 500 ")
        with open_to(server) as sock:
            assert told(sock, LAST).endswith(b"\r\n\r\nhalf")


def test_an_answer_with_less_than_it_promised_ends_the_connection() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        length = [(b"content-length", b"10")]
        await send({"type": "http.response.start", "status": 200, "headers": length})
        await send({"type": "http.response.body", "body": b"half"})

    assert asked(app, GET + GET).endswith(b"\r\n\r\nhalf")


def test_a_client_that_says_nothing_more_gets_its_answer() -> None:
    async def slow(scope: Any, receive: Any, send: Any) -> None:
        await sleep(0.05)
        await answer(send, b"late")

    with Running(slow) as server, open_to(server) as sock:
        sock.sendall(GET)
        sock.shutdown(socket.SHUT_WR)
        assert all_of(sock).endswith(b"late")


def test_a_client_that_leaves_in_the_middle_of_its_body_is_known_to_have_left() -> None:
    seen: list[str] = []
    left = threading.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        while (message := await receive())["type"] == "http.request":
            pass
        seen.append(message["type"])
        left.set()

    with Running(app) as server:
        with open_to(server) as sock:
            sock.sendall(b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc")
        assert left.wait(20)
    assert seen == ["http.disconnect"]


def test_what_a_client_does_not_take_waits_and_comes_whole() -> None:
    body = os.urandom(20 << 20)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await answer(send, body)

    def known(scope: Any) -> Any:
        length = [(b"content-length", b"%d" % len(body))]
        start = {"type": "http.response.start", "status": 200, "headers": length}
        return start, {"type": "http.response.body", "body": body}

    for at_once in (None, known):
        if at_once is not None:
            app.at_once = at_once  # type: ignore[attr-defined]
        with Running(app) as server, open_to(server) as sock:
            found = told(sock, GET + LAST)
        assert found.count(body) == 2


def test_what_is_known_at_once_is_known_anew_for_each_request_of_a_client() -> None:
    """Between two of them it may have heard of a change."""
    moments: list[int] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError("everything is known")

    start = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]}

    def known(scope: Any) -> Any:
        moments.append(here.loop.moment)
        return start, {"type": "http.response.body", "body": b"told"}

    app.at_once = known  # type: ignore[attr-defined]
    head = b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n"
    found = asked(app, GET + GET + head + GET + LAST)
    assert len(set(moments)) == 5
    assert bodies(found) == [b"told", b"told", b"", b"told", b"told"]
    assert found.count(b"\r\ndate: ") == 5
    assert found.count(b"connection: close") == 1


def test_bytes_of_a_file_go_by_the_kernel(tmp_path: Path) -> None:
    path = tmp_path / "file"
    data = os.urandom(30 << 20)
    path.write_bytes(data)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        with path.open("rb") as file:
            assert ZEROCOPY in scope["extensions"]
            length = [(b"content-length", b"%d" % (len(data) - 5 + 4))]
            await send({"type": "http.response.start", "status": 200, "headers": length})
            part = {"file": file.fileno(), "offset": 5, "count": len(data) - 5}
            await send({"type": ZEROCOPY, **part, "more_body": True})
            await send({"type": "http.response.body", "body": b"tail"})

    with Running(app) as server, open_to(server) as sock:
        found = told(sock, GET + LAST)
    assert found.count(data[5:] + b"tail") == 2


def test_a_file_that_is_too_short_breaks_off(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"short")

    async def app(scope: Any, receive: Any, send: Any) -> None:
        with path.open("rb") as file:
            length = [(b"content-length", b"10")]
            await send({"type": "http.response.start", "status": 200, "headers": length})
            await send({"type": ZEROCOPY, "file": file.fileno(), "offset": 0, "count": 10})

    assert asked(app, GET + GET).endswith(b"\r\n\r\nshort")
