"""Faults on request: what networks and registries do to their clients on bad days.

They stand in front of the registry as ASGI middleware; the registry behind them stays whole.
"""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable

from lamina.oci.distribution.fault import Code, Fault, encode
from lamina.serve.http.asgi import Message, Receive, Scope, Send
from lamina.serve.http.waits import sleep
from lamina.values import dataclass

App = Callable[[Scope, Receive, Send], Awaitable[None]]
Act = Callable[[Scope, Receive, Send, App], Awaitable[None]]

_CODES = {401: Code.UNAUTHORIZED, 403: Code.DENIED, 404: Code.NAME_UNKNOWN}
_CODES |= {429: Code.TOOMANYREQUESTS, 503: Code.UNAVAILABLE}


@dataclass(frozen=True, slots=True)
class Seen:
    """One request that came in."""

    method: str
    path: str
    query: str
    headers: dict[str, str]  # names in lower case


class Cut(Exception):
    """The connection ends here; raised to the server, never to a test."""


@dataclass(slots=True)
class _Fault:
    method: str | None
    path: str
    left: int  # times
    act: Act
    needs: str | None  # a header

    def fits(self, seen: Seen) -> bool:
        return (
            self.left > 0
            and self.method in (None, seen.method)
            and self.path in seen.path
            and (self.needs is None or self.needs in seen.headers)
        )


class Faults:
    """What shall go wrong next; each fault happens `times` times, to requests that fit.

    A request fits by its `method`, and by a `path` that its own contains. Of several faults that
    fit the oldest happens. `seen` has every request, those that go right too.
    """

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self._faults: list[_Fault] = []
        self._lock = threading.Lock()

    def answer(
        self,
        status: int,
        *,
        method: str | None = None,
        path: str = "",
        times: int = 1,
        retry_after: int | None = None,
    ) -> None:
        """Refuse with `status` instead of doing anything."""
        headers = [(b"retry-after", b"%d" % retry_after)] if retry_after is not None else []

        async def act(scope: Scope, receive: Receive, send: Send, app: App) -> None:
            await _refuse(send, status, headers)

        self._add(method, path, times, act)

    def expire_token(self, *, path: str = "", times: int = 1) -> None:
        """Refuse a token as one that has just expired (RFC 6750, section 3.1).

        The challenge is the one that the registry itself gives to who has no token.
        """

        async def act(scope: Scope, receive: Receive, send: Send, app: App) -> None:
            headers = [pair for pair in scope["headers"] if pair[0].lower() != b"authorization"]

            async def marked(message: Message) -> None:
                if message["type"] == "http.response.start":
                    message["headers"] = [
                        (name, value + b', error="invalid_token"')
                        if name.lower() == b"www-authenticate"
                        else (name, value)
                        for name, value in message["headers"]
                    ]
                await send(message)

            await app({**scope, "headers": headers}, receive, marked)

        self._add(None, path, times, act, needs="authorization")

    def drop_answer(
        self, at: int, *, method: str | None = "GET", path: str = "", times: int = 1
    ) -> None:
        """Cut the connection after `at` bytes of the answer's body."""

        async def act(scope: Scope, receive: Receive, send: Send, app: App) -> None:
            left = at

            async def cut(message: Message) -> None:
                nonlocal left
                body = message.get("body", b"")
                if len(body) > left:
                    await send({**message, "body": body[:left], "more_body": True})
                    raise Cut
                left -= len(body)
                await send(message)

            # What goes by the kernel would not come by here.
            await app({**scope, "extensions": {}}, receive, cut)

        self._add(method, path, times, act)

    def drop_request(
        self, at: int, *, method: str | None = None, path: str = "/blobs/uploads/", times: int = 1
    ) -> None:
        """Cut the connection after `at` bytes of the request's body; the registry has got them."""

        async def act(scope: Scope, receive: Receive, send: Send, app: App) -> None:
            left = at

            async def cut() -> Message:
                nonlocal left
                if left <= 0:
                    return {"type": "http.disconnect"}
                message = await receive()
                body = message.get("body", b"")[:left]
                left -= len(body)
                return {**message, "body": body, "more_body": True}

            async def unheard(message: Message) -> None:
                if left > 0:
                    await send(message)

            await app(scope, cut, unheard)
            if left <= 0:
                await _hang_up(send)

        self._add(method, path, times, act)

    def delay(
        self, seconds: float, *, method: str | None = "PUT", path: str = "", times: int = 1
    ) -> None:
        """Do what was asked, a commit say, and answer late."""

        async def act(scope: Scope, receive: Receive, send: Send, app: App) -> None:
            async def late(message: Message) -> None:
                if message["type"] == "http.response.start":
                    await sleep(seconds)
                await send(message)

            await app(scope, receive, late)

        self._add(method, path, times, act)

    def clear(self) -> None:
        """Let everything go right again, and forget what was seen."""
        with self._lock:
            self._faults.clear()
            self.seen.clear()

    def over(self, app: App) -> App:
        """`app` with these faults in front of it."""

        async def faulty(scope: Scope, receive: Receive, send: Send) -> None:
            fault = self._next(scope) if scope["type"] == "http" else None
            if fault is None:
                await app(scope, receive, send)
            else:
                await fault.act(scope, receive, send, app)

        return faulty

    def _add(
        self,
        method: str | None,
        path: str,
        times: int,
        act: Act,
        needs: str | None = None,
    ) -> None:
        with self._lock:
            self._faults.append(_Fault(method, path, times, act, needs))

    def _next(self, scope: Scope) -> _Fault | None:
        headers = {name.decode().lower(): value.decode() for name, value in scope["headers"]}
        seen = Seen(scope["method"], scope["path"], scope["query_string"].decode(), headers)
        with self._lock:
            self.seen.append(seen)
            for fault in self._faults:
                if fault.fits(seen):
                    fault.left -= 1
                    return fault
        return None


async def _refuse(send: Send, status: int, headers: list[tuple[bytes, bytes]]) -> None:
    body = encode([Fault(_CODES.get(status, Code.UNKNOWN), "a fault was asked for")])
    headers = [*headers, (b"content-type", b"application/json")]
    headers.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _hang_up(send: Send) -> None:
    """End the connection in the middle of an answer: to the client it is broken."""
    headers = [(b"content-length", b"1")]
    await send({"type": "http.response.start", "status": 500, "headers": headers})
    await send({"type": "http.response.body", "body": b"", "more_body": True})
    raise Cut
