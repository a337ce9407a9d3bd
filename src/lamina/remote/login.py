"""Whether a registry takes a credential (distribution-spec, end-1)."""

from __future__ import annotations

from lamina.errors import Denied
from lamina.remote.hosts import Endpoint
from lamina.remote.keychain import Credential
from lamina.remote.session import Session
from lamina.remote.transport import Transport


def verify(endpoint: Endpoint, credential: Credential, transport: Transport) -> None:
    """Ask the registry at `endpoint` with `credential`; Denied if it is not taken.

    A registry that asks nobody who he is takes any, as for Docker.
    """
    session = Session(endpoint, transport, lambda host, path: credential)
    try:
        session.send("GET", "/v2/").close()
    except Denied as error:
        raise Denied(
            f'login to "{endpoint.domain}" failed: {error.message}',
            hint="check the name and the password, or token",
        ) from None
