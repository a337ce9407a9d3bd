"""The functions that templates may call: Go's own, and Docker's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from lamina.cli.template.values import Map, Value, go_string, to_json
from lamina.late import re

LAZY = ("and", "or")  # evaluated by the caller, for they stop early


class Misuse(Exception):
    """Arguments that a function cannot use; the caller adds where."""


def _len(value: Value) -> Value:
    if isinstance(value, str):
        return len(value.encode("utf-8", "surrogateescape"))
    if isinstance(value, Sequence | Mapping):
        return len(value)
    raise TypeError


def _index(value: Value, *keys: Value) -> Value:
    for key in keys:
        if isinstance(value, Mapping):
            if not isinstance(key, str):
                raise Misuse(f"a map is indexed by a string, not {go_string(key)}")
            value = value.get(key, "" if isinstance(value, Map) else None)
        elif isinstance(value, Sequence):
            if not isinstance(key, int) or isinstance(key, bool):
                raise Misuse(f'a list is indexed by a number, not "{go_string(key)}"')
            if not 0 <= key < len(value):
                raise Misuse(f"index out of range: {key}")
            value = value[key]
        elif value is None:
            raise Misuse("nothing to index")
        else:
            raise TypeError
    return value


def _slice(value: Value, *bounds: Value) -> Value:
    if not isinstance(value, Sequence) or len(bounds) > 3:
        raise TypeError
    start, end = (*bounds, None, None)[:2]
    if not all(bound is None or isinstance(bound, int) for bound in (start, end)):
        raise TypeError
    whole = len(value)
    first = start if isinstance(start, int) else 0
    last = end if isinstance(end, int) else whole
    if not 0 <= first <= last <= whole:
        raise Misuse(f"slice out of range: {first}:{last} of {whole}")
    return value[first:last]


def _eq(first: Value, *others: Value) -> Value:
    if not others:
        raise Misuse("missing argument for comparison")
    return any(_same(first, other) for other in others)


def _same(a: Value, b: Value) -> bool:
    if isinstance(a, bool) != isinstance(b, bool) or isinstance(a, str) != isinstance(b, str):
        if a is None or b is None:
            return False
        raise Misuse("incompatible types for comparison")
    return a == b


def _ordered(
    test: Callable[[float, float], bool], words: Callable[[str, str], bool]
) -> Callable[..., Value]:
    def compare(a: Value, b: Value) -> Value:
        if isinstance(a, str) and isinstance(b, str):
            return words(a, b)
        if isinstance(a, int | float) and isinstance(b, int | float):
            return test(a, b)
        raise Misuse("incompatible types for comparison")

    return compare


def _print(*values: Value) -> Value:
    parts: list[str] = []
    for i, value in enumerate(values):
        if i and not isinstance(value, str) and not isinstance(values[i - 1], str):
            parts.append(" ")
        parts.append(go_string(value, inside=True))
    return "".join(parts)


def _println(*values: Value) -> Value:
    return " ".join(go_string(value, inside=True) for value in values) + "\n"


_VERB = re.compile(r"%([-+ 0#]*)(\d*)(?:\.(\d+))?(.)")


def _printf(form: str, *values: Value) -> Value:
    left = list(values)

    def put(match: re.Match[str]) -> str:
        marks, width, precision, verb = match.groups()
        if verb == "%":
            return "%"
        if not left:
            return f"%!{verb}(MISSING)"
        text = _formatted(left.pop(0), marks.replace("#", ""), precision, verb)
        if "-" in marks:
            return text.ljust(int(width or 0))
        fill = "0" if "0" in marks and verb in "dfxXo" else " "
        return text.rjust(int(width or 0), fill)

    text = _VERB.sub(put, form)
    if left:
        text += "%!(EXTRA " + ", ".join(go_string(value, inside=True) for value in left) + ")"
    return text


def _formatted(value: Value, marks: str, precision: str | None, verb: str) -> str:
    plain = go_string(value, inside=True)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if verb in "sv":
        return plain[: int(precision)] if precision and verb == "s" else plain
    if verb == "q":
        return to_json(plain)
    if verb == "t" and isinstance(value, bool):
        return plain
    if verb in "xX" and isinstance(value, str):
        text = value.encode("utf-8", "surrogateescape").hex()
        return text.upper() if verb == "X" else text
    if verb == "c" and isinstance(value, int):
        return chr(value)
    if number and (verb in "eEfgG" or (verb in "dxXob" and isinstance(value, int))):
        sign = "+" if "+" in marks else ""
        digits = f".{precision}" if precision and verb in "eEfgG" else ""
        return format(value, f"{sign}{digits}{verb}")
    return f"%!{verb}({plain})"


def _text(value: Value) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _join(items: Value, separator: Value = "") -> Value:
    if isinstance(items, str) or not isinstance(items, Sequence | None):
        raise TypeError
    return _text(separator).join(go_string(item) for item in items or ())


def _title(text: Value) -> Value:
    return re.sub(r"(?<!\S)\S", lambda m: m[0].upper(), _text(text))


def _pad(text: Value, before: int, after: int) -> Value:
    return " " * before + _text(text) + " " * after if text else ""


def _truncate(text: Value, length: int) -> Value:
    return _text(text)[:length]


FUNCTIONS: dict[str, Callable[..., Value]] = {
    "eq": _eq,
    "ge": _ordered(lambda a, b: a >= b, lambda a, b: a >= b),
    "gt": _ordered(lambda a, b: a > b, lambda a, b: a > b),
    "index": _index,
    "join": _join,
    "json": lambda value: to_json(value),
    "le": _ordered(lambda a, b: a <= b, lambda a, b: a <= b),
    "len": _len,
    "lower": lambda text: _text(text).lower(),
    "lt": _ordered(lambda a, b: a < b, lambda a, b: a < b),
    "ne": lambda a, b: not _same(a, b),
    "not": lambda value: not value,
    "pad": _pad,
    "print": _print,
    "printf": _printf,
    "println": _println,
    "slice": _slice,
    "split": lambda text, separator: _text(text).split(_text(separator)),
    "title": _title,
    "truncate": _truncate,
    "upper": lambda text: _text(text).upper(),
}

# For the header of a table every function leaves its first text as it is.
HEADER_FUNCTIONS: dict[str, Callable[..., Value]] = {
    **{name: lambda first="", *_: first for name in FUNCTIONS},
    "join": lambda items, *_: items,
    "println": _println,
}
