"""Networks of a container, and the files of /etc that belong to one.

"none" is a network of its own with a loopback interface only, "host" is the host's.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lamina.errors import Unsupported
from lamina.values import dataclass

NETWORKS = ("none", "host")


def check_network(name: str) -> str:
    """`name`; Unsupported for a network that is not built here."""
    if name not in NETWORKS:
        raise Unsupported(
            f'network "{name}" is not supported',
            hint='use "none" or "host"',
        )
    return name


@dataclass(frozen=True, slots=True)
class Resolver:
    """What resolv.conf(5) says; empty parts leave the host's."""

    servers: tuple[str, ...] = ()
    search: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


def hosts_file(
    hostname: str, extra: Iterable[tuple[str, str]] = (), *, host: bytes | None = None
) -> bytes:
    """/etc/hosts: the loopback names, or the content of the `host`'s, then (name, address)es."""
    if host is not None:
        text = host if not host or host.endswith(b"\n") else host + b"\n"
    else:
        text = (
            b"127.0.0.1\tlocalhost\n"
            b"::1\tlocalhost ip6-localhost ip6-loopback\n"
            b"fe00::0\tip6-localnet\n"
            b"ff00::0\tip6-mcastprefix\n"
            b"ff02::1\tip6-allnodes\n"
            b"ff02::2\tip6-allrouters\n"
        )
        if hostname:
            text += b"127.0.1.1\t" + hostname.encode() + b"\n"
    for name, address in extra:
        text += f"{address}\t{name}\n".encode()
    return text


def resolv_file(host: bytes, change: Resolver | None = None) -> bytes:
    """/etc/resolv.conf: the `host`'s, with the parts that `change` names in their place."""
    if change is None or not (change.servers or change.search or change.options):
        return host
    replaced: Sequence[tuple[bytes, tuple[str, ...]]] = (
        (b"nameserver", change.servers),
        (b"search", change.search),
        (b"options", change.options),
    )
    gone = {keyword for keyword, values in replaced if values}
    if change.search:
        gone.add(b"domain")
    kept = [line for line in host.splitlines() if line.split()[:1] not in ([word] for word in gone)]
    for server in change.servers:
        kept.append(b"nameserver " + server.encode())
    if change.search and change.search != (".",):  # Docker's way to say none
        kept.append(b"search " + " ".join(change.search).encode())
    if change.options:
        kept.append(b"options " + " ".join(change.options).encode())
    return b"".join(line + b"\n" for line in kept)


def host_file(path: str) -> bytes:
    """What the host has at `path`; nothing if it is missing."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return b""
