"""Proving who one is: basic, and bearer tokens (distribution, "Token Authentication").

    registry: 401, Bearer realm, service, scope   ->   realm: a token for those scopes   ->   again

A token is kept for each set of scopes until it ends. A realm gets the credentials of the registry
that named it, but never over plain HTTP where the registry itself is spoken to by TLS.
"""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from lamina.errors import Corrupt, Denied, Unavailable
from lamina.oci.distribution.challenge import BadChallenge, Challenge, parse_challenges
from lamina.remote.hosts import Tls
from lamina.remote.transport import Answer, Request, Transport
from lamina.remote.url import origin, shown, split
from lamina.values import dataclass

if TYPE_CHECKING:
    from lamina.remote.keychain import Credential

_TOKEN_LIMIT = 1 << 20  # bytes of a token server's answer
_CLIENT = "lamina"
_LEAST = 60  # seconds that a token lives where its server does not say
_SPARE = 10  # seconds before its end from which a token counts as ended


@dataclass(frozen=True, slots=True)
class Realm:
    """Where a registry's tokens come from."""

    url: str
    service: str


@dataclass(frozen=True, slots=True)
class Token:
    """A bearer token and when it ends, by the clock of `Auth`."""

    text: str
    ends: float


class Auth:
    """What proves to one registry who one is; safe for many threads."""

    def __init__(
        self,
        transport: Transport,
        url: str,
        credential: Callable[[], Credential | None],
        *,
        tls: Tls | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._transport = transport
        self._origin = origin(url)
        self._host = split(url).netloc
        self._tls = tls or Tls()
        self._find = credential
        self._clock = clock
        self._lock = threading.RLock()
        self._asked = False
        self._credential: Credential | None = None
        self._is_basic = False
        self._realm: Realm | None = None
        self._tokens: dict[frozenset[str], Token] = {}

    def header(self, scopes: Iterable[str]) -> str | None:
        """What to send along now: what is known to be wanted, None before the first challenge."""
        with self._lock:
            if self._is_basic:
                return self._basic()
            known = self._known() if self._realm is not None else None
            if known is not None and known.registry_token:
                return f"Bearer {known.registry_token}"
            if self._realm is None:
                return None
            return self._bearer(self._realm, merged(scopes), stale=None)

    def expect(self, answer: Answer) -> None:
        """Remember how the registry wants it proven, without proving anything yet."""
        with self._lock:
            for challenge in self._choices(answer)[:1]:
                if challenge.scheme == "basic":
                    self._is_basic = True
                else:
                    self._check_realm(challenge.parameters.get("realm", ""))
                    self._realm = _realm(challenge)

    def challenged(self, answer: Answer, scopes: Iterable[str], sent: str | None) -> str | None:
        """What to send after a 401; None if there is nothing better than what was `sent`."""
        with self._lock:
            for challenge in self._choices(answer):
                if challenge.scheme == "basic":
                    self._is_basic, self._realm = True, None
                    header = self._basic()
                else:
                    header = self._token_for(challenge, frozenset(scopes), sent)
                if header is not None and header != sent:
                    return header
        return None

    @property
    def has_credential(self) -> bool:
        return self._known() is not None

    def _choices(self, answer: Answer) -> list[Challenge]:
        """The challenges that can be met, tokens before the secret itself."""
        try:
            found = parse_challenges(answer.header("WWW-Authenticate"))
        except BadChallenge:
            return []
        known = [one for one in found if one.scheme in ("bearer", "basic")]
        return sorted(known, key=lambda one: one.scheme != "bearer")

    def _known(self) -> Credential | None:
        if not self._asked:
            found = self._find()
            self._credential = None if found is None or found.is_empty else found
            self._asked = True
        return self._credential

    def _basic(self) -> str | None:
        known = self._known()
        if known is None or not (known.username or known.secret):
            return None
        pair = f"{known.username}:{known.secret}".encode()
        return "Basic " + base64.b64encode(pair).decode()

    def _token_for(
        self, challenge: Challenge, scopes: frozenset[str], sent: str | None
    ) -> str | None:
        known = self._known()
        if known is not None and known.registry_token:
            return f"Bearer {known.registry_token}"
        self._check_realm(challenge.parameters.get("realm", ""))
        realm = _realm(challenge)
        if realm != self._realm:
            self._tokens.clear()
        self._realm, self._is_basic = realm, False
        wanted = merged(scopes | _scopes(challenge.parameters.get("scope", "")))
        stale = sent.removeprefix("Bearer ") if sent is not None else None
        header = self._bearer(realm, wanted, stale=stale)
        self._tokens[merged(scopes)] = self._tokens[wanted]  # it is good for less, too
        return header

    def _check_realm(self, url: str) -> None:
        scheme, host, _ = origin(url)
        if scheme not in ("http", "https") or not host:
            raise Denied(
                f'the registry "{self._host}" names no place for tokens that can be asked',
                hint="its WWW-Authenticate header has no http(s) realm",
            )
        if scheme == "http" and self._origin[0] == "https":
            raise Denied(
                f'the registry "{self._host}" wants tokens fetched from "{shown(url)}"',
                hint="credentials do not go over plain HTTP",
            )

    def _bearer(self, realm: Realm, scopes: frozenset[str], *, stale: str | None) -> str:
        held = self._tokens.get(scopes)
        if held is not None and held.text != stale and self._clock() < held.ends:
            return f"Bearer {held.text}"
        token = self._fetch(realm, sorted(scopes))
        self._tokens[scopes] = token
        return f"Bearer {token.text}"

    # --- the token server

    def _fetch(self, realm: Realm, scopes: list[str]) -> Token:
        known = self._known()
        if known is not None and known.identity_token:
            answer = self._post(realm, scopes, known.identity_token)
            if answer.status not in (404, 405):
                return self._read(realm, answer)
            answer.close()
        return self._read(realm, self._get(realm, scopes))

    def _get(self, realm: Realm, scopes: list[str]) -> Answer:
        query = [("service", realm.service)] if realm.service else []
        query += [("scope", scope) for scope in scopes]
        headers = {}
        basic = self._basic()
        if basic is not None:
            headers["Authorization"] = basic
            query.append(("account", self._credential.username if self._credential else ""))
        separator = "&" if split(realm.url).query else "?"
        url = f"{realm.url}{separator}{urlencode(query)}" if query else realm.url
        return self._transport.send(Request("GET", url, headers, tls=self._tls_of(realm)))

    def _post(self, realm: Realm, scopes: list[str], refresh: str) -> Answer:
        """OAuth 2 (distribution, "Token Authentication with OAuth2"; RFC 6749, section 6)."""
        form = {
            "grant_type": "refresh_token",
            "service": realm.service,
            "client_id": _CLIENT,
            "scope": " ".join(scopes),
            "refresh_token": refresh,
        }
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        # A redirect would carry the form, and the token in it, to who knows where.
        return self._transport.send(
            Request(
                "POST",
                realm.url,
                headers,
                urlencode(form).encode(),
                tls=self._tls_of(realm),
                follow=False,
            )
        )

    def _tls_of(self, realm: Realm) -> Tls:
        same = origin(realm.url)[1] == self._origin[1]
        return self._tls if same else Tls(bundle=self._tls.bundle)

    def _read(self, realm: Realm, answer: Answer) -> Token:
        body = answer.whole(_TOKEN_LIMIT)
        if answer.status in (400, 401, 403):
            what = "refuses the credentials" if self._known() else "gives nothing without login"
            raise Denied(
                f'the token server "{shown(realm.url)}" {what} for "{self._host}"',
                hint=f'log in with "lamina login {self._host}"',
            )
        if answer.status != 200:
            raise Unavailable(
                f'the token server "{shown(realm.url)}" answers with status {answer.status}'
            )
        try:
            found = json.loads(body)
            text = found.get("token") or found.get("access_token")
            seconds = found.get("expires_in")
        except (ValueError, AttributeError, RecursionError):
            text = seconds = None
        if not isinstance(text, str) or not text.isascii() or not text.isprintable():
            raise Corrupt(f'the token server "{shown(realm.url)}" answers without a token')
        whole = seconds if isinstance(seconds, int | float) and 0 < seconds < 10**9 else _LEAST
        return Token(text, self._clock() + max(whole - _SPARE, whole / 2))


def _realm(challenge: Challenge) -> Realm:
    return Realm(challenge.parameters.get("realm", ""), challenge.parameters.get("service", ""))


def merged(scopes: Iterable[str]) -> frozenset[str]:
    """The same scopes, one for each resource: "repository:x:pull" is part of "…:pull,push"."""
    actions: dict[str, set[str]] = {}
    others = set()
    for scope in scopes:
        resource, colon, asked = scope.rpartition(":")
        if colon and ":" in resource:
            actions.setdefault(resource, set()).update(asked.split(","))
        else:
            others.add(scope)
    return frozenset(others | {f"{one}:{','.join(sorted(actions[one]))}" for one in actions})


def _scopes(text: str) -> frozenset[str]:
    """The scopes of a challenge, which are separated by spaces."""
    return frozenset(text.split()[:16])
