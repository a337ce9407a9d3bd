"""The token endpoint: Docker's token specification, by GET, and OAuth 2's, by POST.

GET  /token?service=...&scope=...&offline_token=true   with Basic, or without for anonymous
POST /token   grant_type=password or refresh_token (RFC 6749, sections 4.3 and 6)
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from lamina.serve import tokens
from lamina.serve.answer import Answer, of_json
from lamina.serve.errors import Unauthorized
from lamina.serve.request import BadRequest, Request
from lamina.serve.rights import Action
from lamina.serve.tokens import BadToken, Scope

if TYPE_CHECKING:
    from lamina.serve.access import Access
    from lamina.serve.app import App

_FORM = 64 << 10  # bytes of a form
_SCOPES = 100
_NO_STORE = {"cache-control": "no-store", "pragma": "no-cache"}


async def by_get(app: App, request: Request) -> Answer:
    """A token for whoever Basic says, or for anonymous."""
    caller = await app.access.caller(request, app.in_judge)
    if caller.claims is not None:
        raise _wrong(app, "a token gives no other token")
    scopes = granted(app.access, caller.user, request.query.get("scope", []))
    document = _document(app, caller.user, scopes)
    is_offline = request.parameter("offline_token") in ("true", "1")
    if is_offline and caller.user is not None:
        document["refresh_token"] = _refresh(app, caller.user)
    return of_json(200, document, _NO_STORE)


async def by_post(app: App, request: Request) -> Answer:
    """A token for a password, or for a refresh token."""
    form = _form(await request.body("the form", _FORM))
    kind = form.get("grant_type", [""])[0]
    if kind == "password":
        user, password = form.get("username", [""])[0], form.get("password", [""])[0]
        if not await app.access.is_right(user, password, app.in_judge):
            return _refused("invalid_grant", "the credentials are not right")
        offline = form.get("access_type", [""])[0] == "offline"
        refresh = _refresh(app, user) if offline else None
    elif kind == "refresh_token":
        refresh = form.get("refresh_token", [""])[0]
        try:
            user = _owner(app, refresh)
        except BadToken as error:
            return _refused("invalid_grant", error.message)
    else:
        return _refused("unsupported_grant_type", 'expected "password" or "refresh_token"')
    scopes = granted(app.access, user, form.get("scope", []))
    document = _document(app, user, scopes)
    document["scope"] = " ".join(str(scope) for scope in scopes)
    if refresh is not None:
        document["refresh_token"] = refresh
    return of_json(200, document, _NO_STORE)


def granted(access: Access, user: str | None, asked: list[str]) -> list[Scope]:
    """Of what is asked for, what the user may do; less than asked is no error."""
    found = []
    for scope in tokens.parse_scopes(asked)[:_SCOPES]:
        if scope.kind == "repository":
            allowed = access.rights.actions(user, scope.name)
            wanted = list(Action) if "*" in scope.actions else scope.actions
            actions = tuple(str(action) for action in wanted if action in allowed)
            if actions:
                found.append(Scope(scope.kind, scope.name, actions))
        elif scope.kind == "registry" and scope.name == "catalog":
            found.append(scope)  # the catalog shows what one may pull, and nothing else
    return found


def _document(app: App, user: str | None, scopes: list[Scope]) -> dict[str, object]:
    issuer = app.access.issuer
    assert issuer is not None
    token = issuer.token(user, scopes)
    return {
        "token": token,
        "access_token": token,
        "token_type": "Bearer",
        "expires_in": tokens.LIFETIME,
        "issued_at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def _refresh(app: App, user: str) -> str:
    issuer, passwords = app.access.issuer, app.access.passwords
    assert issuer is not None and passwords is not None
    hashed = passwords.hash_of(user)
    if hashed is None:
        raise _wrong(app, "the user is gone")
    return issuer.refresh(user, hashed)


def _owner(app: App, token: str) -> str:
    """Whose refresh token it is; BadToken."""
    verifier, passwords = app.access.verifier, app.access.passwords
    if verifier is None or passwords is None:
        raise BadToken("refresh tokens are not given here")
    subject = verifier.claims(token).get("sub")
    user = subject if isinstance(subject, str) else ""
    verifier.refreshed(token, passwords.hash_of(user), user)
    return user


def _form(body: bytes) -> dict[str, list[str]]:
    try:
        return parse_qs(body.decode("ascii"), keep_blank_values=True, max_num_fields=_SCOPES)
    except ValueError:
        raise BadRequest("the form is malformed") from None


def _refused(error: str, description: str) -> Answer:
    """As RFC 6749, section 5.2 has it."""
    return of_json(400, {"error": error, "error_description": description}, _NO_STORE)


def _wrong(app: App, message: str) -> Unauthorized:
    return Unauthorized(message, f'Basic realm="{app.access.service}"')
