"""HTTP/1.1 as it comes over a socket, byte by byte, spoken with applications made for it."""

from __future__ import annotations

import os
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.unit.serve.test_server import certificate

from lamina.serve.http import connection, listener
from lamina.serve.http.asgi import ZEROCOPY
from lamina.serve.http.waits import here, sleep
from lamina.serve.server import Running

GET = b"GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n"
LAST = b"GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


async def body_of(receive: Any) -> bytes:
    pieces = []
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise ConnectionError
        pieces.append(message["body"])
        if not message["more_body"]:
            return b"".join(pieces)


async def answer(send: Any, body: bytes, status: int = 200, *headers: tuple[bytes, bytes]) -> None:
    length = (b"content-length", b"%d" % len(body))
    start = {"type": "http.response.start", "status": status, "headers": [*headers, length]}
    await send(start)
    await send({"type": "http.response.body", "body": body})


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Answers what it was asked for, and the body."""
    body = await body_of(receive)
    await answer(send, f"{scope['method']} {scope['path']} ".encode() + body)


@contextmanager
def open_to(server: Running) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as sock:
        yield sock


def all_of(sock: socket.socket) -> bytes:
    pieces = []
    while piece := sock.recv(1 << 20):
        pieces.append(piece)
    return b"".join(pieces)


def told(sock: socket.socket, data: bytes) -> bytes:
    """All that is answered to `data`, up to the end of the connection."""
    sock.sendall(data)
    return all_of(sock)


def until(sock: socket.socket, end: bytes) -> bytes:
    found = b""
    while not found.endswith(end):
        piece = sock.recv(1 << 16)
        assert piece, found
        found += piece
    return found


def asked(app: Any, data: bytes) -> bytes:
    with Running(app) as server, open_to(server) as sock:
        return told(sock, data)


def bodies(answers: bytes) -> list[bytes]:
    return [part.partition(b"\r\n\r\n")[2] for part in answers.split(b"HTTP/1.1 200 OK")[1:]]


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


@pytest.mark.parametrize(
    ("patience", "data"),
    [
        ("HEAD_PATIENCE", b""),
        ("HEAD_PATIENCE", b"GET / HT"),
        ("IDLE_PATIENCE", GET),
    ],
)
def test_who_keeps_us_waiting_is_left(
    monkeypatch: pytest.MonkeyPatch, patience: str, data: bytes
) -> None:
    monkeypatch.setattr(connection, patience, 0.01)
    monkeypatch.setattr(listener, "_TICK", 0.02)
    with Running(echo) as server, open_to(server) as sock:
        sock.sendall(data)
        assert all_of(sock).count(b"HTTP/1.1") == (data == GET)


def test_who_takes_nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "SEND_PATIENCE", 0.01)
    monkeypatch.setattr(listener, "_TICK", 0.02)
    failed = threading.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        try:
            await answer(send, bytes(50 << 20))
        except ConnectionError:
            failed.set()
            raise

    with Running(app) as server, open_to(server) as sock:
        sock.sendall(GET)
        assert failed.wait(20)


def test_a_server_that_stops_ends_what_is_idle_and_lets_the_rest_end() -> None:
    began, go_on = threading.Event(), threading.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        began.set()
        while not go_on.is_set():
            await sleep(0.001)
        await answer(send, b"late")

    server = Running(app).__enter__()
    with open_to(server) as idle, open_to(server) as busy:
        busy.sendall(GET)
        assert began.wait(20)
        stopping = threading.Thread(target=server.__exit__, args=(None, None, None))
        stopping.start()
        assert all_of(idle) == b""
        go_on.set()
        found = all_of(busy)
        assert found.endswith(b"late")
        assert b"connection: close" in found
        busy.close()
        stopping.join()


def test_what_does_not_end_in_time_is_broken_off() -> None:
    began = threading.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        began.set()
        await sleep(1000)

    with Running(app, grace=0.01) as server:
        sock = socket.create_connection(("127.0.0.1", server.port), timeout=20)
        sock.sendall(GET)
        assert began.wait(20)
    with sock:
        assert all_of(sock) == b""


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_no_descriptor_stays_behind(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(5 << 20))

    async def app(scope: Any, receive: Any, send: Any) -> None:
        with path.open("rb") as file:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": ZEROCOPY, "file": file.fileno(), "offset": 0, "count": 5 << 20})

    def ask(leaves: bool) -> None:
        with open_to(server) as sock:
            sock.sendall(LAST)
            if not leaves:
                all_of(sock)

    with Running(app) as server:
        before = descriptors()
        for number in range(30):
            ask(leaves=bool(number % 2))
    # Its own three have gone too: the socket, and what wakes its loop.
    assert descriptors() <= before - 3


def test_more_clients_than_there_is_room_for_wait_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = (20, 1000)
    monkeypatch.setattr("resource.getrlimit", lambda which: limits)
    with Running(echo) as server:
        socks = [
            socket.create_connection(("127.0.0.1", server.port), timeout=20) for _ in range(15)
        ]
        for sock in socks[:10]:
            sock.sendall(GET)
            until(sock, b"GET /v2/ ")
        for sock in socks[:10]:
            sock.close()
        for sock in socks[10:]:
            sock.sendall(GET)
            until(sock, b"GET /v2/ ")
            sock.close()


def over_tls(server: Running, path: Path) -> ssl.SSLSocket:
    context = ssl.create_default_context(cafile=path)
    sock = socket.create_connection(("127.0.0.1", server.port), timeout=20)
    return context.wrap_socket(sock, server_hostname="127.0.0.1")


def test_all_of_it_goes_through_tls_too(tmp_path: Path) -> None:
    tls = certificate(tmp_path)
    data = os.urandom(5 << 20)
    head = b"PUT /x HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(data)
    with Running(echo, tls=tls) as server:
        with over_tls(server, tls.certificate) as sock:
            sending = threading.Thread(target=sock.sendall, args=(head + data + LAST,))
            sending.start()
            found = all_of(sock)
            sending.join()
        assert bodies(found) == [b"PUT /x " + data, b"GET /last "]
        with over_tls(server, tls.certificate) as sock:
            assert sock.version() == "TLSv1.3"
            assert bodies(told(sock, GET + GET + LAST))[-1] == b"GET /last "


def test_what_is_no_tls_ends_at_once_and_who_says_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls = certificate(tmp_path)
    monkeypatch.setattr(listener, "_TICK", 0.02)
    with Running(echo, tls=tls) as server:
        with open_to(server) as sock:
            found = told(sock, GET)
            assert not found.startswith(b"HTTP")
        monkeypatch.setattr(connection, "HEAD_PATIENCE", 0.01)
        with open_to(server) as sock:
            assert all_of(sock) == b""


def test_many_clients_at_once_all_get_theirs() -> None:
    with Running(echo) as server:
        found: list[bytes] = []

        def ask(number: int) -> None:
            for _ in range(20):
                with open_to(server) as sock:
                    line = b"GET /%d HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % number
                    found.append(told(sock, line))

        run_all([lambda number=number: ask(number) for number in range(20)])  # type: ignore[misc]
    assert len(found) == 400
    assert all(answer.startswith(b"HTTP/1.1 200 OK") for answer in found)


def run_all(works: list[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=work) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
