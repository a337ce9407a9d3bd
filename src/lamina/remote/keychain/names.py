"""The names by which credentials are filed: hosts, paths, and what old clients wrote instead.

Docker files a registry under its host, but Docker Hub under a URL; containers/* file a path under
a host as well (containers-auth.json(5)); what old clients wrote has a scheme and perhaps a path.
"""

from __future__ import annotations

HUB = "https://index.docker.io/v1/"  # the key of Docker Hub
_HUB_HOSTS = frozenset({"docker.io", "index.docker.io", "registry-1.docker.io"})


def server(host: str) -> str:
    """What Docker calls a registry in its files, and to credential helpers.

    >>> server("registry-1.docker.io"), server("https://quay.io/v1/"), server("quay.io")
    ('https://index.docker.io/v1/', 'quay.io', 'quay.io')
    """
    plain = normal(host)
    return HUB if plain == "docker.io" else plain


def normal(key: str) -> str:
    """A key without scheme; what had one loses its path too, as that is part of an API.

    A key with a path but no scheme stays whole: it is for that path alone.
    """
    scheme, separator, rest = key.partition("://")
    plain = rest.partition("/")[0] if separator and scheme in ("http", "https") else key
    plain = plain.rstrip("/")
    return "docker.io" if plain in _HUB_HOSTS else plain


def candidates(host: str, path: str) -> list[str]:
    """The keys to look for, the most telling first: host/ns/repo, host/ns, host."""
    plain = normal(host)
    parts = path.strip("/").split("/") if path.strip("/") else []
    return ["/".join((plain, *parts[:count])) for count in range(len(parts), -1, -1)]
