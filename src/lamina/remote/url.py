"""URLs as peers send them: whatever is wrong with one is Invalid, and what is secret stays so."""

from __future__ import annotations

from urllib.parse import SplitResult, quote, urljoin, urlsplit, urlunsplit

from lamina.errors import Invalid

SCHEMES = {"http": 80, "https": 443}  # and the port that each has by itself


def split(url: str) -> SplitResult:
    """The parts of a URL, whose host and port can be asked for; Invalid if it is none."""
    try:
        parts = urlsplit(url)
        _ = parts.port, parts.hostname
    except ValueError:
        raise Invalid("a registry leads to something that is no URL") from None
    return parts


def join(base: str, target: str) -> str:
    """Where `target`, a URL or a part of one, leads from `base`."""
    try:
        return urljoin(base, target)
    except ValueError:
        raise Invalid(f'"{shown(base)}" leads to something that is no URL') from None


def origin(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port: what a secret belongs to (RFC 6454)."""
    parts = split(url)
    scheme = parts.scheme.lower()
    return scheme, (parts.hostname or "").lower(), parts.port or SCHEMES.get(scheme)


def shown(url: str) -> str:
    """The URL as it may be shown: without user, query and fragment, which carry secrets."""
    parts = split(url)
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    port = f":{parts.port}" if parts.port else ""
    text = f"{parts.scheme}://{host}{port}{parts.path[:300]}"
    return "".join(c if c.isprintable() else "?" for c in text)


def with_query(url: str, name: str, value: str) -> str:
    """The URL with one more parameter; what was in its query stays as it is."""
    parts = split(url)
    added = f"{name}={quote(value, safe='')}"
    return urlunsplit(parts._replace(query=f"{parts.query}&{added}" if parts.query else added))
