"""What the environment says about registries: files of hosts and credentials, and proxies."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lamina.remote.hosts import HostFiles
    from lamina.remote.keychain import Places
    from lamina.remote.proxies import Proxies
    from lamina.remote.settings import RemoteSettings

_BUNDLES = ("SSL_CERT_FILE", "SSL_CERT_DIR")


def from_environment(environment: Mapping[str, str]) -> RemoteSettings:
    """The places that Docker and containers/* look at too."""
    from lamina.cli.main import VERSION
    from lamina.remote.settings import RemoteSettings

    return RemoteSettings(
        hosts=_hosts(environment),
        credentials=_credentials(environment),
        proxies=_proxies(environment),
        user_agent=f"lamina/{VERSION}",
    )


def _home(environment: Mapping[str, str]) -> Path:
    return Path(environment.get("HOME") or "~").expanduser()


def _configuration(environment: Mapping[str, str]) -> Path:
    given = environment.get("XDG_CONFIG_HOME")
    return Path(given) if given else _home(environment) / ".config"


def _credentials(environment: Mapping[str, str]) -> Places:
    from lamina.remote.keychain import Place, Places

    home = _home(environment)
    docker = Path(environment.get("DOCKER_CONFIG") or home / ".docker") / "config.json"
    runtime = environment.get("XDG_RUNTIME_DIR")
    theirs = [Path(runtime) / "containers/auth.json"] if runtime else []
    if os.geteuid() == 0:
        theirs.append(Path("/run/containers/0/auth.json"))
    theirs.append(_configuration(environment) / "containers/auth.json")
    given = environment.get("REGISTRY_AUTH_FILE")
    files: tuple[Place, ...] = (Place(Path(given)),) if given else ()
    if not given:
        old = Place(home / ".dockercfg", is_old=True)
        files = (Place(docker), *(Place(path) for path in theirs), old)
    return Places(
        text=environment.get("DOCKER_AUTH_CONFIG", ""),
        files=files,
        home=files[0].path,
        environment=environment,
    )


def _hosts(environment: Mapping[str, str]) -> HostFiles:
    from lamina.remote.hosts import HostFiles

    ours = _configuration(environment) / "containers"
    given = environment.get("CONTAINERS_REGISTRIES_CONF")
    main = Path(given) if given else ours / "registries.conf"
    if not given and not main.exists():
        main = Path("/etc/containers/registries.conf")
    return HostFiles(
        registries=main,
        registries_more=(Path("/etc/containers/registries.conf.d"), ours / "registries.conf.d"),
        daemon=Path("/etc/docker/daemon.json"),
        certificates=(
            ours / "certs.d",
            Path("/etc/containers/certs.d"),
            Path("/etc/docker/certs.d"),
        ),
        bundle=tuple(Path(environment[name]) for name in _BUNDLES if environment.get(name)),
        insecure=frozenset(
            part.strip()
            for part in environment.get("LAMINA_INSECURE_REGISTRIES", "").split(",")
            if part.strip()
        ),
    )


def _proxies(environment: Mapping[str, str]) -> Proxies:
    from lamina.remote.proxies import Proxies

    def value(name: str) -> str:
        return environment.get(name) or environment.get(name.lower()) or ""

    return Proxies(
        http=value("HTTP_PROXY"),
        https=value("HTTPS_PROXY"),
        all=value("ALL_PROXY"),
        no_proxy=value("NO_PROXY"),
    )
