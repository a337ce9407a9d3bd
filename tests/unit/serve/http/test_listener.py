"""Who is late, who is left, how it ends; and TLS."""

from __future__ import annotations

import os
import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.sockets import (
    GET,
    LAST,
    all_of,
    answer,
    bodies,
    echo,
    open_to,
    told,
    until,
)
from tests.unit.serve.test_server import certificate

from lamina.serve.http import connection, listener
from lamina.serve.http.asgi import ZEROCOPY
from lamina.serve.http.waits import sleep
from lamina.serve.server import Running


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
            # Not from two threads: OpenSSL allows one at a time, and Python 3.11 sees to nothing.
            found = told(sock, head + data + LAST)
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
