"""What the caller found on this machine about registries; the library itself looks for nothing."""

from __future__ import annotations

from lamina.remote.hosts import HostFiles
from lamina.remote.keychain import Places
from lamina.remote.proxies import Proxies
from lamina.remote.retry import Patience
from lamina.values import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteSettings:
    """Where registries, credentials and proxies are said."""

    hosts: HostFiles = field(default_factory=HostFiles)
    credentials: Places = field(default_factory=Places)
    proxies: Proxies = field(default_factory=Proxies)
    user_agent: str = "lamina"
    patience: Patience = Patience()
