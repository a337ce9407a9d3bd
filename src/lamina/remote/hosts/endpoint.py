"""Endpoints: one place to ask for a repository, and how to speak to it."""

from __future__ import annotations

from pathlib import Path

from lamina.values import dataclass


@dataclass(frozen=True, slots=True)
class Tls:
    """How the peer proves who it is, and how we do."""

    verify: bool = True
    ca_files: tuple[Path, ...] = ()  # trusted for this place, besides those below
    bundle: tuple[Path, ...] = ()  # files and directories that stand for the machine's own, if any
    pairs: tuple[tuple[Path, Path], ...] = ()  # client certificates, each with its key


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One place that may have a repository."""

    schemes: tuple[str, ...]  # in the order to be tried: https, and http where that is allowed
    host: str  # to connect to; an IPv6 address without brackets
    port: int | None  # None: the scheme's
    repository: str  # its path at this place
    domain: str  # by which credentials are known: the name in references, "docker.io" for Hub
    tls: Tls = Tls()
    is_mirror: bool = False

    @property
    def authority(self) -> str:
        """host[:port] as it stands in URLs."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"

    def base(self, scheme: str) -> str:
        """The URL that the paths of the distribution spec are appended to."""
        return f"{scheme}://{self.authority}"
