"""HTTP/1.1 spoken byte by byte, and applications that are asked so."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

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
