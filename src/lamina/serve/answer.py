"""What is answered: a status, headers, and a body from memory or from a file."""

from __future__ import annotations

import json

from lamina.fs import syscalls
from lamina.serve.http.asgi import ZEROCOPY, Message, Scope, Send
from lamina.serve.http.waits import in_thread
from lamina.serve.request import Gone
from lamina.values import dataclass, field

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from typing import BinaryIO

    from lamina.registry.metadata import Entry, Link
    from lamina.serve.http.threads import Threads

_CHUNK = 1 << 20  # bytes of a part that are read at once
_TURN = 16 << 20  # bytes of a file, before another has its turn
_LARGE = 8 << 20  # bytes that leave something behind in the heap
_COMMON = (b"docker-distribution-api-version", b"registry/2.0")


@dataclass(slots=True)
class Answer:
    """One answer. A body is `body`, or `length` bytes of `part`."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    part: BinaryIO | None = None
    length: int = 0  # bytes of the body that GET gets
    sent: int = 0  # bytes of the body that were
    lasts: bool = False  # the same for all who ask without proof, until the registry changes
    pulled: tuple[Entry | Link, str | None] | None = None  # what, and by which tag

    def messages(self, *, is_head: bool) -> tuple[Message, Message]:
        """What gives it to the client, if the body is in memory (ASGI 3.0)."""
        start = {"type": "http.response.start", "status": self.status, "headers": self._raw()}
        return start, {"type": "http.response.body", "body": b"" if is_head else self.body}

    async def send(self, scope: Scope, send: Send, threads: Threads, *, is_head: bool) -> None:
        """Give it to the client; Gone if that leaves in the middle. Closes `part`.

        A `part` goes from the file to the client if the server can do that, and else is read by
        `threads`.
        """
        try:
            start, body = self.messages(is_head=is_head)
            await send(start)
            if is_head or not self.length:
                await send(body)
                return
            if self.part is None:
                await send(body)
                self.sent = self.length
            elif (
                ZEROCOPY in (scope.get("extensions") or ())
                and (file := _descriptor(self.part)) is not None
            ):
                await self._send_file(send, file, self.part.tell())
            else:
                await self._send_part(send, threads, self.part)
        except ConnectionError as error:
            raise Gone from error
        finally:
            if self.part is not None:
                self.part.close()

    def _raw(self) -> list[tuple[bytes, bytes]]:
        found = [_COMMON]
        found += [(k.encode("latin-1"), v.encode("latin-1")) for k, v in self.headers.items()]
        if self.status not in (204, 304):
            found.append((b"content-length", b"%d" % self.length))
        return found

    async def _send_file(self, send: Send, file: int, start: int) -> None:
        while self.sent < self.length:
            count = min(self.length - self.sent, _TURN)
            piece = {"file": file, "offset": start + self.sent, "count": count}
            more = self.sent + count < self.length
            await send({"type": ZEROCOPY, **piece, "more_body": more})
            self.sent += count

    async def _send_part(self, send: Send, threads: Threads, part: BinaryIO) -> None:
        try:
            while self.sent < self.length:
                data = await in_thread(threads, part.read, min(self.length - self.sent, _CHUNK))
                if not data:
                    raise EOFError("the file is shorter than it was")
                more = self.sent + len(data) < self.length
                await send({"type": "http.response.body", "body": data, "more_body": more})
                self.sent += len(data)
        finally:
            if self.sent >= _LARGE:
                data = b""
                await in_thread(threads, syscalls.give_back_heap)


def _descriptor(part: BinaryIO) -> int | None:
    """The number of an open file; None if it is no file of this machine."""
    try:
        return part.fileno()
    except (AttributeError, OSError):
        return None


def of_bytes(
    status: int, body: bytes, media_type: str, headers: dict[str, str] | None = None
) -> Answer:
    """An answer with a body in memory."""
    found = {"content-type": media_type, **(headers or {})}
    return Answer(status, found, body, length=len(body))


def of_json(status: int, document: object, headers: dict[str, str] | None = None) -> Answer:
    """An answer with a JSON document."""
    return of_bytes(status, json.dumps(document).encode(), "application/json", headers)
