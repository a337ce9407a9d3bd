"""What `-v`, `--mount` and `--tmpfs` ask for, as values (docker run, "volume", "mount")."""

from __future__ import annotations

import os
from collections.abc import Mapping
from enum import StrEnum

from lamina.errors import Invalid, Unsupported
from lamina.late import re
from lamina.run.words import parse_size
from lamina.values import dataclass, field

_VOLUME_NAME = r"[a-zA-Z0-9][a-zA-Z0-9_.-]+"
_PROPAGATIONS = frozenset({"private", "rprivate", "shared", "rshared", "slave", "rslave"})
_CONSISTENCIES = frozenset({"cached", "consistent", "default", "delegated"})  # all one on Linux
_TMPFS_FLAGS = frozenset(
    {
        "ro",
        "rw",
        "suid",
        "nosuid",
        "dev",
        "nodev",
        "exec",
        "noexec",
        "sync",
        "async",
        "dirsync",
        "atime",
        "noatime",
        "diratime",
        "nodiratime",
        "relatime",
        "norelatime",
        "strictatime",
        "nostrictatime",
        "mand",
        "nomand",
    }
)
_TMPFS_VALUES = frozenset({"size", "mode", "uid", "gid", "nr_inodes", "nr_blocks", "mpol"})


class MountKind(StrEnum):
    BIND = "bind"
    VOLUME = "volume"
    TMPFS = "tmpfs"


@dataclass(frozen=True, slots=True)
class MountRequest:
    """One mount that somebody asked for; the source of a volume is its name, "" if anonymous."""

    kind: MountKind
    source: str  # host path of a bind, name of a volume, "" of a tmpfs
    target: str  # absolute path in the container
    read_only: bool = False
    propagation: str = ""  # of a bind; "" is rprivate
    recursive: bool = True  # a bind takes along the mounts below its source
    create_source: bool = False  # `-v` makes a missing source directory, `--mount` does not
    copy: bool = True  # a new volume is filled with what the image has there
    subpath: str = ""  # of a volume
    labels: Mapping[str, str] = field(default_factory=dict)  # for a volume made on demand
    options: tuple[str, ...] = ()  # of a tmpfs, as mount(8) has them


def parse_volume(text: str, *, cwd: str = "") -> MountRequest:
    """`-v [source:]target[:options]`; a source with a leading "." is relative to `cwd`."""
    parts = text.split(":")
    if not text or "" in parts or len(parts) > 3:
        raise Invalid(f'"{text}" is not a volume', hint='write it as "source:target:ro"')
    source, target, words = "", parts[0], ""
    if len(parts) > 1:
        source, target = parts[0], parts[1]
        words = parts[2] if len(parts) == 3 else ""
    target = _checked_target(target, text)
    asked = _VolumeWords.read(words, text)
    if source.startswith(("/", ".")):
        if not asked.copy:
            raise Invalid(f'"nocopy" needs a volume, and "{source}" is a path, in "{text}"')
        path = os.path.normpath(os.path.join(cwd or os.getcwd(), source))
        return MountRequest(
            MountKind.BIND,
            path,
            target,
            read_only=asked.read_only,
            propagation=asked.propagation,
            create_source=True,
        )
    if asked.propagation:
        raise Invalid(f'"{asked.propagation}" needs a host path as source, in "{text}"')
    if source:
        check_volume_name(source)
    return MountRequest(
        MountKind.VOLUME, source, target, read_only=asked.read_only, copy=asked.copy
    )


@dataclass(slots=True)
class _VolumeWords:
    """The third part of a `-v`."""

    read_only: bool = False
    propagation: str = ""
    copy: bool = True

    @classmethod
    def read(cls, words: str, text: str) -> _VolumeWords:
        asked = cls()
        seen = set()
        for word in filter(None, words.split(",")):
            group = asked._take(word, text)
            if group in seen:
                raise Invalid(f'"{words}" sets the {group} twice, in "{text}"')
            seen.add(group)
        return asked

    def _take(self, word: str, text: str) -> str:
        """Note one word; what it is about."""
        if word in ("ro", "rw", "readonly"):
            self.read_only = word != "rw"
            return "mode"
        if word in ("z", "Z"):
            _refuse_relabel(text)
            return "label"
        if word in _PROPAGATIONS:
            self.propagation = word
            return "propagation"
        if word in _CONSISTENCIES:
            return "consistency"
        if word == "nocopy":
            self.copy = False
            return "copy"
        raise Invalid(f'"{word}" is not a volume option, in "{text}"', hint='such as "ro"')


