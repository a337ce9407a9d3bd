"""One HTTP request, as handlers read it (ASGI 3.0, "HTTP Connection Scope")."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from functools import cache, cached_property
from itertools import count
from urllib.parse import parse_qs, unquote

from lamina.errors import Invalid, Unavailable
from lamina.registry.failures import TooLarge, WrongSize
from lamina.serve.http.asgi import Receive, Scope
from lamina.serve.http.waits import timeout
from lamina.values import dataclass

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from lamina.oci.distribution.endpoint import Endpoint
    from lamina.serve.tokens import Claims

_numbers = count(1)
_FIELDS = 200  # of a query
HEADERS_LIMIT = 64 << 10  # bytes of all headers
_DRAINED = 1 << 20  # bytes of a body that nobody wants, but that are read all the same


class BadRequest(Invalid):
    """The request is malformed in a way that no endpoint could mend."""


class LongHeaders(BadRequest):
    """The headers are longer than anybody needs."""


class Slow(Unavailable):
    """The client keeps its own request waiting for too long."""


class Gone(Exception):
    """The client went away in the middle of its request; nobody is left to be answered."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is asking: a user, or nobody in particular; `claims` if a token says so."""

    user: str | None
    claims: Claims | None = None


NOBODY = Caller(None)


class Request:
    """What came: method, path, query, headers, and the body as it arrives."""

    def __init__(self, scope: Scope, receive: Receive, *, patience: float = 60.0) -> None:
        self.scope = scope
        self.method: str = scope["method"]
        self.client: str = (scope.get("client") or ("",))[0]
        self.scheme: str = scope.get("scheme", "http")
        self.caller: Caller = NOBODY
        self.endpoint: Endpoint | None = None
        self._receive = receive
        self._patience = patience  # seconds between two pieces of a body
        self.received = 0  # bytes of the body so far
        self.is_drained = False

    @cached_property
    def id(self) -> str:
        """Of this request only, in this process and in others."""
        return f"{_process(os.getpid())}{next(_numbers):08x}"

    def check_headers(self) -> None:
        """LongHeaders past a limit: the server itself has one, but not an exact one."""
        size = sum(len(name) + len(value) for name, value in self.scope["headers"])
        if size > HEADERS_LIMIT:
            raise LongHeaders(
                f"the headers are {size} bytes long: at most {HEADERS_LIMIT} are taken"
            )

    @cached_property
    def path(self) -> str:
        """The path, decoded once; BadRequest if an encoded slash would blur where it ends."""
        raw: bytes = self.scope.get("raw_path") or self.scope["path"].encode()
        if b"%" not in raw:
            return raw.decode("ascii", "replace")
        if b"%2f" in raw or b"%2F" in raw or b"%00" in raw:
            raise BadRequest("the path holds an encoded slash or NUL")
        return unquote(raw.decode("ascii", "replace"), errors="replace")

    def header(self, name: str) -> str | None:
        """The header `name`, in lower case; what came several times joined (RFC 9110, 5.3)."""
        wanted = name.encode()
        values = [value for key, value in self.scope["headers"] if key == wanted]
        return b", ".join(values).decode("latin-1") if values else None

    @cached_property
    def query(self) -> dict[str, list[str]]:
        raw: bytes = self.scope["query_string"]
        if not raw:
            return {}
        try:
            return parse_qs(
                raw.decode("ascii"),
                keep_blank_values=True,
                max_num_fields=_FIELDS,
                errors="strict",
            )
        except ValueError:
            raise BadRequest("the query is malformed, or has too many fields") from None

    def parameter(self, name: str) -> str | None:
        """The first value of a parameter; None if there is none."""
        found = self.query.get(name)
        return found[0] if found else None

    @cached_property
    def length(self) -> int | None:
        """How many bytes the client says that the body has; None if it does not say."""
        text = self.header("content-length")
        if text is None:
            return None
        if not (text.isascii() and text.isdigit() and len(text) < 19):
            raise BadRequest(f'"Content-Length" is "{text[:40]}": expected a number')
        return int(text)

    @property
    def has_body(self) -> bool:
        return bool(self.length) or self.header("transfer-encoding") is not None

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body as it arrives; Gone if the client leaves, Slow if it makes us wait."""
        while True:
            try:
                async with timeout(self._patience):
                    message = await self._receive()
            except TimeoutError:
                raise Slow("the rest of the body did not come in time") from None
            if message["type"] != "http.request":
                raise Gone
            piece: bytes = message.get("body", b"")
            self.received += len(piece)
            if self.length is not None and self.received > self.length:
                raise WrongSize(f"more than the {self.length} bytes announced")
            if piece:
                yield piece
            if not message.get("more_body", False):
                self.is_drained = True
                return

    async def drain(self) -> None:
        """Read what is left of a small body, so that its sender hears what is said of it.

        A connection that is closed with bytes unread takes the answer along (RFC 9112, 9.6).
        """
        if self.length is None or self.length > _DRAINED or self.header("expect") is not None:
            return
        async for _ in self.pieces():
            pass

    async def body(self, what: str, limit: int) -> bytes:
        """All of the body; TooLarge past `limit` bytes, before they are read where possible."""
        if self.length is not None and self.length > limit:
            raise TooLarge(what, limit)
        pieces: list[bytes] = []
        async for piece in self.pieces():
            pieces.append(piece)
            if self.received > limit:
                raise TooLarge(what, limit)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    @property
    def host(self) -> str:
        return self.header("host") or ""

    def believe_proxy(self) -> None:
        """Take client and scheme from the headers that a proxy before us has set."""
        clients = self.header("x-forwarded-for")
        if clients:
            self.client = clients.rpartition(",")[2].strip()[:64]
        scheme = (self.header("x-forwarded-proto") or "").rpartition(",")[2].strip().lower()
        if scheme in ("http", "https"):
            self.scheme = scheme


@cache
def _process(pid: int) -> str:
    """What ids of this process begin with; another one in those that are forked from it."""
    return os.urandom(4).hex()
