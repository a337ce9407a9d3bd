"""Settings from the environment; flags come first, then the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping

from lamina.errors import Invalid

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from lamina.engine import Settings
    from lamina.remote.settings import RemoteSettings


def root_of(environment: Mapping[str, str], root: str | None = None) -> str:
    """Where the store is, by the flag `root` or the environment, absolute."""
    return _absolute(root or environment.get("LAMINA_ROOT") or _usual_root(environment))


def from_environment(environment: Mapping[str, str], *, root: str | None = None) -> Settings:
    """What the environment says, with `root` (the flag) before it."""
    from lamina.engine import Settings

    return Settings(
        root=root_of(environment, root),
        snapshotter=environment.get("LAMINA_SNAPSHOTTER") or None,
        runtime=environment.get("LAMINA_RUNTIME") or "native",
        platform=environment.get("DOCKER_DEFAULT_PLATFORM") or None,
        remote=lambda: _remote(environment),
        source_date_epoch=_epoch(environment.get("SOURCE_DATE_EPOCH")),
    )


def _absolute(path: str) -> str:
    """As `Path.absolute`: ".." stays, for what is before it may be a link."""
    return os.path.join(os.getcwd(), path)


def _remote(environment: Mapping[str, str]) -> RemoteSettings:
    """What the environment says of registries; read only by what reaches one."""
    from lamina.cli import remotes

    return remotes.from_environment(environment)


def _epoch(text: str | None) -> int | None:
    """SOURCE_DATE_EPOCH's value (reproducible-builds.org, "SOURCE_DATE_EPOCH")."""
    if not text:
        return None
    try:
        seconds = int(text, 10)
    except ValueError:
        seconds = -1
    if seconds < 0:
        raise Invalid(
            f'SOURCE_DATE_EPOCH is "{text}"', hint="expected whole seconds since 1970-01-01 UTC"
        )
    return seconds


def _usual_root(environment: Mapping[str, str]) -> str:
    if os.geteuid() == 0:
        return "/var/lib/lamina"
    home = environment.get("XDG_DATA_HOME") or os.path.expanduser("~/.local/share")
    return f"{home}/lamina"
