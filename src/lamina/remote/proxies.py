"""Proxies: through which one a URL is asked for (golang.org/x/net/http/httpproxy).

NO_PROXY is a list with commas. Each of it is
    *                       everything
    10.0.0.1, 10.0.0.0/8    an address, or a range of them
    example.com             that host, and all beneath it
    .example.com            all beneath it only; *.example.com is the same
    …:8080                  of a host or an address: that port only
This machine itself is never asked for through a proxy.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import SplitResult, urlsplit

from lamina.errors import Invalid
from lamina.values import dataclass, field

_PORTS = {"http": 80, "https": 443}
_SCHEMES = ("http", "https", "socks5", "socks5h")


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxies:
    """The settings, as HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY have them."""

    http: str = field(default="", repr=False)  # they may hold a password
    https: str = field(default="", repr=False)
    all: str = field(default="", repr=False)  # for what has none of its own; unknown to Go
    no_proxy: str = ""


def proxy_for(url: str, proxies: Proxies) -> str | None:
    """The URL of the proxy for `url`, or None to ask directly; Invalid if it is malformed."""
    parts = urlsplit(url)
    own = proxies.https if parts.scheme == "https" else proxies.http
    chosen = own or proxies.all
    if not chosen or not parts.hostname or _is_direct(parts, proxies.no_proxy):
        return None
    text = chosen if "://" in chosen else f"http://{chosen}"
    try:
        found = urlsplit(text)
        if found.scheme in _SCHEMES and found.hostname and found.port != 0:
            return text
    except ValueError:
        pass  # brackets that stay open, or a port that is no number
    raise Invalid(
        f'the proxy for "{parts.scheme}" is not a URL',  # its text may hold a password
        hint='expected "http://host:port"',
    )


def _is_direct(parts: SplitResult, no_proxy: str) -> bool:
    host = (parts.hostname or "").lower()
    port = str(parts.port or _PORTS.get(parts.scheme))
    address = _address(host)
    if host == "localhost" or (address is not None and address.is_loopback):
        return True
    return any(_matches(rule.strip().lower(), host, port, address) for rule in no_proxy.split(","))


def _matches(
    rule: str, host: str, port: str, address: ipaddress.IPv4Address | ipaddress.IPv6Address | None
) -> bool:
    if rule == "*":
        return True
    if "/" in rule:
        try:
            return address is not None and address in ipaddress.ip_network(rule, strict=False)
        except ValueError:
            pass  # not a range: a name that no host has
    name, wanted_port = _split(rule)
    if not name or (wanted_port and wanted_port != port):
        return False
    if (exact := _address(name)) is not None:
        return address == exact
    name = name[1:] if name.startswith("*.") else name
    if name.startswith("."):
        return host.endswith(name)
    return host == name or host.endswith(f".{name}")


def _split(rule: str) -> tuple[str, str]:
    """The name and the port, if there is one, of "name", "name:1", "::1", "[::1]:1"."""
    if rule.startswith("["):
        name, _, rest = rule[1:].partition("]")
        return name, rest.removeprefix(":")
    if rule.count(":") == 1:
        name, _, port = rule.partition(":")
        return name, port
    return rule, ""


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
