"""Cache keys: records with named parts, so that a miss can be explained.

The digest of the parts is the key. Each part is framed by its length, so that no two records
share an encoding. Modification times are never a part, nor is anything that umask decides.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

from lamina.build.files import NO_FILES, Files, framed
from lamina.build.graph import (
    BindMount,
    CacheMount,
    CopyOp,
    RunMount,
    RunOp,
    SecretMount,
    Step,
    TmpfsMount,
    WorkdirOp,
)
from lamina.late import json
from lamina.oci.digest import ChainID, Digest
from lamina.values import dataclass, field

VERSION = "2"  # of the encoding; a new one misses everything that was cached before


@dataclass(frozen=True, slots=True)
class Part:
    """One thing that a step depends on."""

    kind: str  # "base", "instruction", "variable", "file", "option"
    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Key:
    """Everything that a step depends on, in the order in which a reader wants to hear of it."""

    parts: tuple[Part, ...]
    files: Files = NO_FILES  # that are copied; many, so that they are listed only if need be
    _digest: list[str] = field(default_factory=list, compare=False, repr=False)  # once asked for

    @property
    def digest(self) -> str:
        """Hex; equal exactly for equal parts and files."""
        if not self._digest:
            texts = (text for part in self.parts for text in (part.kind, part.name, part.value))
            top = f"lamina step {VERSION}\n".encode()
            data = b"".join((top, *map(framed, texts), self.files.digest))
            self._digest.append(Digest.of(data).encoded)
        return self._digest[0]

    @property
    def without_base(self) -> str:
        """As `digest`, of all but what the step stands on."""
        return Key(tuple(part for part in self.parts if part.kind != "base"), self.files).digest

    def everything(self) -> tuple[Part, ...]:
        """The parts, and each file as one more."""
        return (*self.parts, *(Part("file", *row) for row in self.files.rows))

    def encode(self) -> bytes:
        """For keeping; `decode` is the inverse."""
        rows = [[part.kind, part.name, part.value] for part in self.parts]
        return zlib.compress(json.dumps([rows, self.files.rows]).encode(), 1)

    @classmethod
    def decode(cls, data: bytes) -> Key:
        """ValueError if `data` is not what `encode` made."""
        try:
            rows, files = json.loads(zlib.decompress(data))
            parts = tuple(Part(*row) for row in rows)
            return cls(parts, Files(lambda: [(path, text) for path, text in files]))
        except (zlib.error, TypeError) as fault:
            raise ValueError("not a key record") from fault


def of_step(
    step: Step,
    parent: ChainID | None,
    *,
    files: Files = NO_FILES,
    mounted: Sequence[tuple[str, Digest]] = (),
    epoch: int | None = None,
) -> Key:
    """The key of a step.

    `files`: what a copy takes. `mounted`: per bind mount, its target and the digest of what is
    under it. Proxy variables and secrets' contents are no part of it (Dockerfile reference,
    "Predefined ARGs" and "RUN --mount=type=secret").
    """
    parts = [Part("base", "", parent or "scratch")]
    parts.append(Part("instruction", "", step.cache_key_instruction))
    op = step.op
    if isinstance(op, RunOp):
        parts += _run_parts(op, mounted)
    elif isinstance(op, CopyOp):
        parts += _copy_parts(op)
    elif isinstance(op, WorkdirOp):
        parts.append(Part("option", "path", op.path))
        parts.append(Part("option", "user", op.user))
    if epoch is not None:
        parts.append(Part("option", "SOURCE_DATE_EPOCH", str(epoch)))
    return Key(tuple(parts), files)


def _run_parts(op: RunOp, mounted: Sequence[tuple[str, Digest]]) -> list[Part]:
    parts = [Part("option", "arguments", json.dumps(op.args))]
    parts += [Part("variable", name, value) for name, value in op.env]
    parts.append(Part("option", "working directory", op.working_dir))
    parts.append(Part("option", "user", op.user))
    parts.append(Part("option", "network", op.network))
    if op.hosts:
        parts.append(Part("option", "--add-host", json.dumps(op.hosts)))
    if op.ulimits:
        limits = [f"{limit.name}={limit.soft}:{limit.hard}" for limit in op.ulimits]
        parts.append(Part("option", "--ulimit", " ".join(limits)))
    if op.shm_size is not None:
        parts.append(Part("option", "--shm-size", str(op.shm_size)))
    if op.script is not None:
        parts.append(Part("option", "script", Digest.of(op.script[1])))
    parts += [Part("option", f"mount {mount.target}", _mount_text(mount)) for mount in op.mounts]
    parts += [Part("file", f"mounted on {target}", digest) for target, digest in mounted]
    return parts


def _mount_text(mount: RunMount) -> str:
    match mount:
        case BindMount():
            return f"bind {mount.path} {'rw' if mount.writable else 'ro'}"
        case CacheMount():
            # Its contents change between builds by design, so only its shape counts.
            owner = f"{mount.mode:04o} {mount.uid}:{mount.gid}"
            return f"cache {mount.id} {mount.sharing} {mount.path} {owner} {mount.read_only}"
        case TmpfsMount():
            return f"tmpfs {mount.size}"
        case SecretMount():
            owner = f"{mount.mode:04o} {mount.uid}:{mount.gid}"
            return f"secret {mount.id} {mount.target} {mount.env} {mount.required} {owner}"


def _copy_parts(op: CopyOp) -> list[Part]:
    spec = op.spec
    parts = [Part("option", "destination", spec.destination)]
    for name, value in (
        ("working directory", spec.working_dir),
        ("--chown", spec.chown),
        ("--chmod", spec.chmod),
        ("--parents", spec.parents or None),
        ("--link", spec.link or None),
        ("unpack", spec.unpack or None),
    ):
        if value is not None:
            parts.append(Part("option", name, str(value)))
    parts += [Part("file", f"<<{name}", Digest.of(content)) for name, content in spec.inline]
    return parts


@dataclass(frozen=True, slots=True)
class Difference:
    """The first thing in which a step differs from the last time."""

    kind: str  # of the part
    name: str
    was: str | None  # None: was not there
    now: str | None  # None: is gone

    def describe(self) -> str:
        """One clause: "src/main.py changed"."""
        match self.kind:
            case "base":
                return "what it stands on changed"
            case "instruction":
                return f"the instruction changed (was: {self.was})"
            case "variable":
                return f"the variable {self.name} {_verb(self)}"
            case "file":
                return f"{self.name} {_file_verb(self)}"
            case _:
                return f"{self.name} {_verb(self)}"


def causes(was: Key, now: Key) -> tuple[Difference, ...]:
    """The first difference; if that is a file, every file that differs. Empty if nothing does."""
    first = first_difference(was, now)
    if first is None or first.kind != "file":
        return () if first is None else (first,)
    old = {part.name: part.value for part in was.everything() if part.kind == "file"}
    new = {part.name: part.value for part in now.everything() if part.kind == "file"}
    return tuple(
        Difference("file", name, old.get(name), new.get(name))
        for name in {**new, **old}
        if old.get(name) != new.get(name)
    )


def first_difference(was: Key, now: Key) -> Difference | None:
    """What a reader should hear first; None if nothing differs."""
    if was == now:
        return None
    old = {(part.kind, part.name): part.value for part in was.everything()}
    new = {(part.kind, part.name): part.value for part in now.everything()}
    for slot, value in new.items():
        if slot not in old:
            return Difference(*slot, None, value)
        if old[slot] != value:
            return Difference(*slot, old[slot], value)
    for slot, value in old.items():
        if slot not in new:
            return Difference(*slot, value, None)
    return Difference("option", "the order", "", "")


def _verb(difference: Difference) -> str:
    if difference.was is None:
        return f"was added ({difference.now})"
    if difference.now is None:
        return f"was removed (was {difference.was})"
    return f"changed from {difference.was} to {difference.now}"


def _file_verb(difference: Difference) -> str:
    if difference.was is None:
        return "was added"
    if difference.now is None:
        return "was removed"
    was, now = difference.was.split(" "), difference.now.split(" ")
    if len(was) > 3 and len(now) > 3 and was[0] == now[0] and was[3:] == now[3:]:
        if was[2] == now[2]:
            return f"has mode {now[1]}, had {was[1]}"
        if was[1] == now[1]:
            return f"has owner {now[2]}, had {was[2]}"
    return "changed"
