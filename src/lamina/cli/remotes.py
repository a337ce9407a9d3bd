"""What the environment says about registries: files of hosts and credentials, and proxies."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from lamina.remote.hosts import HostFiles
    from lamina.remote.keychain import Places
    from lamina.remote.proxies import Proxies
    from lamina.remote.settings import RemoteSettings

_ETC = Path("/etc/containers")
_DOCKER = Path("/etc/docker")


def from_environment(environment: Mapping[str, str], *, etc: Path = Path("/")) -> RemoteSettings:
    """The places that Docker and containers/* look at too; the machine's own are below `etc`."""
    from lamina.cli.main import VERSION
    from lamina.remote.settings import RemoteSettings

    return RemoteSettings(
        hosts=_hosts(environment, etc),
        credentials=_credentials(environment),
        proxies=_proxies(environment),
        user_agent=f"lamina/{VERSION}",
    )


def _home(environment: Mapping[str, str]) -> Path:
    return Path(environment.get("HOME") or Path("~").expanduser()).absolute()


def _configuration(environment: Mapping[str, str]) -> Path:
    given = environment.get("XDG_CONFIG_HOME")
    return Path(given or _home(environment) / ".config").absolute()


def _credentials(environment: Mapping[str, str]) -> Places:
    """Where credentials are (containers-auth.json(5); docker login, "Credential stores").

    REGISTRY_AUTH_FILE stands for all files. New credentials go there, or where Docker keeps them.
    """
    from lamina.remote.keychain import Place, Places

    text = environment.get("DOCKER_AUTH_CONFIG", "")
    if given := environment.get("REGISTRY_AUTH_FILE"):
        only = Path(given).absolute()
        return Places(text=text, files=(Place(only),), home=only, environment=environment)
    home = _home(environment)
    runtime = environment.get("XDG_RUNTIME_DIR")
    running = Path(runtime) / "containers" if runtime else Path(f"/run/containers/{os.geteuid()}")
    docker = Path(environment.get("DOCKER_CONFIG") or home / ".docker").absolute() / "config.json"
    found = (
        Place(running / "auth.json"),
        Place(_configuration(environment) / "containers/auth.json"),
        Place(docker),
        Place(home / ".dockercfg", is_old=True),
    )
    return Places(text=text, files=found, home=docker, environment=environment)


def _hosts(environment: Mapping[str, str], etc: Path) -> HostFiles:
    """Where the settings of registries are (containers-registries.conf.d(5)).

    A registries.conf of the user's own stands for the machine's, and its directory for theirs.
    """
    from lamina.remote.hosts import HostFiles

    def below(path: Path) -> Path:
        return etc / path.relative_to("/")

    ours, machine = _configuration(environment) / "containers", below(_ETC)
    main = ours / "registries.conf"
    more: tuple[Path, ...] = (ours / "registries.conf.d",)
    if not main.exists():
        main, more = machine / "registries.conf", (machine / "registries.conf.d", *more)
    if given := environment.get("CONTAINERS_REGISTRIES_CONF"):
        main = Path(given).absolute()
    return HostFiles(
        registries=main,
        registries_more=more,
        daemon=below(_DOCKER) / "daemon.json",
        certificates=(ours / "certs.d", machine / "certs.d", below(_DOCKER) / "certs.d"),
        bundle=_bundle(environment),
        insecure=frozenset(
            part.strip()
            for part in environment.get("LAMINA_INSECURE_REGISTRIES", "").split(",")
            if part.strip()
        ),
    )


def _bundle(environment: Mapping[str, str]) -> tuple[Path, ...]:
    """The certificates to trust instead of the machine's: as Go names them, or as Python does."""
    file = environment.get("SSL_CERT_FILE")
    directories = environment.get("SSL_CERT_DIR", "").split(":")
    found = tuple(Path(text).absolute() for text in (file, *directories) if text)
    if not found and (given := environment.get("REQUESTS_CA_BUNDLE")):
        found = (Path(given).absolute(),)
    return found


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
