"""Hosts: the endpoints of a reference, in the order in which they are to be tried."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from lamina.errors import Denied
from lamina.oci.reference import HUB, Reference
from lamina.remote.hosts import certificates, daemon, registries
from lamina.remote.hosts.daemon import Daemon
from lamina.remote.hosts.endpoint import Endpoint, Tls
from lamina.remote.hosts.registries import Mirror, PullFrom, Registries, Registry
from lamina.values import dataclass

_HUB_HOST = "registry-1.docker.io"
_BOTH = ("https", "http")


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFiles:
    """The files that say where registries are, as the caller found them; none need exist."""

    registries: Path | None = None  # registries.conf
    registries_more: tuple[Path, ...] = ()  # directories of further ones
    daemon: Path | None = None  # daemon.json
    certificates: tuple[Path, ...] = ()  # certs.d; the first that knows a host counts
    bundle: tuple[Path, ...] = ()  # trusted instead of the machine's own
    insecure: frozenset[str] = frozenset()  # host[:port] that need not prove who they are


class Hosts:
    """Knows where a reference is looked for. The files are read once, at the first question."""

    def __init__(self, files: HostFiles | None = None) -> None:
        self._files = files or HostFiles()

    @cached_property
    def registries(self) -> Registries:
        """All that registries.conf says, also of credential helpers and short names."""
        return registries.read(self._files.registries, self._files.registries_more)

    @cached_property
    def daemon(self) -> Daemon:
        return daemon.read(self._files.daemon)

    def endpoints(self, reference: Reference, *, for_push: bool = False) -> list[Endpoint]:
        """The places that may have `reference`, mirrors first; a push knows the last one only.

        Mirrors and other locations are for reading, as in containers/image: a push goes where the
        name says. Denied if the name is blocked.
        """
        found = self._allowed(reference.name, reference.familiar_name)
        table = None if found is None else found[0]
        if for_push:
            return [self._endpoint(reference.name, table is not None and table.insecure)]
        rest = reference.name if found is None else reference.name[found[1] :]
        return [*self._mirrors(reference, table, rest), self._primary(reference, table, rest)]

    def registry(self, domain: str) -> Endpoint:
        """The registry itself, without a repository: to log in to. Denied if it is blocked."""
        found = self._allowed(domain, domain)
        return self._endpoint(domain, found is not None and found[0].insecure)

    def _allowed(self, name: str, shown: str) -> tuple[Registry, int] | None:
        """The table for `name`, if there is one, and for how much of it; Denied if blocked."""
        found = self.registries.find(name)
        if found is not None and found[0].blocked:
            raise Denied(
                f'"{shown}" is blocked by "{found[0].file}", as all of "{found[0].prefix}" is',
                hint="take another registry, or change that file",
            )
        return found

    def _mirrors(
        self, reference: Reference, table: Registry | None, rest: str
    ) -> Iterator[Endpoint]:
        for mirror in () if table is None else table.mirrors:
            if _is_asked(mirror, reference):
                yield self._endpoint(mirror.location + rest, mirror.insecure, is_mirror=True)
        if reference.domain == HUB and (table is None or table.location in ("", HUB)):
            for scheme, authority in self.daemon.mirrors:
                name = f"{authority}/{reference.path}"
                yield self._endpoint(name, False, schemes=(scheme,), is_mirror=True)

    def _primary(self, reference: Reference, table: Registry | None, rest: str) -> Endpoint:
        if table is None:
            return self._endpoint(reference.name, False)
        name = table.location + rest if table.location else reference.name
        return self._endpoint(name, table.insecure)

    def _endpoint(
        self,
        name: str,
        insecure: bool,
        *,
        schemes: tuple[str, ...] = (),
        is_mirror: bool = False,
    ) -> Endpoint:
        """The endpoint for host[:port]/path; `schemes` if the configuration names them."""
        domain, _, path = name.partition("/")
        host, port = split(domain)
        insecure = (
            insecure
            or domain in self._files.insecure
            or is_loopback(host)
            or self.daemon.allows_insecure(host, port)
        )
        trusted, pairs = certificates.find(self._files.certificates, domain)
        return Endpoint(
            schemes=schemes or (_BOTH if insecure else ("https",)),
            host=_HUB_HOST if domain == HUB else host,
            port=port,
            repository=path,
            domain=domain,
            tls=Tls(not insecure, trusted, self._files.bundle, pairs),
            is_mirror=is_mirror,
        )


def split(domain: str) -> tuple[str, int | None]:
    """The host and the port of host[:port], as references spell it; no brackets stay."""
    host, colon, port = domain.rpartition(":")
    if not colon or port.endswith("]"):
        host, port = domain, ""
    return host.removeprefix("[").removesuffix("]"), int(port) if port else None


def is_loopback(host: str) -> bool:
    """Whether a host is this machine: such a registry may speak plain HTTP, as in Docker."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_asked(mirror: Mirror, reference: Reference) -> bool:
    has_digest = reference.digest is not None
    match mirror.pull_from:
        case PullFrom.ALL:
            return True
        case PullFrom.DIGEST_ONLY:
            return has_digest
        case PullFrom.TAG_ONLY:
            return not has_digest
