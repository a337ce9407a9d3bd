"""One registry spoken to: the right scheme, the right proof, and refusals in our kinds of error."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from lamina.errors import Conflict, Denied, Error, Invalid, NotFound, Unavailable, Unsupported
from lamina.oci.distribution import fault
from lamina.remote.auth import Auth
from lamina.remote.hosts import Endpoint, Tls
from lamina.remote.transport import (
    Answer,
    Body,
    Broken,
    Request,
    Transport,
)
from lamina.remote.url import join, origin, shown, split
from lamina.values import replace

if TYPE_CHECKING:
    from lamina.remote.keychain import Credential

_FAULT_LIMIT = 1 << 16  # bytes of a refusal that are read
_ROUNDS = 3  # proofs tried for one request before a registry that is never content is left

Find = Callable[[str, str], "Credential | None"]  # of a host and a repository there


class Refused(Error):
    """A registry's refusal; raised together with one of our kinds."""

    status: int = 0


class NotAllowed(Refused, Denied):
    """401 or 403."""


class NotThere(Refused, NotFound):
    """404, or 410."""


class TooBusy(Refused, Unavailable):
    """408, 429, or a fault of the registry's own."""


class Clashes(Refused, Conflict):
    """409, or 412."""


class NotBuilt(Refused, Unsupported):
    """405, 415 or 501."""


class Rejected(Refused, Invalid):
    """Any other 4xx: the registry finds the request wrong."""


class Session:
    """A conversation with the registry at one endpoint; safe for many threads."""

    def __init__(self, endpoint: Endpoint, transport: Transport, find: Find) -> None:
        self.endpoint = endpoint
        self.transport = transport
        self._find = find
        self._lock = threading.Lock()
        self._base: str | None = None
        self._auth: Auth | None = None

    @property
    def host(self) -> str:
        """What people call the registry."""
        return self.endpoint.domain if not self.endpoint.is_mirror else self.endpoint.authority

    def send(
        self,
        method: str,
        place: str,
        *,
        scopes: Iterable[str] = (),
        headers: Mapping[str, str] | None = None,
        body: Body = None,
        expect: Iterable[int] = (200,),
        repeat: bool | None = None,
    ) -> Answer:
        """Ask at `place`, a path or a URL; one of `expect` is an answer, all else an error."""
        base = self._base or self._find_base()
        url = join(base + "/", place)
        request = Request(method, url, dict(headers or {}), body, repeat=repeat)
        answer = self._proven(request, tuple(scopes))
        if answer.status in expect:
            return answer
        raise self.refusal(answer)

    def absolute(self, answer: Answer) -> str:
        """Where the Location of `answer` leads; Invalid if nowhere."""
        location = answer.header("Location")
        target = join(answer.url, location)
        if not location or split(target).scheme not in ("http", "https"):
            raise Invalid(f'the registry "{self.host}" answers without a Location that leads on')
        if answer.url.startswith("https:") and target.startswith("http:"):
            if origin(target)[1] != origin(answer.url)[1]:
                raise Denied(
                    f'the registry "{self.host}" leads from https to "{shown(target)}"',
                    hint="nothing is sent that way",
                )
            # A registry behind a proxy that ends TLS often does not know that it is.
            target = "https:" + target[len("http:") :]
            if split(target).port == 80:
                raise Denied(f'the registry "{self.host}" leads from https to plain HTTP')
        return target

    def refusal(self, answer: Answer) -> Error:
        """The error that an answer means, with what the registry says about it."""
        status, place = answer.status, shown(answer.url)
        try:
            said = _said(answer.whole(_FAULT_LIMIT))
        except Error:
            said = ""
        text = f": {said}" if said else ""
        error: Refused
        if status == 401 or (status == 403 and not self._proof().has_credential):
            hint = f'log in with "lamina login {self.host}", or check the name'
            error = NotAllowed(f'the registry "{self.host}" denies access{text}', hint=hint)
        elif status == 403:
            error = NotAllowed(f'the registry "{self.host}" denies access{text}')
        elif status in (404, 410):
            error = NotThere(f'"{place}" is not there{text}')
        elif status in (409, 412):
            error = Clashes(f'the registry "{self.host}" answers with status {status}{text}')
        elif status in (405, 415, 501):
            error = NotBuilt(f'the registry "{self.host}" cannot do that ({status}){text}')
        elif status == 429:
            error = TooBusy(
                f'the registry "{self.host}" has had too many requests{text}',
                hint=_later(answer) or "wait, or log in",
            )
        elif status >= 500 or status == 408:
            error = TooBusy(
                f'the registry "{self.host}" fails with status {status}{text}', hint=_later(answer)
            )
        else:
            error = Rejected(f'the registry "{self.host}" refuses with status {status}{text}')
        error.status = status
        return error

    # --- proof

    def _proof(self) -> Auth:
        with self._lock:
            if self._auth is None:
                endpoint = self.endpoint
                self._auth = Auth(
                    self.transport,
                    self._base or endpoint.base(endpoint.schemes[0]),
                    lambda: self._find(endpoint.domain, endpoint.repository),
                    tls=endpoint.tls,
                )
            return self._auth

    def _proven(self, request: Request, scopes: tuple[str, ...]) -> Answer:
        url = request.url
        # Where an upload is sent elsewhere, what proves us here stays here.
        is_home = origin(url) == origin(self._base or url)
        proof = self._proof()
        sent = proof.header(scopes) if is_home else None
        for round_ in range(_ROUNDS):
            proven = {} if sent is None else {"Authorization": sent}
            answer = self.transport.send(
                replace(
                    request,
                    headers={**request.headers, **proven},
                    tls=self.endpoint.tls if is_home else Tls(bundle=self.endpoint.tls.bundle),
                )
            )
            # Who was redirected answers for himself.
            at_home = is_home and origin(answer.url) == origin(url)
            if answer.status != 401 or not at_home or round_ == _ROUNDS - 1:
                return answer
            better = proof.challenged(answer, scopes, sent)
            if better is None:
                return answer
            answer.close()
            sent = better
        raise AssertionError("the last round returns")

    # --- the scheme

    def _find_base(self) -> str:
        """The URL of the first scheme that is spoken there (https before http)."""
        schemes = self.endpoint.schemes
        for scheme in schemes:
            base = self.endpoint.base(scheme)
            request = Request("GET", f"{base}/v2/", tls=self.endpoint.tls, probing=True)
            try:
                answer = self.transport.send(request)
            except Broken:
                if scheme == schemes[-1]:
                    raise
                continue
            with self._lock:
                self._base = base
            if answer.status == 401:
                # Knowing what is wanted spares every later request its refusal.
                self._proof().expect(answer)
            answer.close()
            return base
        raise AssertionError("an endpoint has a scheme")


def _later(answer: Answer) -> str | None:
    seconds = answer.header("Retry-After").strip()
    return f"it asks to be left alone for {seconds} seconds" if seconds.isdigit() else None


def _said(body: bytes) -> str:
    """What the body of a refusal says, in one line that is fit to be shown."""
    parts = []
    for one in fault.decode(body)[:3]:
        detail = f" ({one.detail})" if isinstance(one.detail, str) and one.detail else ""
        parts.append((one.message or one.code.lower().replace("_", " ")) + detail)
    text = "; ".join(parts)
    return "".join(c if c.isprintable() else " " for c in text)[:400].strip()
