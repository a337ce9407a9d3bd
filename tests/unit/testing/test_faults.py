from __future__ import annotations

import asyncio
from typing import Any

import pytest

from lamina.testing.faults import Cut, Faults, Message, Receive, Scope, Send


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """An app that answers with what it got, or with who asks."""
    body = b""
    while (message := await receive())["type"] == "http.request":
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    names = [name for name, _ in scope["headers"]]
    status = 200 if b"authorization" in names or scope["path"] != "/closed" else 401
    headers = [(b"www-authenticate", b'Bearer realm="r"')] if status == 401 else []
    kept.append(body)
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


kept: list[bytes] = []


def ask(
    faults: Faults,
    method: str = "GET",
    path: str = "/v2/",
    body: bytes = b"",
    headers: tuple[tuple[bytes, bytes], ...] = (),
    app: Any = echo,
) -> list[Message]:
    sent: list[Message] = []
    kept.clear()
    scope = {"type": "http", "method": method, "path": path, "query_string": b"a=b"}

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    try:
        asyncio.run(faults.over(app)({**scope, "headers": list(headers)}, receive, send))
    except Cut:
        sent.append({"type": "cut"})
    return sent


def test_without_a_fault_all_goes_right() -> None:
    sent = ask(Faults(), body=b"hello")
    assert [message.get("status", message.get("body")) for message in sent] == [200, b"hello"]


def test_an_answer_is_given_instead_as_often_as_asked() -> None:
    faults = Faults()
    faults.answer(429, path="/v2/", times=2, retry_after=3)
    sent = [ask(faults)[0] for _ in range(3)]
    assert [message["status"] for message in sent] == [429, 429, 200]
    assert (b"retry-after", b"3") in sent[0]["headers"]


def test_a_fault_waits_for_the_request_that_it_is_for() -> None:
    faults = Faults()
    faults.answer(500, method="PUT", path="/manifests/")
    assert ask(faults, "GET", "/v2/a/manifests/b")[0]["status"] == 200
    assert ask(faults, "PUT", "/v2/a/tags/list")[0]["status"] == 200
    assert ask(faults, "PUT", "/v2/a/manifests/b")[0]["status"] == 500


def test_an_answer_is_cut_at_the_byte() -> None:
    faults = Faults()
    faults.drop_answer(3)
    sent = ask(faults, body=b"hello")
    assert sent[1:] == [
        {"type": "http.response.body", "body": b"hel", "more_body": True},
        {"type": "cut"},
    ]
    assert ask(faults, body=b"hello")[1]["body"] == b"hello"


@pytest.mark.parametrize("size", [0, 3, 200_000])
def test_a_file_is_cut_at_the_byte_too(size: int) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert not scope["extensions"]  # else the kernel would send it, whole
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"x" * size})

    faults = Faults()
    faults.drop_answer(100_000)
    sent = ask(faults, app=app)[1:]
    assert (sent[-1] == {"type": "cut"}) is (size > 100_000)
    assert sum(len(one.get("body", b"")) for one in sent) == min(size, 100_000)


def test_a_request_is_cut_at_the_byte() -> None:
    faults = Faults()
    faults.drop_request(2)
    sent = ask(faults, "PATCH", "/v2/a/blobs/uploads/1", b"hello")
    assert kept == [b"he"]
    assert sent[-1] == {"type": "cut"}


def test_a_token_expires_once() -> None:
    faults = Faults()
    faults.expire_token()
    headers = ((b"authorization", b"Bearer x"),)
    start = ask(faults, path="/closed", headers=headers)[0]
    assert start["status"] == 401
    assert start["headers"] == [(b"www-authenticate", b'Bearer realm="r", error="invalid_token"')]
    assert ask(faults, path="/closed", headers=headers)[0]["status"] == 200


def test_a_late_answer_comes_after_the_work_is_done() -> None:
    faults = Faults()
    faults.delay(0.001)
    assert ask(faults, "PUT", body=b"x")[0]["status"] == 200
    assert kept == [b"x"]


def test_what_came_in_is_seen_until_it_is_cleared() -> None:
    faults = Faults()
    faults.answer(500)
    ask(faults, "GET", "/v2/a", headers=((b"Range", b"bytes=0-"),))
    (seen,) = faults.seen
    assert (seen.method, seen.path, seen.query) == ("GET", "/v2/a", "a=b")
    assert seen.headers == {"range": "bytes=0-"}
    faults.clear()
    assert faults.seen == []
