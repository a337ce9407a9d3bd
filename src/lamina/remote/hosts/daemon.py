"""daemon.json: what Docker's daemon is told of registries.

insecure-registries   host[:port], or a range of addresses as in "10.0.0.0/8"
registry-mirrors      URLs of places that have what Docker Hub has
"""

from __future__ import annotations

import ipaddress
from pathlib import Path

from lamina.errors import Invalid
from lamina.oci import document, reference
from lamina.oci.document import BadDocument, Fields
from lamina.values import dataclass

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Daemon:
    """The two settings."""

    insecure_hosts: frozenset[str] = frozenset()  # host[:port]
    insecure_networks: tuple[Network, ...] = ()
    mirrors: tuple[tuple[str, str], ...] = ()  # scheme, host[:port]

    def allows_insecure(self, host: str, port: int | None) -> bool:
        """Whether a place need not prove who it is. Names are not resolved, unlike in Docker."""
        bracketed = f"[{host}]" if ":" in host else host
        if (bracketed if port is None else f"{bracketed}:{port}") in self.insecure_hosts:
            return True
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return False
        return any(address in network for network in self.insecure_networks)


def read(file: Path | None) -> Daemon:
    """What the file says; nothing where there is none. Invalid names the file and the key."""
    if file is None:
        return Daemon()
    try:
        raw = file.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return Daemon()
    if not raw.strip():
        return Daemon()
    try:
        return _parse(Fields(document.load(raw, "its content"), ""))
    except BadDocument as error:
        raise Invalid(f'"{file}": {error.message}', hint=error.hint) from None


def _parse(fields: Fields) -> Daemon:
    hosts: set[str] = set()
    networks: list[Network] = []
    for text in fields.texts("insecure-registries") or ():
        plain = text.removeprefix("http://").removeprefix("https://").rstrip("/")
        if reference.is_domain(plain):
            hosts.add(plain)
            continue
        try:
            networks.append(ipaddress.ip_network(plain, strict=False))
        except ValueError:
            raise fields.refuse(
                "insecure-registries", text, "host[:port], or a range of addresses"
            ) from None
    mirrors = [_mirror(fields, text) for text in fields.texts("registry-mirrors") or ()]
    return Daemon(frozenset(hosts), tuple(networks), tuple(mirrors))


def _mirror(fields: Fields, text: str) -> tuple[str, str]:
    scheme, _, rest = text.partition("://")
    authority = rest.removesuffix("/")
    if scheme not in ("http", "https") or not reference.is_domain(authority):
        raise fields.refuse("registry-mirrors", text, "http:// or https://, host[:port], no path")
    return scheme, authority
