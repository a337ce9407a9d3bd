"""HTTP to registries: one request, tried again where that is safe, its answer bounded.

Redirects are followed by hand: what proves who one is goes to the place that it was made for and
nowhere else. Nothing of a query or a header gets into an error, for both carry secrets.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from lamina.errors import Corrupt, Denied, Error, Invalid, Unavailable, Unsupported
from lamina.remote.hosts import Tls
from lamina.remote.retry import Patience, wait_asked
from lamina.remote.url import SCHEMES, join, origin, shown, split
from lamina.values import dataclass, field

if TYPE_CHECKING:
    import ssl

    from urllib3 import BaseHTTPResponse, PoolManager

_REDIRECTS = 10  # at most, for one request
_REPEATABLE = frozenset({"GET", "HEAD", "PUT", "DELETE"})
_BUSY = frozenset({429, 503})
_MOVED = frozenset({301, 302, 303, 307, 308})
_SECRET = frozenset({"authorization", "cookie"})

Body = bytes | Callable[[], Iterator[bytes | memoryview]] | None


class Broken(Unavailable):
    """The connection could not be made, or broke before the answer was whole."""


class NotSpoken(Broken):
    """The peer does not speak TLS, or nobody listens there."""


class BadCertificate(Broken):
    """The peer's certificate is not one to trust."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How requests are made; what the environment says about it is the caller's to read."""

    user_agent: str = "lamina"
    connect_seconds: float = 15.0
    read_seconds: float = 60.0  # without a single byte
    patience: Patience = Patience()
    proxy: Callable[[str], str | None] = lambda url: None  # URL -> the proxy's, perhaps with a user
    connections: int = 16  # kept open to one host
    sleep: Callable[[float], None] = time.sleep
    random: Callable[[], float] = random.random


class Answer:
    """A registry's answer, its body still on the wire; closed by who got it."""

    def __init__(self, response: BaseHTTPResponse, url: str, method: str) -> None:
        self._response = response
        self.url = url
        self.method = method
        self.status: int = response.status
        self.headers: Mapping[str, str] = response.headers

    def header(self, name: str) -> str:
        return self.headers.get(name, "")

    @property
    def length(self) -> int | None:
        """Content-Length, where the answer says one."""
        text = self.header("Content-Length").strip()
        return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None

    def read(self, size: int) -> bytes:
        """Up to `size` bytes of the body, b"" at its end; Broken if it ends too early."""
        from urllib3.exceptions import HTTPError

        try:
            return self._response.read(size, decode_content=False)
        except (HTTPError, OSError) as error:
            self.abandon()
            raise Broken(f'the answer of "{shown(self.url)}" broke off: {_reason(error)}') from None

    def whole(self, limit: int) -> bytes:
        """The whole body; Corrupt if it has more than `limit` bytes."""
        length = self.length
        data = bytearray()
        try:
            if length is None or length <= limit or self.method == "HEAD":
                while len(data) <= limit and (piece := self.read(min(1 << 20, limit + 1))):
                    data += piece
            if len(data) > limit or (length is not None and length > limit):
                self.abandon()
                raise Corrupt(
                    f'"{shown(self.url)}" answers with more than {limit} bytes',
                    hint="no honest registry does: is this one?",
                )
        finally:
            self.close()
        return bytes(data)

    def close(self) -> None:
        """Let the connection serve others; what is left of a short body is read for that."""
        length = self._response.length_remaining
        if length is None or length > 1 << 16:
            self.abandon()
            return
        try:
            self._response.drain_conn()
        except Exception:  # noqa: BLE001  # nothing of it is needed
            self.abandon()
            return
        self._response.release_conn()

    def abandon(self) -> None:
        """Close the connection, however much is still to come."""
        self._response.close()


@dataclass(slots=True)
class Request:
    """What to ask; a body that is a callable is made anew for each try."""

    method: str
    url: str
    headers: dict[str, str] = field(default_factory=dict)
    body: Body = None
    tls: Tls = Tls()
    follow: bool = True
    probing: bool = False  # nobody has answered there yet: no use in asking again and again
    repeat: bool | None = None  # whether to ask again after a failure; None: as the method allows


