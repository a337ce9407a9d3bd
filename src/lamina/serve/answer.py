"""What is answered: a status, headers, and a body from memory or from a file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from lamina.serve.request import Gone, Message, Receive, Send
from lamina.serve.waits import in_thread, running
from lamina.values import dataclass, field

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor
    from typing import BinaryIO

    from lamina.registry.metadata import Entry, Link

_CHUNK = 1 << 20  # bytes of a range sent at once
_COMMON = (b"docker-distribution-api-version", b"registry/2.0")


@dataclass(slots=True)
class Answer:
    """One answer. A body is `body`, or the file at `path`, or `length` bytes of `part`."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    path: Path | None = None
    part: BinaryIO | None = None
    length: int = 0  # bytes of the body that GET gets
    sent: int = 0  # bytes of the body that were
    lasts: bool = False  # the same for all who ask without proof, until the registry changes
    pulled: tuple[Entry | Link, str | None] | None = None  # what, and by which tag
    done: Callable[[], None] | None = None  # called when it was given, or could not be

    def messages(self, *, is_head: bool) -> tuple[Message, Message]:
        """What gives it to the client, if the body is in memory (ASGI 3.0)."""
        start = {"type": "http.response.start", "status": self.status, "headers": self._raw()}
        return start, {"type": "http.response.body", "body": b"" if is_head else self.body}

    async def send(
        self, send: Send, receive: Receive, threads: ThreadPoolExecutor, *, is_head: bool
    ) -> None:
        """Give it to the client; Gone if that leaves in the middle. Closes `part`.

        A `part` is read by `threads`.
        """
        try:
            start, body = self.messages(is_head=is_head)
            await send(start)
            if is_head or not self.length:
                await send(body)
                return
            if self.path is not None:
                await send({"type": "http.response.pathsend", "path": str(self.path)})
            elif self.part is not None:
                await self._send_part(send, receive, threads, self.part)
            else:
                await send(body)
            self.sent = self.length
        finally:
            if self.part is not None:
                self.part.close()
            if self.done is not None:
                self.done()

    def _raw(self) -> list[tuple[bytes, bytes]]:
        found = [_COMMON]
        found += [(k.encode("latin-1"), v.encode("latin-1")) for k, v in self.headers.items()]
        if self.status not in (204, 304):
            found.append((b"content-length", b"%d" % self.length))
        return found

    async def _send_part(
        self, send: Send, receive: Receive, threads: ThreadPoolExecutor, part: BinaryIO
    ) -> None:
        # To send to a client that has left is no error, and would go on to the end.
        gone = running().create_task(_disconnected(receive))
        try:
            while self.sent < self.length:
                data = await in_thread(threads, part.read, min(self.length - self.sent, _CHUNK))
                if gone.done():
                    raise Gone
                if not data:
                    raise OSError("the file is shorter than it was")
                self.sent += len(data)
                more = self.sent < self.length
                await send({"type": "http.response.body", "body": data, "more_body": more})
        finally:
            gone.cancel()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] == "http.request":
        pass


def of_bytes(
    status: int, body: bytes, media_type: str, headers: dict[str, str] | None = None
) -> Answer:
    """An answer with a body in memory."""
    found = {"content-type": media_type, **(headers or {})}
    return Answer(status, found, body, length=len(body))


def of_json(status: int, document: object, headers: dict[str, str] | None = None) -> Answer:
    """An answer with a JSON document."""
    return of_bytes(status, json.dumps(document).encode(), "application/json", headers)
