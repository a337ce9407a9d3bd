"""The values that templates work on, and how Go prints them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from typing import TypeAlias

Value: TypeAlias = (
    "bool | int | float | str | Sequence[Value] | Mapping[str, Value] | Callable[..., Value] | None"
)


class Map(dict[str, Value]):
    """A Go map of strings: what is absent reads as "", where a record refuses unknown fields."""


def go_string(value: Value, *, inside: bool = False) -> str:
    """As fmt.Print shows it (pkg.go.dev/fmt, "Printing"): `[a b]`, `map[k:v]`, `true`."""
    match value:
        case None:
            return "<nil>" if inside else "<no value>"
        case bool():
            return "true" if value else "false"
        case str():
            return value
        case float():
            return f"{value:g}"
        case Mapping():
            pairs = (f"{key}:{go_string(value[key], inside=True)}" for key in sorted(value))
            return f"map[{' '.join(pairs)}]"
        case Sequence():
            return f"[{' '.join(go_string(item, inside=True) for item in value)}]"
    return str(value)


def to_json(value: Value, indent: int | None = None) -> str:
    """JSON as Go's encoder writes it: compact, text as it is, bytes that are no text replaced."""
    import json

    text = json.dumps(
        value,
        ensure_ascii=False,
        indent=indent,
        separators=(",", ": " if indent else ":"),
        allow_nan=False,
    )
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