class Transport:
    """Connections to any number of hosts; safe for many threads. `close` ends them."""

    def __init__(self, options: Options | None = None) -> None:
        self.options = options or Options()
        self._lock = threading.Lock()
        self._pools: dict[tuple[Tls, str | None], PoolManager] = {}

    def close(self) -> None:
        with self._lock:
            for pool in self._pools.values():
                pool.clear()
            self._pools.clear()

    def send(self, request: Request) -> Answer:
        """Ask, and follow where the answer leads; any status but redirects is the caller's.

        Broken where the connection fails, after as many tries as patience has for what can be
        asked twice; Unavailable where the peer wants to be left alone for longer than that.
        """
        answer = self._patiently(request)
        left = _REDIRECTS
        while answer.status in _MOVED and request.follow:
            target = answer.header("Location")
            if not target:
                return answer
            if left == 0:
                answer.close()
                raise Invalid(
                    f'"{shown(request.url)}" redirects more than {_REDIRECTS} times',
                    hint="the registry leads in circles",
                )
            left -= 1
            following = _redirected(request, answer, target)
            answer.close()
            if following is None:
                return answer
            request = following
            answer = self._patiently(request)
        return answer

    def _patiently(self, request: Request) -> Answer:
        patience, tried = self.options.patience, 0
        repeat = request.method in _REPEATABLE if request.repeat is None else request.repeat
        while True:
            tried += 1
            try:
                answer = self._once(request)
            except Broken as error:
                unheard = isinstance(error, NotSpoken)
                may = not request.probing if unheard else repeat
                if tried >= patience.tries or not may or isinstance(error, BadCertificate):
                    raise
                self._wait(patience.pause(tried, self.options.random()))
                continue
            asked = wait_asked(answer.header("Retry-After"), time.time)
            # Who is told to come back later has not been served: that is safe for any method.
            may = answer.status == 429 or repeat
            if answer.status not in _BUSY or not may or tried >= patience.tries:
                return answer
            if asked is not None and asked > patience.longest:
                return answer
            answer.close()
            self._wait(max(asked or 0.0, patience.pause(tried, self.options.random())))

    def _wait(self, seconds: float) -> None:
        self.options.sleep(seconds)

    def _once(self, request: Request) -> Answer:
        import urllib3
        from urllib3.exceptions import HTTPError

        parts = split(request.url)
        if parts.scheme not in SCHEMES or not parts.hostname:
            raise Invalid(f'"{shown(request.url)}" is not a URL of HTTP')
        headers = {
            "User-Agent": self.options.user_agent,
            "Accept-Encoding": "identity",
            **request.headers,
        }
        body = request.body() if callable(request.body) else request.body
        try:
            response = self._pool(request).request(
                request.method,
                request.url,
                body=body,  # type: ignore[arg-type]  # any buffer is sent
                headers=headers,
                redirect=False,
                retries=False,
                preload_content=False,
                decode_content=False,
                timeout=urllib3.Timeout(
                    connect=self.options.connect_seconds, read=self.options.read_seconds
                ),
            )
        except Error:
            raise  # of the body's own making
        except (HTTPError, OSError, ValueError) as error:
            raise _fault(request, error) from None
        return Answer(response, request.url, request.method)

    def _pool(self, request: Request) -> PoolManager:
        proxy = self.options.proxy(request.url)
        with self._lock:
            pool = self._pools.get((request.tls, proxy))
            if pool is None:
                pool = self._pools[request.tls, proxy] = self._connect(request.tls, proxy)
            return pool

    def _connect(self, tls: Tls, proxy: str | None) -> PoolManager:
        import urllib3

        options: dict[str, Any] = {
            "ssl_context": _context(tls),
            "maxsize": self.options.connections,
            "num_pools": 32,
        }
        if not tls.verify:
            options["assert_hostname"] = False
            # Whoever said "insecure" knows, and the library does not print.
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        if proxy is None:
            return urllib3.PoolManager(**options)
        parts = split(proxy)
        if parts.scheme.startswith("socks"):
            raise Unsupported("proxies by SOCKS are not built yet", hint="use one of HTTP")
        if parts.scheme not in SCHEMES:
            raise Invalid(
                f'the proxy "{shown(proxy)}" is none of HTTP', hint="use http:// or https://"
            )
        headers = {}
        if parts.username is not None:
            from urllib.parse import unquote

            user = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            headers = urllib3.make_headers(proxy_basic_auth=user)
        return urllib3.ProxyManager(shown(proxy), proxy_headers=headers, **options)


