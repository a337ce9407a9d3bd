"""What `RUN --mount` asks for, with its defaults (Dockerfile reference, "RUN --mount")."""

from __future__ import annotations

import posixpath
from collections.abc import Callable

from lamina.build.graph import (
    BindMount,
    CacheMount,
    RunMount,
    Scratch,
    SecretMount,
    TmpfsMount,
    Tree,
)
from lamina.dockerfile.mounts import Mount, MountType, parse_mount
from lamina.errors import Invalid, Unsupported

_CACHE_MODE = 0o755
_SECRET_MODE = 0o400


def lower_mount(
    text: str,
    expand: Callable[[str], str],
    working_dir: str,
    source: Callable[[str | None], Tree],
) -> RunMount:
    """The mount that `text` describes; `source` finds the tree of a `from=`, or the context."""
    mount = parse_mount(text, expand)
    match mount.type:
        case MountType.SECRET:
            return _secret(mount)
        case MountType.SSH:
            raise Unsupported("RUN --mount=type=ssh is not built yet")
        case MountType.TMPFS:
            return TmpfsMount(_target(mount, working_dir), mount.size)
        case MountType.BIND:
            tree = source(mount.from_)
            path = _inside(mount.source)
            return BindMount(_target(mount, working_dir), tree, path, not mount.read_only)
        case MountType.CACHE:
            return _cache(mount, working_dir, source)


def _target(mount: Mount, working_dir: str) -> str:
    if not mount.target:
        raise Invalid("a mount needs a target")
    target = posixpath.normpath(posixpath.join("/", working_dir, mount.target))
    target = "/" + target.lstrip("/")
    if target == "/":
        raise Invalid(f'invalid mount target "{mount.target}": the root cannot be mounted over')
    return target


def _inside(path: str | None) -> str:
    return posixpath.normpath(posixpath.join("/", path or "/"))


def _cache(mount: Mount, working_dir: str, source: Callable[[str | None], Tree]) -> CacheMount:
    target = _target(mount, working_dir)
    return CacheMount(
        target=target,
        id=mount.id or posixpath.normpath(mount.target or target),
        sharing=mount.sharing or "shared",
        source=source(mount.from_) if mount.from_ is not None else Scratch(),
        path=_inside(mount.source),
        mode=_CACHE_MODE if mount.mode is None else mount.mode,
        uid=mount.uid or 0,
        gid=mount.gid or 0,
        read_only=mount.read_only,
    )


def _secret(mount: Mount) -> SecretMount:
    """Its name is `id`, else `source`, else the last part of the target."""
    name = mount.source or mount.id
    if not name:
        if not mount.target:
            raise Invalid("a secret needs an id or a target")
        name = posixpath.basename(mount.target)
    target = mount.target
    if target is None and mount.env is None:
        target = f"/run/secrets/{posixpath.basename(name)}"
    if target is not None:
        target = posixpath.normpath(posixpath.join("/", target))
    return SecretMount(
        id=name,
        target=target,
        env=mount.env,
        required=mount.required,
        mode=_SECRET_MODE if mount.mode is None else mount.mode,
        uid=mount.uid or 0,
        gid=mount.gid or 0,
    )
