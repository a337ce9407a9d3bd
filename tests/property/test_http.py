"""Requests are the same however their bytes arrive, and no bytes are more than refused."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from lamina.serve.http.exchange import Exchange
from lamina.serve.http.incoming import Incoming

Asked = tuple[str, bytes, list[tuple[bytes, bytes]], bytes]  # method, target, headers, body

tokens = st.text("abcdefXYZ-09_", min_size=1, max_size=8).map(str.encode)
values = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=20).map(str.encode)
reserved = {b"host", b"content-length", b"transfer-encoding", b"expect", b"upgrade", b"connection"}
headers = st.lists(st.tuples(tokens.filter(lambda name: name.lower() not in reserved), values))
requests = st.tuples(
    st.sampled_from(["GET", "HEAD", "PUT", "PATCH", "POST", "DELETE"]),
    st.text("/abc%20?=&.:@-", max_size=30).map(lambda text: b"/" + text.encode()),
    headers,
    st.binary(max_size=100),
)


class _Wire:
    scheme = "http"
    sends_files = True


def incoming() -> Incoming:
    return Incoming(None, _Wire(), ("127.0.0.1", 1), ("127.0.0.1", 2))  # type: ignore[arg-type]


def spelled(request: Asked, chunks: list[int] | None) -> bytes:
    method, target, fields, body = request
    lines = [method.encode() + b" " + target + b" HTTP/1.1", b"Host: x"]
    lines += [name + b": " + value for name, value in fields]
    if chunks is None:
        lines.append(b"Content-Length: %d" % len(body))
    else:
        lines.append(b"Transfer-Encoding: chunked")
        coded, at = b"", 0
        for size in chunks:
            piece, at = body[at : at + size], at + size
            coded += b"%x\r\n%b\r\n" % (len(piece), piece) if piece else b""
        rest = body[at:]
        coded += (b"%x\r\n%b\r\n" % (len(rest), rest) if rest else b"") + b"0\r\n\r\n"
        body = coded
    return b"\r\n".join([*lines, b"", body])


def fed(data: bytes, cuts: list[int]) -> Incoming:
    found = incoming()
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    for start, end in pairwise(places):
        found.feed(data[start:end])
    return found


def body_of(exchange: Exchange) -> bytes:
    found = b""
    while True:
        message = now(exchange.receive())
        found += message["body"]
        if not message["more_body"]:
            return found


def now(awaited: Any) -> Any:
    """What it returns without having to wait."""
    try:
        awaited.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("it waits")


@given(
    st.lists(st.tuples(requests, st.none() | st.lists(st.integers(1, 40), max_size=4)), max_size=4),
    st.lists(st.integers(0, 2000), max_size=30),
)
def test_requests_are_the_same_however_their_bytes_arrive(
    asked: list[tuple[Asked, list[int] | None]], cuts: list[int]
) -> None:
    found = fed(b"".join(spelled(request, chunks) for request, chunks in asked), cuts)
    assert found.refusal is None
    assert len(found.waiting) == len(asked)
    for exchange, ((method, target, fields, body), _) in zip(found.waiting, asked, strict=True):
        scope = exchange.scope
        raw, _, query = target.partition(b"?")
        assert (scope["method"], scope["raw_path"], scope["query_string"]) == (method, raw, query)
        told = [pair for pair in scope["headers"] if pair[0] not in reserved]
        assert told == [(name.lower(), value) for name, value in fields]
        assert exchange.is_whole
        assert exchange.keeps
        assert body_of(exchange) == body
    found.waiting.clear()
    assert found.is_empty


@given(
    st.lists(st.tuples(requests, st.none() | st.lists(st.integers(1, 40), max_size=4)), max_size=3),
    st.lists(st.tuples(st.integers(0, 500), st.binary(max_size=5)), max_size=4),
    st.lists(st.integers(0, 2000), max_size=10),
)
def test_no_bytes_are_more_than_refused(
    asked: list[tuple[Asked, list[int] | None]], changes: list[tuple[int, bytes]], cuts: list[int]
) -> None:
    data = bytearray(b"".join(spelled(request, chunks) for request, chunks in asked))
    for at, piece in changes:
        at %= len(data) + 1
        data[at : at + len(piece)] = piece
    whole, cut = fed(bytes(data), []), fed(bytes(data), cuts)
    assert (whole.refusal is None) == (cut.refusal is None)
    assert [one.scope for one in whole.waiting] == [one.scope for one in cut.waiting]
    assert [one.is_whole for one in whole.waiting] == [one.is_whole for one in cut.waiting]
