"""A credential: what proves to a registry who one is."""

from __future__ import annotations

from lamina.values import dataclass, field


@dataclass(frozen=True, slots=True)
class Credential:
    """A name with its secret, or a token; neither `repr` nor `str` shows more than the name."""

    username: str = ""
    secret: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)  # for the token server: a refresh token
    registry_token: str = field(default="", repr=False)  # for the registry itself: a bearer token

    @property
    def is_empty(self) -> bool:
        return not (self.username or self.secret or self.identity_token or self.registry_token)
