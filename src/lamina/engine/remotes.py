"""Registries as this engine reaches them: hosts, credentials and connections meet here."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property
from pathlib import Path

from lamina.errors import Invalid
from lamina.oci import reference as references
from lamina.oci.digest import Digest
from lamina.oci.reference import Reference
from lamina.remote.hosts import Hosts
from lamina.remote.keychain import Credential, Keychain
from lamina.remote.login import verify
from lamina.remote.proxies import proxy_for
from lamina.remote.repository import Repository
from lamina.remote.session import Session
from lamina.remote.settings import RemoteSettings
from lamina.remote.transport import Options, Transport

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from lamina.remote.hosts import Endpoint

Origins = Callable[[Digest], Iterable[str]]


class Remotes:
    """Opens repositories; connections are shared, and closed by `close`."""

    def __init__(self, settings: RemoteSettings) -> None:
        self.settings = settings
        self.hosts = Hosts(settings.hosts)
        proxies = settings.proxies
        self.transport = Transport(
            Options(
                user_agent=settings.user_agent,
                patience=settings.patience,
                proxy=lambda url: proxy_for(url, proxies),
            )
        )
        self._sessions: dict[Endpoint, Session] = {}

    @cached_property
    def keychain(self) -> Keychain:
        helpers = self.hosts.registries.credential_helpers
        return Keychain(self.settings.credentials, helpers=helpers)

    def close(self) -> None:
        self.transport.close()

    def repository(
        self, name: Reference, *, for_push: bool = False, origins: Origins | None = None
    ) -> Repository:
        """The repository of `name`; `origins` are repositories that may have a blob, in full."""
        endpoints = self.hosts.endpoints(name, for_push=for_push)
        sessions = [self._session(endpoint) for endpoint in endpoints]
        return Repository(name, sessions, origins=self._origins(name, origins))

    def registry(self, host: str) -> Session:
        """The registry `host`, as references spell it."""
        if not references.is_domain(host):
            raise Invalid(f'"{host}" is not a registry', hint="expected host[:port]")
        return self._session(self.hosts.registry(host))

    def login(self, host: str, credential: Credential) -> Path | None:
        """Keep a credential that the registry takes; the file it is in, None if a helper has it.

        Denied if the registry does not take it; then nothing is kept.
        """
        self.verify(host, credential)
        return self.keychain.store(host, credential)

    def verify(self, host: str, credential: Credential) -> None:
        """Denied unless the registry takes the credential."""
        verify(self.hosts.registry(host), credential, self.transport)

    def logout(self, host: str) -> bool:
        """Forget the credential for a registry; whether there was one."""
        return self.keychain.erase(host)

    def _session(self, endpoint: Endpoint) -> Session:
        if endpoint not in self._sessions:
            self._sessions[endpoint] = Session(endpoint, self.transport, self.keychain.credential)
        return self._sessions[endpoint]

    def _origins(self, name: Reference, known: Origins | None) -> Origins:
        """Of the repositories known, the paths of those of the same registry."""

        def origins(digest: Digest) -> Iterable[str]:
            for text in reversed(list(known(digest)) if known is not None else []):
                domain, _, path = text.partition("/")
                if domain == name.domain and path != name.path:
                    yield path

        return origins
