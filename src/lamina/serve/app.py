"""The registry over HTTP, as an ASGI application: find the endpoint and who asks, let it answer."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from lamina.errors import Error
from lamina.oci.distribution.endpoint import Endpoint, Kind, check_name, parse_path
from lamina.registry.failures import OutOfOrder, ReadOnly
from lamina.registry.local import LocalRegistry
from lamina.registry.registry import Registry
from lamina.registry.repository import Repository
from lamina.serve import errors, listing, pull, push, removal
from lamina.serve.access import Access
from lamina.serve.answer import Answer, of_bytes, of_json
from lamina.serve.errors import NotHere, TooMany, WrongMethod
from lamina.serve.http.asgi import Message, Receive, Scope, Send
from lamina.serve.http.threads import Threads
from lamina.serve.http.waits import in_thread
from lamina.serve.ledger import Ledger
from lamina.serve.limits import Limits, Rates
from lamina.serve.memo import Memo
from lamina.serve.metrics import Metrics
from lamina.serve.request import Gone, Request
from lamina.serve.rights import ALL, ANYBODY, Action, Rights, Rule
from lamina.serve.telling import Teller
from lamina.values import replace

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from typing import Any, TypeVar

    from lamina.registry.mirror import Mirror, Mirrors
    from lamina.serve.old import Old
    from lamina.serve.web.site import Site

    T = TypeVar("T")

Handler = Callable[["App", Request, Endpoint], Awaitable[Answer]]

_THREADS = 16  # for what waits for the disk
_JUDGES = 2  # for what takes long

_HANDLERS: dict[Kind, dict[str, tuple[Handler, Action | None]]] = {
    Kind.BASE: {"GET": (listing.base, None), "HEAD": (listing.base, None)},
    Kind.CATALOG: {"GET": (listing.catalog, None), "HEAD": (listing.catalog, None)},
    Kind.TAGS: {"GET": (listing.tags, Action.PULL), "HEAD": (listing.tags, Action.PULL)},
    Kind.REFERRERS: {
        "GET": (listing.referrers, Action.PULL),
        "HEAD": (listing.referrers, Action.PULL),
    },
    Kind.MANIFEST: {
        "GET": (pull.manifest, Action.PULL),
        "HEAD": (pull.manifest, Action.PULL),
        "PUT": (push.manifest, Action.PUSH),
        "DELETE": (removal.manifest, Action.DELETE),
    },
    Kind.BLOB: {
        "GET": (pull.blob, Action.PULL),
        "HEAD": (pull.blob, Action.PULL),
        "DELETE": (removal.blob, Action.DELETE),
    },
    Kind.UPLOADS: {"POST": (push.start, Action.PUSH)},
    Kind.UPLOAD: {
        "GET": (push.status, Action.PUSH),
        "PATCH": (push.chunk, Action.PUSH),
        "PUT": (push.finish, Action.PUSH),
        "DELETE": (push.cancel, Action.PUSH),
    },
}

EVERYBODY = Access(Rights((Rule(frozenset({ANYBODY}), ("**",), ALL),)))


class App:
    """An ASGI application that serves one registry."""

    def __init__(
        self,
        registry: Registry | LocalRegistry,
        *,
        access: Access = EVERYBODY,
        limits: Limits | None = None,
        metrics: Metrics | None = None,
        listeners: Sequence[Callable[[dict[str, object]], None]] = (),
        log: Callable[[dict[str, object]], None] | None = None,
        warning: str | None = None,
        mirrors: Mirrors | None = None,
        old: Old | None = None,
        forwarded: bool = False,
        site: Site | None = None,
        remembers: bool = True,
    ) -> None:
        """An application; without `remembers` each answer is worked out anew."""
        self.registry = registry
        self.access = access
        self.limits = limits or Limits()
        self.metrics = metrics or Metrics()
        teller = Teller(listeners)
        self.tell = teller.tell
        self.tell_deleted = teller.tell_deleted
        self._ledger = Ledger(self.metrics, log)
        self._warning = warning
        self._mirrors = mirrors
        self.old = old  # speaks schema 1
        self._forwarded = forwarded
        # Of no other kind of registry is it told when something has changed.
        self._memo = (
            Memo(registry.metadata.version, forwarded=forwarded)
            if remembers and isinstance(registry, Registry)
            else None
        )
        self._site = site  # pages for people, below /ui/
        self._rates = Rates(self.limits.rate, self.limits.burst)
        self._threads = Threads(_THREADS, "registry")
        # What comes from a mirror is waited for as long as that takes.
        self._readers = Threads(_THREADS, "readers")
        # Passwords are slow to judge: a flood of them must not keep blobs waiting.
        self._judges = Threads(_JUDGES, "passwords")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await _live(scope, receive, send)
            return
        known = self.at_once(scope)
        if known is not None:
            for message in known:
                await send(message)
            return
        began = time.perf_counter()
        request = Request(scope, receive, patience=self.limits.patience)
        if self._forwarded:
            request.believe_proxy()
        self.metrics.under_way.add(1)
        answer: Answer | None = None
        failure: str | None = None
        version = self._memo.version() if self._memo is not None else None
        try:
            answer, failure = await self._answer(request)
            await answer.send(scope, send, self._readers, is_head=request.method == "HEAD")
            if answer.lasts and self._memo is not None and request.endpoint is not None:
                self._memo.keep(scope, answer, request.endpoint, version)
        except Gone:
            failure = "the client went away"
        except Exception as error:
            failure = f"the answer broke off: {error}"
            raise  # so that the connection is closed, and nobody takes it for the whole
        finally:
            self.metrics.under_way.add(-1)
            self._ledger.account(request, answer, failure, time.perf_counter() - began)

    def at_once(self, scope: Scope) -> tuple[Message, Message] | None:
        """What an answer that is known already consists of, the request being done with then.

        None if it has to be worked out: `__call__` does that. In the thread of the event loop.
        """
        if scope["type"] != "http" or self._memo is None:
            return None
        began = time.perf_counter()
        request = Request(scope, _nothing)
        try:
            kept = self._memo.find(scope)
            if kept is None:
                return None
            request.endpoint = kept.endpoint
            self._rates.take(request.client)
            if kept.answer.pulled is not None:
                self.tell("pull", request, kept.endpoint.name, *kept.answer.pulled)
        except TooMany:
            return None  # nothing was taken: it is found and told again
        except Exception as error:  # noqa: BLE001  # as in `_answer`
            answer, failure = _unexpected(error)
            self._ledger.account(request, answer, failure, time.perf_counter() - began)
            return answer.messages(is_head=request.method == "HEAD")
        self._ledger.account(request, kept.answer, None, time.perf_counter() - began)
        return kept.start, kept.body

    def close(self) -> None:
        """Let go of the threads."""
        self._judges.close()
        self._threads.close()
        self._readers.close()
        if self._site is not None:
            self._site.close()
        self.registry.close()

    # -- what handlers use ---------------------------------------------------------------------

    async def in_thread(self, work: Callable[..., T], *values: object) -> T:
        """Do what may wait in a thread; what has begun ends, even if nobody waits any more."""
        return await self.start_thread(work, *values)

    def start_thread(self, work: Callable[..., T], *values: object) -> Awaitable[T]:
        return in_thread(self._threads, work, *values)

    async def in_judge(self, work: Callable[..., T], *values: object) -> T:
        """As `in_thread`, for what takes long to compute."""
        return await in_thread(self._judges, work, *values)

    def writable(self, name: str) -> Repository:
        """The repository, to be changed; ReadOnly."""
        if not isinstance(self.registry, Registry):
            raise ReadOnly("nothing can be changed here: the images are served read-only")
        if self._mirrors is not None:
            self._mirrors.require_own(name)
        return self.registry.repository(name)

    def mirror(self, name: str) -> Mirror | None:
        """The mirror called `name`; None if the repository is our own."""
        return self._mirrors.of(name) if self._mirrors is not None else None

    def may_pull(self, request: Request) -> Callable[[str], bool]:
        """Which repositories the client may know of."""
        return partial(self.access.may_see, request.caller)

    def prepare(self, reference: str) -> None:
        """Let the pages look ahead at what was pushed, where there are pages."""
        if self._site is not None:
            self._site.prepare(reference)

    # ------------------------------------------------------------------------------------------

    async def _answer(self, request: Request) -> tuple[Answer, str | None]:
        """The answer, and what went wrong."""
        try:
            answer = await self._dispatch(request)
            failure = None
        except Error as error:
            answer, failure = errors.answer(error), error.message
            if isinstance(error, OutOfOrder) and request.endpoint is not None:
                place = (request.endpoint.name, error.session, error.offset)
                answer.headers.update(push.upload_headers(*place))
        except Gone:
            raise
        except Exception as error:  # noqa: BLE001  # the one place where all of them end
            answer, failure = _unexpected(error)
        if self._mirrors is not None and (namespace := request.parameter("ns")):
            answer.headers["oci-namespace"] = namespace
        if self._warning is not None and request.endpoint is not None:
            answer.headers["warning"] = f'299 - "{self._warning}"'
        if request.has_body and not request.is_drained:
            await self._drain(request, answer)
        return answer, failure

    async def _drain(self, request: Request, answer: Answer) -> None:
        """See that what is left of a body is not taken for the next request."""
        try:
            await request.drain()
        except Error:
            pass  # the answer is about something else
        if not request.is_drained:
            answer.headers["connection"] = "close"

    async def _dispatch(self, request: Request) -> Answer:
        request.check_headers()
        path = request.path
        endpoint = request.endpoint = parse_path(path)
        if endpoint is None:
            return await self._elsewhere(request, path)
        namespace = request.parameter("ns") if self._mirrors is not None else None
        if namespace is not None and self._mirrors is not None:
            name = self._mirrors.located(endpoint.name, namespace)
            endpoint = request.endpoint = replace(endpoint, name=name)
        self._rates.take(request.client)
        request.caller = await self.access.caller(request, self.in_judge)
        handler, action = _handler(endpoint.kind, request.method)
        if endpoint.kind is Kind.BASE:
            self.access.require_login(request, request.caller)
        elif endpoint.kind is Kind.CATALOG:
            self.access.require_catalog(request, request.caller)
        elif action is not None:
            check_name(endpoint.name)
            self.access.require(request, request.caller, endpoint.name, action)
        return await handler(self, request, endpoint)

    async def _elsewhere(self, request: Request, path: str) -> Answer:
        """What is not of the distribution spec."""
        if path == "/healthz" and request.method in ("GET", "HEAD"):
            return of_json(200, {"status": "ok"})
        if path == "/metrics" and request.method in ("GET", "HEAD"):
            text = self.metrics.text().encode()
            return of_bytes(200, text, "text/plain; version=0.0.4; charset=utf-8")
        if path == "/token" and self.access.issuer is not None:
            from lamina.serve import grants

            self._rates.take(request.client)
            if request.method == "GET":
                return await grants.by_get(self, request)
            if request.method == "POST":
                return await grants.by_post(self, request)
            raise WrongMethod(request.method, "GET, POST")
        if self._site is not None and (path == "/ui" or path.startswith("/ui/")):
            if path == "/ui":
                return Answer(308, {"location": "/ui/"})
            self._rates.take(request.client)
            return await self._site.answer(request, path.removeprefix("/ui/"), self.in_judge)
        raise NotHere("nothing is here: the API begins at /v2/")


def _handler(kind: Kind, method: str) -> tuple[Handler, Action | None]:
    handlers = _HANDLERS[kind]
    found = handlers.get(method)
    if found is None:
        raise WrongMethod(method, ", ".join(sorted(handlers)))
    return found


def _unexpected(error: Exception) -> tuple[Answer, str]:
    """The answer to a fault of ours, and what went wrong."""
    return errors.unexpected(), f"{type(error).__name__}: {error}"


async def _nothing() -> Message:
    """The body of a request that has none."""
    return {"type": "http.request", "body": b""}


async def _live(scope: Scope, receive: Receive, send: Send) -> None:
    """The lifespan protocol, for servers that speak it; anything else is not spoken."""
    while scope["type"] == "lifespan":
        message: Any = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
