"""What a RUN mounts and keeps out of its layer."""

from __future__ import annotations

from lamina.dockerfile import instructions as ins
from lamina.dockerfile.mounts import MountType, parse_mount
from lamina.errors import Invalid


def caches(run: ins.Run, *types: MountType) -> list[str]:
    """Where a RUN mounts caches and temporary file systems; what is there is in no layer."""
    wanted = types or (MountType.CACHE, MountType.TMPFS)
    found: list[str] = []
    for text in run.mounts:
        try:
            mount = parse_mount(text, str)  # variables stay as they are
        except Invalid:
            continue
        if mount.type in wanted and mount.target:
            found.append(mount.target)
    return found
