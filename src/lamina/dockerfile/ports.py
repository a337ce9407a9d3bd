"""The ports of EXPOSE (docker/go-connections, nat.ParsePortSpec)."""

from __future__ import annotations

from lamina.errors import Invalid
from lamina.late import re

_PROTOCOLS = frozenset(("tcp", "udp", "sctp"))
_NUMBER = r"[0-9]+"
_HINT = "expected a port or a range, and perhaps a protocol: 80, 8000-8010/tcp"


def parse_ports(text: str) -> list[str]:
    """The container ports of `[address:][host port:]port[/protocol]`, each as `80/tcp`; Invalid.

    A range gives each of its ports. Address and host port are checked, and mean nothing here.
    """
    before, _, last = text.rpartition(":")
    address, _, host = before.rpartition(":")
    container, _, protocol = last.partition("/")
    if not container:
        raise Invalid(f'no port in "{text}"', hint=_HINT)
    protocol = (protocol or "tcp").lower()
    if protocol not in _PROTOCOLS:
        raise Invalid(
            f'protocol "{protocol}" of "{text}" is not known', hint="use tcp, udp or sctp"
        )
    _check_address(address, text)
    first, last_port = _range(container, text)
    if host:
        host_first, host_last = _range(host, text)
        if first != last_port and last_port - first != host_last - host_first:
            raise Invalid(f'the two ranges of "{text}" differ in length')
    return [f"{port}/{protocol}" for port in range(first, last_port + 1)]


def _range(text: str, spec: str) -> tuple[int, int]:
    first, dash, last = text.partition("-")
    start = _port(first, spec)
    end = _port(last, spec) if dash else start
    if end < start:
        raise Invalid(f'range "{text}" ends before it starts', hint=_HINT)
    return start, end


def _port(text: str, spec: str) -> int:
    if not re.fullmatch(_NUMBER, text) or len(text) > 20 or int(text) > 65535:
        raise Invalid(f'"{text}" in "{spec}" is no port', hint=_HINT)
    return int(text)


def _check_address(address: str, spec: str) -> None:
    if not address:
        return
    import ipaddress

    if address.startswith("[") and address.endswith("]"):
        address = address[1:-1]
    try:
        ipaddress.ip_address(address)
    except ValueError:
        raise Invalid(f'"{address}" in "{spec}" is no IP address') from None