def _refuse_relabel(text: str) -> None:
    """Without SELinux there is nothing to relabel, as for Docker; with it, this is not built."""
    if os.path.exists("/sys/fs/selinux/enforce"):
        raise Unsupported(f'SELinux relabelling is not supported by this runtime, in "{text}"')


def parse_tmpfs(text: str) -> MountRequest:
    """`--tmpfs target[:options]`."""
    target, _, words = text.partition(":")
    target = _checked_target(target, text)
    options = tuple(filter(None, words.split(",")))
    for option in options:
        key, equals, value = option.partition("=")
        known = key in _TMPFS_VALUES if equals else key in _TMPFS_FLAGS
        if not known or (equals and not value):
            raise Invalid(f'"{option}" is not a tmpfs option, in "{text}"')
    return MountRequest(
        MountKind.TMPFS, "", target, read_only=_is_read_only(options), options=options
    )


def _is_read_only(options: tuple[str, ...]) -> bool:
    flags = [option for option in options if option in ("ro", "rw")]
    return bool(flags) and flags[-1] == "ro"


def parse_mount(text: str, *, cwd: str = "") -> MountRequest:
    """`--mount type=…,source=…,target=…`; the fields are CSV, so a field may be quoted."""
    import csv

    try:
        fields = next(csv.reader([text], strict=True), [])
    except csv.Error as error:
        raise Invalid(f'"{text}" is not a mount: {error}') from None
    asked: dict[str, str] = {}
    labels: dict[str, str] = {}
    for item in fields:
        key, equals, value = item.strip().partition("=")
        key = _MOUNT_ALIASES.get(key.lower(), key.lower())
        if key not in _MOUNT_KEYS:
            raise Invalid(f'"{key}" is not a key of a mount, in "{text}"')
        if not equals and key not in _MOUNT_FLAGS:
            raise Invalid(f'"{key}" needs a value, in "{text}"')
        if key == "volume-label":
            name, _, content = value.partition("=")
            labels[name] = content
            continue
        asked[key] = value if equals else "true"
    kind = asked.pop("type", "volume")
    if kind not in MountKind.__members__.values():
        if kind in ("npipe", "cluster", "image"):
            raise Unsupported(f'mount type "{kind}" is not supported by this runtime')
        raise Invalid(f'"{kind}" is not a mount type', hint="use bind, volume or tmpfs")
    return _mount_request(MountKind(kind), asked, labels, text, cwd)


_MOUNT_ALIASES = {
    "src": "source",
    "dst": "target",
    "destination": "target",
    "ro": "readonly",
}
_MOUNT_FLAGS = frozenset({"readonly", "bind-nonrecursive", "volume-nocopy", "bind-create-src"})
_MOUNT_KEYS = _MOUNT_FLAGS | {
    "type",
    "source",
    "target",
    "consistency",
    "bind-propagation",
    "bind-recursive",
    "volume-label",
    "volume-driver",
    "volume-opt",
    "volume-subpath",
    "tmpfs-size",
    "tmpfs-mode",
    "image-subpath",
}


def _mount_request(
    kind: MountKind, asked: dict[str, str], labels: dict[str, str], text: str, cwd: str
) -> MountRequest:
    if "target" not in asked:
        raise Invalid(f'a target is missing, in mount "{text}"', hint='add "target=/path"')
    target = _checked_target(asked.pop("target"), text)
    source = asked.pop("source", "")
    read_only = _flag(asked.pop("readonly", "false"), "readonly", text)
    consistency = asked.pop("consistency", "default")
    if consistency not in _CONSISTENCIES:
        raise Invalid(f'"{consistency}" is not a consistency, in "{text}"')
    foreign = [
        key
        for key in (*asked, *(["volume-label"] if labels else []))
        if not key.startswith(f"{kind}-")
    ]
    if foreign:
        raise Invalid(f'"{foreign[0]}" does not go with type "{kind}", in mount "{text}"')
    if kind is MountKind.BIND:
        return _bind(source, target, read_only, asked, text, cwd)
    if kind is MountKind.VOLUME:
        return _volume(source, target, read_only, asked, labels, text)
    return _tmpfs(source, target, read_only, asked, text)


