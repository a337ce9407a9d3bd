"""Two images beside each other: their files, and what their configs say."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import StrEnum

from lamina.image.stack import Node, Stack
from lamina.layer.entry import FILE, HARDLINK, Entry
from lamina.oci.config import ImageConfig
from lamina.values import dataclass


class Change(StrEnum):
    """How the second image differs from the first at a path."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Difference:
    """One path at which two trees differ."""

    path: str
    change: Change
    before: Entry | None
    after: Entry | None
    parts: tuple[str, ...] = ()  # of a change: type, content, mode, owner, link, device, xattrs

    @property
    def growth(self) -> int:
        """Bytes by which the tree grows here."""
        return _size(self.after) - _size(self.before)


@dataclass(frozen=True, slots=True)
class Setting:
    """One thing that two configs say differently; None where one says nothing."""

    name: str  # "Cmd", "Env PATH", "Label version"
    before: str | None
    after: str | None


def compare(before: Stack, after: Stack, is_same: Callable[[Node, Node], bool]) -> list[Difference]:
    """Every path that differs, sorted. Times are not looked at.

    `is_same` says whether two files of one size, whose digests are not both known, hold the same
    bytes.
    """
    found = []
    for path in sorted(before.nodes.keys() | after.nodes.keys()):
        old, new = before.nodes.get(path), after.nodes.get(path)
        if old is None and new is not None:
            found.append(Difference(path, Change.ADDED, None, new.source.entry))
        elif new is None and old is not None:
            found.append(Difference(path, Change.REMOVED, old.source.entry, None))
        elif old is not None and new is not None:
            parts = tuple(_parts(old, new, is_same))
            if parts:
                entries = old.source.entry, new.source.entry
                found.append(Difference(path, Change.CHANGED, *entries, parts))
    return found


def _parts(old: Node, new: Node, is_same: Callable[[Node, Node], bool]) -> Iterator[str]:
    one, two = old.source.entry, new.source.entry
    if one.type is not two.type:
        yield "type"
        return
    if one.type is FILE and not _same_content(old.source, new.source, is_same):
        yield "content"
    if one.mode != two.mode:
        yield "mode"
    if (one.uid, one.gid) != (two.uid, two.gid):
        yield "owner"
    if one.type is not HARDLINK and one.link != two.link:
        yield "link"
    if one.device != two.device:
        yield "device"
    if one.xattrs != two.xattrs:
        yield "xattrs"


def _same_content(old: Node, new: Node, is_same: Callable[[Node, Node], bool]) -> bool:
    one, two = old.entry, new.entry
    if one.size != two.size:
        return False
    if one.digest is not None and two.digest is not None:
        return one.digest == two.digest
    return one.size == 0 or is_same(old, new)


def _size(entry: Entry | None) -> int:
    return entry.size if entry is not None and entry.type is FILE else 0


def compare_settings(before: ImageConfig, after: ImageConfig) -> list[Setting]:
    """Everything by which containers of the two images would start differently, sorted."""
    old, new = _settings(before), _settings(after)
    return [
        Setting(name, old.get(name), new.get(name))
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    ]


def _settings(config: ImageConfig) -> dict[str, str]:
    """Names and values as text; a mapping's entries one by one."""
    found = {"Platform": str(config.platform)}
    for name, value in config.config.to_json().items():
        if name == "Env":
            pairs = config.config.environment()
            found |= {f"Env {key}": text for key, text in pairs.items()}
        elif isinstance(value, dict) and name != "Healthcheck":
            single = name.removesuffix("s")
            found |= {f"{single} {key}": _text(inner) for key, inner in value.items()}
        elif value not in (None, "", [], False):
            found[name] = _text(value)
    return found


def _text(value: object) -> str:
    import json

    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
