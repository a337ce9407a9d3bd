"""RUN --mount (BuildKit, "Dockerfile reference", "RUN --mount")."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from lamina.errors import Unsupported


class MountType(StrEnum):
    BIND = "bind"
    CACHE = "cache"
    TMPFS = "tmpfs"
    SECRET = "secret"
    SSH = "ssh"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """One mount of a RUN; what was not given is None."""

    type: MountType = MountType.BIND
    target: str | None = None
    source: str | None = None
    from_: str | None = None
    read_only: bool = True
    id: str | None = None
    sharing: str | None = None  # cache: shared, private or locked
    mode: int | None = None
    uid: int | None = None
    gid: int | None = None
    size: int | None = None  # tmpfs: bytes
    required: bool = False  # secret, ssh
    env: str | None = None  # secret: the variable that is to hold it


def parse_mount(text: str, expand: Callable[[str], str] | None = None) -> Mount:
    """The mount that `text` (after `--mount=`) describes, each value through `expand`; Invalid."""
    raise Unsupported("mounts are not written yet")
