"""Mount options as runtime-spec spells them (config.md, "Linux mount options")."""

from __future__ import annotations

from lamina.fs import syscalls

_FLAGS = {
    "ro": (syscalls.MS_RDONLY, True),
    "rw": (syscalls.MS_RDONLY, False),
    "nosuid": (syscalls.MS_NOSUID, True),
    "suid": (syscalls.MS_NOSUID, False),
    "nodev": (syscalls.MS_NODEV, True),
    "dev": (syscalls.MS_NODEV, False),
    "noexec": (syscalls.MS_NOEXEC, True),
    "exec": (syscalls.MS_NOEXEC, False),
    "sync": (syscalls.MS_SYNCHRONOUS, True),
    "async": (syscalls.MS_SYNCHRONOUS, False),
    "dirsync": (syscalls.MS_DIRSYNC, True),
    "noatime": (syscalls.MS_NOATIME, True),
    "atime": (syscalls.MS_NOATIME, False),
    "nodiratime": (syscalls.MS_NODIRATIME, True),
    "diratime": (syscalls.MS_NODIRATIME, False),
    "relatime": (syscalls.MS_RELATIME, True),
    "norelatime": (syscalls.MS_RELATIME, False),
    "strictatime": (syscalls.MS_STRICTATIME, True),
    "nostrictatime": (syscalls.MS_STRICTATIME, False),
    "defaults": (0, True),
}
_PROPAGATION = {
    "private": syscalls.MS_PRIVATE,
    "rprivate": syscalls.MS_PRIVATE | syscalls.MS_REC,
    "slave": syscalls.MS_SLAVE,
    "rslave": syscalls.MS_SLAVE | syscalls.MS_REC,
    "shared": syscalls.MS_SHARED,
    "rshared": syscalls.MS_SHARED | syscalls.MS_REC,
    "unbindable": syscalls.MS_UNBINDABLE,
    "runbindable": syscalls.MS_UNBINDABLE | syscalls.MS_REC,
}
_ATTRIBUTES = (
    (syscalls.MS_RDONLY, syscalls.MOUNT_ATTR_RDONLY),
    (syscalls.MS_NOSUID, syscalls.MOUNT_ATTR_NOSUID),
    (syscalls.MS_NODEV, syscalls.MOUNT_ATTR_NODEV),
    (syscalls.MS_NOEXEC, syscalls.MOUNT_ATTR_NOEXEC),
)


def split(options: list[str]) -> tuple[int, int, str, bool]:
    """Flags for mount(2), the propagation to set after, the rest as data, and whether recursive."""
    flags, propagation, recursive = 0, 0, False
    data = []
    for option in options:
        if option in _FLAGS:
            flag, is_set = _FLAGS[option]
            flags = flags | flag if is_set else flags & ~flag
        elif option in _PROPAGATION:
            propagation = _PROPAGATION[option]
        elif option in ("bind", "rbind"):
            recursive = option == "rbind"
        else:
            data.append(option)
    return flags, propagation, ",".join(data), recursive


def attributes(flags: int) -> int:
    """The same restrictions for mount_setattr(2)."""
    return sum(attribute for flag, attribute in _ATTRIBUTES if flags & flag)
