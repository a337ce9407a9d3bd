"""Where a reference is looked for: mirrors, locations, what is blocked, and how to connect."""

from lamina.remote.hosts.endpoint import Endpoint, Tls
from lamina.remote.hosts.hosts import HostFiles, Hosts

__all__ = ["Endpoint", "HostFiles", "Hosts", "Tls"]
