"""Running an ASGI application: for good in this process, or beside it in a thread."""

from __future__ import annotations

import ipaddress
import resource
import signal
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from lamina.errors import Denied, Invalid, Unavailable
from lamina.fs import syscalls
from lamina.values import dataclass

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    import ssl
    from types import TracebackType
    from typing import Any

    from lamina.serve.http.listener import Listener

GRACE = 30.0  # seconds that requests under way have to end


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen."""

    host: str
    port: int  # 0: any free one

    @classmethod
    def parse(cls, text: str) -> Address:
        """The address that `host:port`, `[host]:port` or `:port` spells; Invalid."""
        host, colon, port = text.rpartition(":")
        host = host.removeprefix("[").removesuffix("]")
        if not colon or not (port.isascii() and port.isdigit() and int(port) < 65536):
            raise Invalid(f'"{text}" is not an address', hint='expected "host:port"')
        return cls(host or "0.0.0.0", int(port))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


@dataclass(frozen=True, slots=True)
class TLS:
    """A certificate and its key, in PEM files."""

    certificate: Path
    key: Path


def check(tls: TLS | None) -> None:
    """Invalid unless certificate and key can be used, and belong together."""
    _context(tls)


def _context(tls: TLS | None) -> ssl.SSLContext | None:
    if tls is None:
        return None
    from lamina.serve.http.wires import context

    try:
        return context(str(tls.certificate), str(tls.key))
    except (OSError, ValueError) as error:  # SSLError is an OSError
        raise Invalid(
            f'the certificate "{tls.certificate}" cannot be used with the key "{tls.key}": {error}'
        ) from error


def listen(address: Address) -> socket.socket:
    """A socket that takes connections at `address`; Unavailable or Denied."""
    try:
        family, _, _, _, place = socket.getaddrinfo(
            _ascii(address.host), address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        found = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise Invalid(f'"{address}" is no address of this machine: {error}') from error
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Taken over by each connection: else a small body waits 40 ms for its header's receipt.
        found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        found.bind(place)
        found.listen(1024)
    except PermissionError as error:
        found.close()
        raise Denied(f'may not listen at "{address}"', hint="take a port above 1023") from error
    except OSError as error:
        found.close()
        reason = (error.strerror or str(error)).lower()
        raise Unavailable(f'cannot listen at "{address}": {reason}') from error
    return found


def _ascii(host: str) -> str | bytes:
    """The name as bytes where it is nothing else: of a text the codec for IDNA is made ready."""
    return host.encode() if host.isascii() else host


def serve(
    app: Any,
    sock: socket.socket,
    *,
    tls: TLS | None = None,
    grace: float = GRACE,
    ready: Callable[[], None] = lambda: None,
    line: socket.socket | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT; requests under way then have `grace` seconds to end.

    Also until whoever holds the other end of `line` closes it.
    """
    check(tls)
    # While gc computes, a request would wait 5 ms each time that it lets go of the interpreter.
    sys.setswitchinterval(0.0005)
    # Pieces of large files, each read by another thread, would stay in as many heaps.
    syscalls.use_one_heap()
    _allow_descriptors()
    _listener(app, sock, tls, grace).run(
        ready=ready, signals=(signal.SIGTERM, signal.SIGINT), line=line
    )


class Running:
    """An application served by a thread of this process; a context manager.

    with Running(App(registry)) as server:
        urllib3.request("GET", f"{server.url}/v2/")
    """

    def __init__(
        self,
        app: Any,
        *,
        address: Address | None = None,
        tls: TLS | None = None,
        grace: float = 5.0,
    ) -> None:
        check(tls)
        self._grace = grace
        self._app = app
        self._tls = tls
        self._sock = listen(address or Address("127.0.0.1", 0))
        self._place = self._sock.getsockname()
        self._started = threading.Event()
        self._listener: Listener | None = None
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="serve", daemon=True)

    @property
    def port(self) -> int:
        return int(self._place[1])

    @property
    def address(self) -> str:
        """`host:port`, as it stands in a reference."""
        return f"{self._place[0]}:{self.port}"

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://{self.address}"

    def __enter__(self) -> Running:
        self._thread.start()
        self._started.wait()
        if self._failure is not None:
            raise self._failure
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._listener is not None:
            self._listener.stop()
        self._thread.join()
        self._sock.close()

    def _run(self) -> None:
        try:
            self._listener = _listener(self._app, self._sock, self._tls, self._grace)
            self._listener.run(ready=self._started.set)
        except BaseException as error:  # noqa: BLE001  # told to whoever waits for the start
            self._failure = error
        finally:
            self._started.set()


def _listener(app: Any, sock: socket.socket, tls: TLS | None, grace: float) -> Listener:
    """What serves `app` when it is `run`."""
    from lamina.serve.http.listener import Listener

    return Listener(app, sock, _context(tls), grace)


def _allow_descriptors() -> None:
    """Have as many descriptors as we may: each client takes one, and a second for its file."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
