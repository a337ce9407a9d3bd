"""Where credentials are kept on this machine, as the caller found it in the environment."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from lamina.values import dataclass, field


@dataclass(frozen=True, slots=True)
class Place:
    """One file that holds credentials; it need not exist."""

    path: Path
    is_old: bool = False  # of the form of ~/.dockercfg: hosts at top level, and nothing else


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """All that a keychain asks, the first answer counts; and where it puts what is new."""

    text: str = field(default="", repr=False)  # DOCKER_AUTH_CONFIG: asked first, never written
    files: tuple[Place, ...] = ()
    home: Path | None = None  # the one of `files` that new credentials go to
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)  # of helpers; PATH
