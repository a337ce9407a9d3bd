"""Where a reference is looked for: mirrors, locations, what is blocked, and how to connect."""

from lamina.remote.hosts.endpoint import Endpoint, Tls

__all__ = ["Endpoint", "Tls"]
