"""A container's record: what it is, written once when it is made (and again when renamed)."""

from __future__ import annotations

from collections.abc import Mapping

from lamina.errors import Corrupt
from lamina.late import json
from lamina.oci.digest import ChainID, Digest
from lamina.run.mounts import MountKind, MountRequest
from lamina.run.options import Options
from lamina.run.words import Ulimit
from lamina.values import dataclass, replace

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from typing import Any


@dataclass(frozen=True, slots=True)
class MountPoint:
    """One mount as it will be done: `source` is a path of this host, "" of a tmpfs."""

    kind: MountKind
    source: str
    target: str
    name: str = ""  # of a volume
    anonymous: bool = False  # a volume that goes with `--rm` and `rm -v`
    read_only: bool = False
    propagation: str = ""
    recursive: bool = True
    options: tuple[str, ...] = ()  # of a tmpfs


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """Everything decided at creation; what happens to it later is its `State`."""

    id: str  # 64 hexadecimal digits
    name: str
    created: int  # ns
    options: Options
    image_id: Digest  # of the image's config
    manifest: Digest
    parent: ChainID | None  # the tree below the writable layer; None for an image of no layers
    platform: str  # "linux/amd64"
    args: tuple[str, ...]  # the whole command line
    entrypoint: tuple[str, ...]  # how many of `args` come from an entrypoint, and which
    env: tuple[str, ...]  # "K=V"
    workdir: str
    user: str
    hostname: str
    labels: Mapping[str, str]
    mounts: tuple[MountPoint, ...]
    stop_signal: str
    exposed_ports: tuple[str, ...] = ()

    @property
    def short_id(self) -> str:
        return self.id[:12]

    @property
    def draft_key(self) -> str:
        """The snapshotter's key of its writable layer."""
        return f"container-{self.id}"

    def renamed(self, name: str) -> Container:
        return replace(self, name=name)

    def encode(self) -> bytes:
        """JSON, of which `decode` is the inverse."""
        return json.dumps(_plain(self), separators=(",", ":")).encode()


def decode(data: bytes) -> Container:
    """The container that `encode` wrote; Corrupt if the bytes are anything else."""
    try:
        record = json.loads(data)
        options = record["options"]
        options["mounts"] = [_mount(MountRequest, each) for each in options["mounts"]]
        options["ulimits"] = [Ulimit(**each) for each in options["ulimits"]]
        options["add_hosts"] = [tuple(pair) for pair in options["add_hosts"]]
        options["devices"] = [tuple(pair) for pair in options["devices"]]
        record["options"] = Options(**_frozen(options))
        record["mounts"] = [_mount(MountPoint, each) for each in record["mounts"]]
        record["image_id"] = Digest(record["image_id"])
        record["manifest"] = Digest(record["manifest"])
        record["parent"] = record["parent"] and ChainID(Digest(record["parent"]))
        return Container(**_frozen(record))
    except (ValueError, KeyError, TypeError) as error:
        raise Corrupt(f"a container's record cannot be read: {error}") from None


def _plain(value: Any) -> Any:
    """`value` in what JSON has; strings of undecodable bytes stay themselves (as escapes)."""
    if isinstance(value, str | int | float | bool) or value is None:
        return value
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    if isinstance(value, Mapping):
        return dict(value)
    return {name: _plain(getattr(value, name)) for name in type(value).__slots__}


def _frozen(record: dict[str, Any]) -> dict[str, Any]:
    return {
        key: tuple(value) if isinstance(value, list) else value for key, value in record.items()
    }


def _mount(kind: type[Any], record: dict[str, Any]) -> Any:
    return kind(**{**_frozen(record), "kind": MountKind(record["kind"])})
