"""Who is asking, what they may do, and how they are asked for proof.

Proof is a password (Basic, RFC 7617) or a token (Bearer, RFC 6750). A token's access is what was
granted when it was made; a password's is what the rules say now.
"""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable

from lamina.errors import Denied
from lamina.serve.errors import Unauthorized
from lamina.serve.request import NOBODY, Caller, Request
from lamina.serve.rights import Action, Rights

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from lamina.serve.passwords import Passwords
    from lamina.serve.tokens import Issuer, Scope, Verifier

InThread = Callable[..., Awaitable[bool]]
_LONGEST = 8 << 10  # characters of a header


class Access:
    """The doorkeeper. Without `passwords` and `verifier` everybody is anonymous."""

    def __init__(
        self,
        rights: Rights,
        *,
        passwords: Passwords | None = None,
        verifier: Verifier | None = None,
        issuer: Issuer | None = None,
        realm: str | None = None,
        service: str = "lamina",
        trusts_rules: bool = True,
    ) -> None:
        self.rights = rights
        self.passwords = passwords
        self.verifier = verifier
        self.issuer = issuer
        self.realm = realm  # URL of the token endpoint; None: our own
        self.service = service
        self.trusts_rules = trusts_rules  # tokens are our own, whose subjects the rules know

    @property
    def is_open(self) -> bool:
        """Whether nobody is asked for proof."""
        return self.passwords is None and self.verifier is None

    async def caller(self, request: Request, in_thread: InThread) -> Caller:
        """Who sends the request; Unauthorized if the proof is wrong."""
        text = request.header("authorization")
        if text is None or self.is_open:
            return NOBODY
        from lamina.serve.tokens import BadToken

        scheme, _, rest = text.partition(" ")
        if scheme.lower() == "bearer" and self.verifier is not None:
            try:
                claims = self.verifier.verify(rest.strip())
            except BadToken as error:
                raise self.unauthorized(request, error.message, error="invalid_token") from None
            return Caller(claims.subject, claims)
        if scheme.lower() == "basic" and self.passwords is not None and len(text) < _LONGEST:
            user, password = _credentials(rest)
            if not user and not password:
                return NOBODY  # as some clients say it
            if await self.is_right(user, password, in_thread):
                return Caller(user)
        raise self.unauthorized(request, "the credentials are not right")

    async def is_right(self, user: str, password: str, in_thread: InThread) -> bool:
        """Whether that is the user's password."""
        if self.passwords is None:
            return False
        if self.passwords.remembered(user, password):
            return True
        return await in_thread(self.passwords.check, user, password)

    def may(self, caller: Caller, name: str, action: Action) -> bool:
        if caller.claims is not None:
            return caller.claims.allows(name, action)
        return action in self.rights.actions(caller.user, name)

    def may_see(self, caller: Caller, name: str) -> bool:
        """Whether lists show the repository: whether it may be pulled from, by any token."""
        if caller.claims is not None and not self.trusts_rules:
            return caller.claims.may_list or caller.claims.allows(name, Action.PULL)
        return Action.PULL in self.rights.actions(caller.user, name)

    def require(self, request: Request, caller: Caller, name: str, action: Action) -> None:
        """Unauthorized if better proof may help, Denied if it is known who may not."""
        if self.may(caller, name, action):
            return
        from lamina.serve.tokens import Scope

        # Who may push may also pull, so that a client asks for both at once, as Docker does.
        asked = (Action.PULL, Action.PUSH) if action is Action.PUSH else (action,)
        scope = Scope("repository", name, asked)
        may_help = caller.user is None or (
            caller.claims is not None and self._may_help(caller, scope)
        )
        if may_help and not self.is_open:
            error = "insufficient_scope" if caller.claims is not None else None
            raise self.unauthorized(request, f'"{name}": {action} needs a login', scope, error)
        raise Denied(f'"{caller.user or "anonymous"}" may not {action} "{name}"')

    def require_login(self, request: Request, caller: Caller) -> None:
        """For /v2/, by which clients find out whether to log in."""
        if not self.is_open and caller.user is None and caller.claims is None:
            raise self.unauthorized(request, "log in, or go on without")

    def require_catalog(self, request: Request, caller: Caller) -> None:
        """A list for nobody is a challenge, unless anybody may pull something."""
        if self.is_open or caller.user is not None or self.rights.lets_anybody_in:
            return
        if caller.claims is None:
            from lamina.serve.tokens import Scope

            scope = Scope("registry", "catalog", ("*",))
            raise self.unauthorized(request, "the catalog needs a login", scope)

    def unauthorized(
        self,
        request: Request,
        message: str,
        scope: Scope | None = None,
        error: str | None = None,
    ) -> Unauthorized:
        """The refusal that says how to prove who one is."""
        if self.verifier is None:
            return Unauthorized(message, f'Basic realm="{self.service}", charset="UTF-8"')
        realm = self.realm or f"{request.scheme}://{request.host}/token"
        challenge = f'Bearer realm="{_quoted(realm)}",service="{_quoted(self.service)}"'
        if scope is not None:
            challenge += f',scope="{_quoted(str(scope))}"'
        if error is not None:
            challenge += f',error="{error}"'
        return Unauthorized(message, challenge)

    def _may_help(self, caller: Caller, scope: Scope) -> bool:
        """Whether a login, or another token, would give what this one does not."""
        if caller.user is None:
            return True
        if caller.claims is None:
            return False
        if not self.trusts_rules:
            return True
        granted = self.rights.actions(caller.user, scope.name)
        return Action(scope.actions[-1]) in granted


def _credentials(text: str) -> tuple[str, str]:
    """User and password of a Basic header; empty if it is malformed."""
    try:
        user, _, password = base64.b64decode(text.strip(), validate=True).decode().partition(":")
    except ValueError:
        return "?", "?"
    return user, password


def _quoted(text: str) -> str:
    """`text` for within quotes (RFC 9110, section 5.6.4)."""
    clean = "".join(character for character in text if " " <= character <= "~")
    return clean.replace("\\", "\\\\").replace('"', '\\"')