def _bind(
    source: str, target: str, read_only: bool, asked: dict[str, str], text: str, cwd: str
) -> MountRequest:
    if not source:
        raise Invalid(f'a source is missing, in mount "{text}"', hint='add "source=/path"')
    propagation = asked.pop("bind-propagation", "")
    if propagation and propagation not in _PROPAGATIONS:
        raise Invalid(f'"{propagation}" is not a propagation, in mount "{text}"')
    recursive = asked.pop("bind-recursive", "enabled")
    if recursive in ("writable", "readonly"):
        raise Unsupported(f'"bind-recursive={recursive}" is not supported by this runtime')
    if recursive not in ("enabled", "disabled", "true", "false"):
        raise Invalid(f'"{recursive}" is not a value of bind-recursive, in mount "{text}"')
    flat = _flag(asked.pop("bind-nonrecursive", "false"), "bind-nonrecursive", text)
    return MountRequest(
        MountKind.BIND,
        os.path.normpath(os.path.join(cwd or os.getcwd(), source)),
        target,
        read_only=read_only,
        propagation=propagation,
        recursive=not flat and recursive in ("enabled", "true"),
        create_source=_flag(asked.pop("bind-create-src", "false"), "bind-create-src", text),
    )


def _volume(
    source: str,
    target: str,
    read_only: bool,
    asked: dict[str, str],
    labels: dict[str, str],
    text: str,
) -> MountRequest:
    if asked.pop("volume-driver", "local") not in ("local", ""):
        raise Unsupported(f'only the volume driver "local" is supported, not that of "{text}"')
    if "volume-opt" in asked:
        raise Unsupported(f'"volume-opt" is not supported by this runtime, in mount "{text}"')
    subpath = asked.pop("volume-subpath", "")
    if subpath.startswith("/") or ".." in subpath.split("/"):
        raise Invalid(f'"{subpath}" leaves the volume, in mount "{text}"')
    if subpath and not source:
        raise Invalid(f'"volume-subpath" needs a named volume, in mount "{text}"')
    if source:
        check_volume_name(source)
    return MountRequest(
        MountKind.VOLUME,
        source,
        target,
        read_only=read_only,
        copy=not _flag(asked.pop("volume-nocopy", "false"), "volume-nocopy", text),
        subpath=subpath,
        labels=labels,
    )


def _tmpfs(
    source: str, target: str, read_only: bool, asked: dict[str, str], text: str
) -> MountRequest:
    if source:
        raise Invalid(f'a tmpfs has no source, in mount "{text}"')
    options = ["ro"] if read_only else []
    if "tmpfs-size" in asked:
        options.append(f"size={parse_size(asked.pop('tmpfs-size'))}")
    if "tmpfs-mode" in asked:
        mode = asked.pop("tmpfs-mode")
        if not re.fullmatch(r"[0-7]{1,5}", mode):
            raise Invalid(f'"{mode}" is not an octal mode, in mount "{text}"')
        options.append(f"mode={mode}")
    return MountRequest(MountKind.TMPFS, "", target, read_only=read_only, options=tuple(options))


def _flag(value: str, key: str, text: str) -> bool:
    if value.lower() in ("1", "true", "t"):
        return True
    if value.lower() in ("0", "false", "f"):
        return False
    raise Invalid(f'"{value}" is not true or false, for "{key}" in "{text}"')


def _checked_target(target: str, text: str) -> str:
    if not target.startswith("/"):
        raise Invalid(f'target "{target}" is not an absolute path, in "{text}"')
    clean = os.path.normpath(target).replace("//", "/")
    if clean == "/":
        raise Invalid(f'target "{target}" is the whole container, in "{text}"')
    return clean


def check_volume_name(name: str) -> str:
    """`name`; Invalid unless Docker would take it for a volume."""
    if not re.fullmatch(_VOLUME_NAME, name):
        raise Invalid(
            f'"{name}" is not a volume name',
            hint="use a-z A-Z 0-9 _ . -; a directory of this host is written as an absolute path",
        )
    return name


def unique_targets(requests: list[MountRequest]) -> tuple[MountRequest, ...]:
    """The requests; Invalid if two of them mount on one target."""
    seen: set[str] = set()
    for request in requests:
        if request.target in seen:
            raise Invalid(f'two mounts have the target "{request.target}"')
        seen.add(request.target)
    return tuple(requests)
