"""RUN --mount (BuildKit, "Dockerfile reference", "RUN --mount")."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from lamina.dockerfile.numbers import parse_bool, parse_size
from lamina.dockerfile.text import did_you_mean
from lamina.errors import Invalid
from lamina.late import re
from lamina.values import dataclass

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from typing import Any


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


_SHARING = ("shared", "private", "locked")
_TEXTS = {
    "from": "from_",
    "source": "source",
    "src": "source",
    "target": "target",
    "dst": "target",
    "destination": "target",
    "id": "id",
}
_OCTAL, _DECIMAL = r"[0-7]+", r"[0-9]+"
_KEYS = (
    *("type", "from", "source", "src", "target", "dst", "destination", "readonly", "ro"),
    *("readwrite", "rw", "id", "sharing", "mode", "uid", "gid", "size", "required", "env"),
)
_WITH_OWNER = frozenset((MountType.CACHE, MountType.SECRET, MountType.SSH))


def parse_mount(text: str, expand: Callable[[str], str] | None = None) -> Mount:
    """The mount that `text` (after `--mount=`) describes, each value through `expand`.

    Keys are taken in order, so that `type` comes before what only that type knows. Invalid for
    what is unknown, malformed, or does not fit the type.
    """
    values: dict[str, Any] = {"type": MountType.BIND}
    for field in split_fields(text):
        key, equals, value = field.partition("=")
        key = key.lower()
        if equals and expand is not None:
            value = expand(value)
        try:
            _set(values, key, value if equals else None)
        except Invalid as error:
            raise Invalid(f'mount "{text}": {error.message}', hint=error.hint) from None
    try:
        return _checked(values)
    except Invalid as error:
        raise Invalid(f'mount "{text}": {error.message}', hint=error.hint) from None


def check_early(text: str) -> None:
    """What can be told before anything is expanded; Invalid if `text` cannot become a mount."""
    for field in split_fields(text):
        key, equals, value = field.partition("=")
        if equals and key.lower() == "from" and re.search(r"\$.", value):
            raise Invalid(
                f'"from" of the mount "{text}" takes no variables',
                hint="name a stage with FROM $VARIABLE AS name, and mount from that",
            )


def split_fields(text: str) -> list[str]:
    """The comma-separated fields of one line of CSV (RFC 4180); Invalid if a quote is astray."""
    fields: list[str] = []
    at = 0
    while True:
        if text.startswith('"', at):
            value, at = _quoted(text, at)
        else:
            end = text.find(",", at)
            end = len(text) if end < 0 else end
            value, at = text[at:end], end
            if '"' in value:
                raise Invalid(f'a quote inside the field "{value}"', hint="quote the whole field")
        fields.append(value)
        if at >= len(text):
            return fields
        at += 1


def _quoted(text: str, at: int) -> tuple[str, int]:
    value = ""
    at += 1
    while True:
        end = text.find('"', at)
        if end < 0:
            raise Invalid(f'a quote is not closed in "{text}"')
        value += text[at:end]
        if not text.startswith('"', end + 1):
            break
        value += '"'
        at = end + 2
    if end + 1 < len(text) and text[end + 1] != ",":
        raise Invalid(f'a comma is missing after a quote in "{text}"')
    return value, end + 1


def _set(values: dict[str, Any], key: str, value: str | None) -> None:
    """Adds one key; a `value` of None means that it stands without an equals sign."""
    kind = values["type"]
    if key in ("readonly", "ro", "readwrite", "rw"):
        truth = value is None or _truth(key, value)
        values["read_only"] = truth if key in ("readonly", "ro") else not truth
        return
    if key == "required":
        if kind not in (MountType.SECRET, MountType.SSH):
            raise Invalid(f'a {kind} mount has no "required"')
        values["required"] = value is None or _truth(key, value)
        return
    if value is None:
        if key not in _KEYS:
            raise _unknown(key)
        raise Invalid(f'"{key}" has no value', hint=f"write {key}=value")
    if key in _TEXTS:
        values[_TEXTS[key]] = value or None
    elif key == "type":
        values["type"] = _one_of(MountType, value, "mount type")
    elif key == "sharing":
        values["sharing"] = _one_of(_SHARING, value, "sharing")
    elif key == "size" and kind is MountType.TMPFS:
        values["size"] = parse_size(value)
    elif key == "env" and kind is MountType.SECRET:
        values["env"] = value
    elif key in ("size", "env"):
        raise Invalid(f'a {kind} mount has no "{key}"', hint='"type" must come first')
    elif key in ("mode", "uid", "gid"):
        values[key] = _number(key, value)
    else:
        raise _unknown(key)


def _unknown(key: str) -> Invalid:
    return Invalid(f'"{key}" is no option of a mount', hint=did_you_mean(key, _KEYS))


def _truth(key: str, value: str) -> bool:
    try:
        return parse_bool(value)
    except Invalid:
        raise Invalid(f'"{value}" of "{key}" is neither true nor false') from None


def _number(key: str, value: str) -> int:
    grammar, base = (_OCTAL, 8) if key == "mode" else (_DECIMAL, 10)
    if not re.fullmatch(grammar, value) or len(value) > 20 or int(value, base) >= 2**32:
        expected = "octal digits" if base == 8 else "a number"
        raise Invalid(f'"{value}" of "{key}" must be {expected}')
    return int(value, base)


def _one_of(known: Any, value: str, what: str) -> Any:
    lower = value.lower()
    for candidate in known:
        if candidate == lower:
            return candidate
    raise Invalid(
        f'{what} "{value}" is not known',
        hint=did_you_mean(value, known) or f"use one of {', '.join(known)}",
    )


def _checked(values: dict[str, Any]) -> Mount:
    kind: MountType = values["type"]
    if kind not in _WITH_OWNER:
        for key in ("mode", "uid", "gid"):
            if key in values:
                raise Invalid(f'a {kind} mount has no "{key}"')
    if "sharing" in values and kind is not MountType.CACHE:
        raise Invalid(f'a {kind} mount has no "sharing"')
    if kind is MountType.SECRET:
        if values.get("from_"):
            raise Invalid('a secret mount has no "from"')
        if not (values.get("source") or values.get("target") or values.get("id")):
            raise Invalid("a secret mount needs an id, a source or a target")
        if values.get("source") and values.get("id"):
            raise Invalid('"source" and "id" of a secret mount are the same: give one')
    values.setdefault("read_only", kind not in (MountType.CACHE, MountType.TMPFS))
    return Mount(**values)