def _context(tls: Tls) -> ssl.SSLContext:
    import ssl

    try:
        if tls.verify and not tls.bundle:
            context = ssl.create_default_context()
        else:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if tls.verify:  # else none is needed, and to read them takes as long as a small pull
            for path in (*tls.bundle, *tls.ca_files):
                if path.is_dir():
                    context.load_verify_locations(capath=path)
                else:
                    context.load_verify_locations(cafile=path)
        for certificate, key in tls.pairs:
            context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise Invalid(f"certificates cannot be read: {error}") from error
    if not tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _redirected(request: Request, answer: Answer, location: str) -> Request | None:
    """The request that a redirect asks for; None where it cannot be made again."""
    target = join(request.url, location)
    if split(target).scheme not in SCHEMES:
        raise Invalid(f'"{shown(request.url)}" redirects to "{shown(target)}", which is not HTTP')
    if request.url.startswith("https:") and target.startswith("http:"):
        raise Denied(
            f'"{shown(request.url)}" redirects from https to "{shown(target)}"',
            hint="nothing is fetched that way: what comes could be anybody's",
        )
    headers, method, body = dict(request.headers), request.method, request.body
    if answer.status == 303 and method != "HEAD":
        method, body = "GET", None
    if callable(body) or (method == "POST" and answer.status in (301, 302)):
        return None
    if origin(target) != origin(request.url):
        headers = {name: text for name, text in headers.items() if name.lower() not in _SECRET}
    # Another host's certificate settings are not this one's.
    same = origin(target)[1] == origin(request.url)[1]
    tls = request.tls if same else Tls(bundle=request.tls.bundle)
    return Request(method, target, headers, body, tls, repeat=request.repeat)


def _fault(request: Request, error: Exception) -> Broken:
    """A failure of the network as ours, its text free of secrets."""
    import ssl

    from urllib3 import exceptions

    where = shown(request.url)
    cause: BaseException | None = error
    seen: list[BaseException] = []
    while cause is not None and len(seen) < 8:
        seen.append(cause)
        reason = getattr(cause, "reason", None)
        cause = reason if isinstance(reason, BaseException) else cause.__context__
    if any(isinstance(one, ssl.SSLCertVerificationError) for one in seen):
        why = next(one for one in seen if isinstance(one, ssl.SSLCertVerificationError))
        return BadCertificate(
            f'the certificate of "{where}" is not trusted: {why.verify_message}',
            hint="add its authority in /etc/docker/certs.d/HOST/ca.crt",
        )
    not_there = any(
        isinstance(
            one,
            exceptions.NewConnectionError | exceptions.ConnectTimeoutError | ConnectionRefusedError,
        )
        for one in seen
    )
    if not_there or any(isinstance(one, ssl.SSLError) for one in seen):
        return NotSpoken(
            f'cannot connect to "{where}": {_reason(seen[-1])}',
            hint="is the registry up, and the name right?",
        )
    if isinstance(error, exceptions.ProxyError):
        return Broken(f'the proxy does not lead to "{where}": {_reason(seen[-1])}')
    return Broken(f'the connection to "{where}" failed: {_reason(error)}')


def _reason(error: BaseException) -> str:
    """What went wrong in few words; urllib3 puts whole URLs into its own."""
    import socket

    from urllib3 import exceptions

    if isinstance(error, exceptions.TimeoutError | TimeoutError):
        return "nothing came for too long"
    if isinstance(error, exceptions.IncompleteRead):
        return "it ended too early"
    if isinstance(error, exceptions.NameResolutionError | socket.gaierror):
        return "its name is not known"
    if isinstance(error, ConnectionRefusedError):
        return "nobody listens there"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    if isinstance(error, exceptions.ProtocolError):
        for part in error.args[1:]:
            if isinstance(part, OSError) and part.strerror:
                return part.strerror.lower()
        return "the other end closed it, or does not speak HTTP"
    return type(error).__name__
