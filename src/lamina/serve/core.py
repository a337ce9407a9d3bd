"""granian's core, without granian's own Python around it.

Its package imports multiprocessing, ssl and a command line before it serves, and gives each
request a task, which takes longer than to answer it from memory. What is used here of the core is
not promised to anybody, so it is used of those versions only that it was tried with: `Server` is
for the others (`lamina.serve.server`).
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib.machinery import PathFinder
from types import ModuleType

from lamina.serve.loop import Loop
from lamina.values import dataclass

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    import socket
    from typing import Any

    from lamina.serve.server import TLS

KNOWN = ("2.8.",)  # what versions begin with
_NAME = "granian._granian"
BACKLOG = 1024
HEADERS_PATIENCE = 30_000  # ms
BUFFER = 512 << 10  # bytes of headers
# Of its allocator, jemalloc: what was free for 200 ms goes back to the kernel. By itself it looks
# when something is asked of it only, and some ten MiB stay behind after a large file.
_THRIFT = (
    "background_thread:true,max_background_threads:1,narenas:1,dirty_decay_ms:200,muzzy_decay_ms:0"
)
_PATIENCE = 1.0  # seconds for requests that are broken off


@dataclass(frozen=True, slots=True)
class _HTTP1:
    """Settings, as the core reads them."""

    header_read_timeout: int = HEADERS_PATIENCE
    keep_alive: bool = True
    max_buffer_size: int = BUFFER
    pipeline_flush: bool = False


def be_thrifty() -> None:
    """Let the core hold no memory that it does not need. To be called before it is loaded.

    Of processes only that do nothing else: it is told by a variable of the environment.
    """
    os.environ.setdefault("_RJEM_MALLOC_CONF", _THRIFT)


def load() -> ModuleType | None:
    """The core; None unless it is one that is known."""
    found = sys.modules.get(_NAME)
    if found is None:
        package = importlib.util.find_spec("granian")
        places = package.submodule_search_locations if package is not None else None
        spec = PathFinder.find_spec(_NAME, places) if places is not None else None
        if spec is None or spec.loader is None:
            return None
        found = importlib.util.module_from_spec(spec)
        # It can be loaded once only, so whoever imports granian later gets this one.
        sys.modules[_NAME] = found
        spec.loader.exec_module(found)
    version = str(getattr(found, "__version__", ""))
    return found if version.startswith(KNOWN) else None


class Core:
    """Serves an application, in the thread that calls `run`."""

    def __init__(
        self, core: ModuleType, app: Any, sock: socket.socket, tls: TLS | None, grace: float
    ) -> None:
        self._core = core
        self._app = app
        self._sock = sock
        self._tls = tls
        self._grace = grace
        self._signal: Any = core.WorkerSignal()
        self._loop = Loop()

    def stop(self) -> None:
        """Take no more requests, and let those under way end. In any thread."""
        self._call(self._end)

    def run(
        self,
        *,
        ready: Callable[[], None],
        signals: Sequence[int] = (),
        line: socket.socket | None = None,
    ) -> None:
        """Serve until `stop`, one of the signals, or the end of `line`."""
        loop = self._loop
        for number in signals:
            loop.on_signal(number, self._end)
        if line is not None:
            loop.on_end(line.fileno(), self._end)
        self._signal.add_cb(lambda: self._call(loop.stop))
        scheduler = self._core.CallbackScheduler(loop, None, None, None, None)
        scheduler._schedule_fn = Turns(self._app, loop).take
        worker = self._worker()  # which has to live as long as it serves
        worker.serve_async(scheduler, loop, self._signal)
        ready()
        loop.run()

    def _call(self, callback: Callable[[], object]) -> None:
        with suppress(RuntimeError):  # it has ended already
            self._loop.call_soon_threadsafe(callback)

    def _end(self) -> None:
        self._signal.set()
        self._loop.call_later(self._grace, self._break_off)

    def _break_off(self) -> None:
        """End requests that have not ended in time."""
        for task in list(self._loop.tasks):
            task.cancel()
        self._loop.call_later(_PATIENCE, self._loop.stop)

    def _worker(self) -> Any:
        tls = self._tls
        # granian closes what it is given.
        holder = self._core.SocketHolder(os.dup(self._sock.fileno()), False, BACKLOG)
        return self._core.ASGIWorker(
            worker_id=1,
            sock=(None, holder),
            ipc=None,
            threads=1,
            blocking_threads=64,  # which read files
            py_threads=1,
            py_threads_idle_timeout=30,
            backpressure=BACKLOG,
            http_mode="auto" if tls is not None else "1",
            http1_opts=_HTTP1(),
            http2_opts=None,
            websockets_enabled=False,
            static_files=None,
            ssl_enabled=tls is not None,
            ssl_cert=str(tls.certificate.resolve()) if tls is not None else None,
            ssl_key=str(tls.key.resolve()) if tls is not None else None,
            ssl_key_password=None,
            ssl_protocol_min="tls1.2",
            ssl_ca=None,
            ssl_crl=[],
            ssl_client_verify=False,
            metrics=(None, None),
        )


class Turns:
    """Brings requests from the core's thread to the event loop, many with one wake-up.

    What the application knows at once (`at_once`) is answered in turn; else a request is a task.
    """

    def __init__(self, app: Any, loop: Loop) -> None:
        self._app = app
        self._loop = loop
        self._at_once: Callable[[Any], Any] = getattr(app, "at_once", lambda scope: None)
        self._waiting: deque[Any] = deque()
        self._is_called = False

    def take(self, watcher: Any) -> None:
        """Let `watcher`, one request of the core's, have its turn. In the core's thread."""
        self._waiting.append(watcher)
        if not self._is_called:
            self._is_called = True
            try:
                self._loop.call_soon_threadsafe(self._begin)
            except RuntimeError:
                pass  # the loop has ended, and so does the connection

    def _begin(self) -> None:
        # First this: what comes from now on calls again, and others have their turn before it.
        self._is_called = False
        for _ in range(len(self._waiting)):
            watcher = self._waiting.popleft()
            scope, protocol = watcher.scope, watcher.proto
            try:
                known = self._at_once(scope)
                if known is not None:
                    for message in known:
                        protocol.send(message)
                    watcher.done()
                    continue
            except Exception as error:  # noqa: BLE001  # the next one has its turn all the same
                watcher.err(error)
                continue
            watcher.taskref(self._loop.create_task(self._answer(watcher, scope, protocol)))

    async def _answer(self, watcher: Any, scope: Any, protocol: Any) -> None:
        try:
            await self._app(scope, protocol.receive, protocol.send)
        except BaseException as error:  # noqa: BLE001  # told to whoever waits for the answer
            watcher.err(error)
            return
        watcher.done()
