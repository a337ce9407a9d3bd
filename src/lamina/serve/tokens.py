"""Bearer tokens: JSON Web Tokens as Docker's token specification wants them (RFC 7519)."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lamina.errors import Denied, Invalid
from lamina.serve import keys
from lamina.serve.rights import Action
from lamina.values import dataclass

if TYPE_CHECKING:
    from joserfc.jwk import KeySet

ALGORITHMS = ("ES256", "ES384", "ES512", "RS256", "RS384", "RS512", "PS256", "EdDSA")
LIFETIME = 300  # seconds of a token
REFRESH_LIFETIME = 30 * 24 * 3600  # seconds
_LEEWAY = 60  # seconds that clocks may differ
_REMEMBERED = 10_000  # tokens that were found good
_LONGEST = 64 << 10  # bytes of a token
_SCOPE = r"([a-z]+)(?:\([a-z]*\))?:([^\s:]+(?::[0-9]+/[^\s:]+)?):([a-z*,]*)"


class BadToken(Denied):
    """A token is not one of ours, or of no use any more."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Actions asked for in one resource: `repository:a/b:pull,push`."""

    kind: str
    name: str
    actions: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}:{','.join(self.actions)}"


@dataclass(frozen=True, slots=True)
class Claims:
    """What a good token says."""

    subject: str | None
    access: tuple[Scope, ...]
    expires: float  # seconds since 1970

    def allows(self, name: str, action: Action) -> bool:
        return any(
            scope.kind == "repository" and scope.name == name and action in scope.actions
            for scope in self.access
        )

    @property
    def may_list(self) -> bool:
        return any(
            scope.kind == "registry" and scope.name == "catalog" and "*" in scope.actions
            for scope in self.access
        )


class Issuer:
    """Makes tokens with the registry's own key."""

    def __init__(self, key_file: Path, *, issuer: str, service: str) -> None:
        from joserfc.jwk import ECKey

        self.issuer = issuer
        self.service = service
        self._key = ECKey.import_key(_own_key(key_file))

    @property
    def keys(self) -> KeySet:
        """The public half, to verify with."""
        from joserfc.jwk import ECKey, KeySet

        return KeySet([ECKey.import_key(self._key.as_dict(private=False))])

    def token(self, subject: str | None, access: Sequence[Scope]) -> str:
        """A token that says who somebody is and what they may do, for some minutes."""
        return self._sign(
            {
                "sub": subject or "",
                "access": [
                    {"type": scope.kind, "name": scope.name, "actions": list(scope.actions)}
                    for scope in access
                ],
            },
            LIFETIME,
        )

    def refresh(self, subject: str, password_hash: bytes) -> str:
        """A token to get others with, until it is old or the password changes."""
        claims = {"sub": subject, "use": "refresh", "proof": _proof(password_hash)}
        return self._sign(claims, REFRESH_LIFETIME)

    def _sign(self, claims: Mapping[str, object], lifetime: int) -> str:
        from joserfc import jwt

        now = int(time.time())
        header = {"alg": "ES256", "typ": "JWT", "kid": self._key.kid}
        return jwt.encode(
            header,
            {
                "iss": self.issuer,
                "aud": self.service,
                "iat": now,
                "nbf": now,
                "exp": now + lifetime,
                "jti": secrets.token_hex(16),
                **claims,
            },
            self._key,
        )


class Verifier:
    """Judges tokens by public keys; what was good is remembered until it expires."""

    def __init__(self, keys: KeySet, *, issuer: str | None, service: str) -> None:
        self._keys = keys
        self._issuer = issuer
        self._service = service
        self._good: OrderedDict[bytes, Claims] = OrderedDict()

    def verify(self, token: str) -> Claims:
        """What the token says; BadToken."""
        key = hashlib.sha256(token.encode("latin-1", "replace")).digest()
        found = self._good.get(key)
        if found is None:
            claims = self.claims(token)
            if claims.get("use") == "refresh":
                raise BadToken("a refresh token gives no access by itself")
            subject = claims.get("sub")
            found = Claims(
                subject if isinstance(subject, str) and subject else None,
                tuple(_access(claims.get("access"))),
                float(claims["exp"]),
            )
            self._good[key] = found
            while len(self._good) > _REMEMBERED:
                self._good.popitem(last=False)
        if found.expires + _LEEWAY < time.time():
            self._good.pop(key, None)
            raise BadToken("the token has expired")
        return found

    def refreshed(self, token: str, password_hash: bytes | None, subject: str) -> None:
        """BadToken unless it is a refresh token of `subject`, whose password is the same still."""
        claims = self.claims(token)
        is_theirs = claims.get("use") == "refresh" and claims.get("sub") == subject
        if not is_theirs or password_hash is None or claims.get("proof") != _proof(password_hash):
            raise BadToken("the refresh token is of no use any more")

    def claims(self, token: str) -> dict[str, Any]:
        """All claims of a token whose signature, issuer, audience and times are right."""
        from joserfc import jwt
        from joserfc.errors import JoseError

        if len(token) > _LONGEST:
            raise BadToken("the token is too long")
        try:
            claims = jwt.decode(token, self._keys, algorithms=list(ALGORITHMS)).claims
        except (JoseError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise BadToken(f"the token is not good: {error}") from None
        self._check(claims)
        return claims

    def _check(self, claims: Mapping[str, object]) -> None:
        now = time.time()
        expires, begins = claims.get("exp"), claims.get("nbf", 0)
        if not _is_number(expires) or not _is_number(begins):
            raise BadToken("the token does not say when it expires")
        if expires + _LEEWAY < now:  # type: ignore[operator]
            raise BadToken("the token has expired")
        if begins - _LEEWAY > now:  # type: ignore[operator]
            raise BadToken("the token is not yet valid")
        if self._issuer is not None and claims.get("iss") != self._issuer:
            raise BadToken("the token has another issuer")
        audience = claims.get("aud")
        if self._service not in (audience if isinstance(audience, list) else [audience]):
            raise BadToken("the token is for another service")


def read_keys(path: Path) -> KeySet:
    """The keys of a JWKS file (RFC 7517, section 5), of which no private half is used."""
    from joserfc.errors import JoseError
    from joserfc.jwk import KeySet

    try:
        return KeySet.import_key_set(json.loads(path.read_bytes()))
    except OSError as error:
        raise Invalid(f'the key set "{path}" cannot be read: {error}') from error
    except (JoseError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise Invalid(f'"{path}" is not a JSON Web Key Set: {error}') from error


def parse_scopes(texts: Sequence[str]) -> list[Scope]:
    """The scopes that a client asks for; each text may hold several, with blanks between.

    What is none is passed over, as the token specification has it for what cannot be granted.
    """
    found = []
    for text in " ".join(texts).split():
        match = re.fullmatch(
            r"([a-z]+)(?:\([a-z]*\))?:([^\s:]+(?::[0-9]+/[^\s:]+)?):([a-z*,]*)", text
        )
        if match is not None:
            actions = tuple(dict.fromkeys(filter(None, match[3].split(","))))
            found.append(Scope(match[1], match[2], actions))
    return found


def _access(found: object) -> list[Scope]:
    scopes = []
    for each in found if isinstance(found, list) else []:
        if isinstance(each, dict):
            kind, name, actions = each.get("type"), each.get("name"), each.get("actions")
            if isinstance(kind, str) and isinstance(name, str) and isinstance(actions, list):
                texts = tuple(action for action in actions if isinstance(action, str))
                scopes.append(Scope(kind, name, texts))
    return scopes


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _proof(password_hash: bytes) -> str:
    return hashlib.sha256(b"refresh\0" + password_hash).hexdigest()[:32]


def _own_key(path: Path) -> dict[str, Any]:
    from joserfc.jwk import ECKey

    def make() -> bytes:
        key = ECKey.generate_key("P-256", {"use": "sig"}, auto_kid=True)
        return json.dumps(key.as_dict(private=True)).encode()

    found = json.loads(keys.own(path, make))
    if not isinstance(found, dict):
        raise Invalid(f'"{path}" is not a key')
    return found
