"""A table of a TOML document, read by type; what nobody has asked for is refused by its path."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from lamina.errors import Invalid

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from typing import Any


class BadSetting(Invalid):
    """A setting is not what its key requires, or no such key is known."""


class Table:
    """Typed access to one table. `finish` refuses what was not read, here and within."""

    def __init__(self, found: Mapping[str, Any], where: str, base: Path) -> None:
        self.where = where
        self._found = found
        self._base = base
        self._read: set[str] = set()
        self._inner: list[Table] = []

    def finish(self) -> None:
        """BadSetting if a key is left that nobody has asked for."""
        for key in self._found:
            if key not in self._read:
                raise BadSetting(
                    f'"{self._path(key)}" is not a setting',
                    hint=f"known here: {', '.join(sorted(self._read))}",
                )
        for table in self._inner:
            table.finish()

    def table(self, key: str) -> Table:
        """The table within, empty if it is absent."""
        return self._enter(self._get(key, dict, "a table", {}), self._path(key))

    def tables(self, key: str) -> list[Table]:
        """The tables of an array."""
        found = self._get(key, list, "an array of tables", [])
        for at, each in enumerate(found):
            if not isinstance(each, dict):
                raise BadSetting(f'"{self._path(key)}[{at}]" is not a table')
        return [self._enter(each, f"{self._path(key)}[{at}]") for at, each in enumerate(found)]

    def text(self, key: str, default: str) -> str:
        return str(self._get(key, str, "a string", default))

    def optional_text(self, key: str) -> str | None:
        found: str | None = self._get(key, str, "a string", None)
        return found

    def path(self, key: str) -> Path | None:
        """A path, relative to where the document is."""
        text = self.optional_text(key)
        return None if text is None else self._base / text

    def boolean(self, key: str, default: bool) -> bool:
        return bool(self._get(key, bool, "true or false", default))

    def number(self, key: str, default: float) -> float:
        found = self._get(key, (int, float), "a number", default)
        if isinstance(found, bool) or found < 0:
            raise BadSetting(f'"{self._path(key)}" is not a number of 0 or more')
        return float(found)

    def size(self, key: str, default: int) -> int:
        """Bytes: a number, or a text like "4MiB"."""
        from lamina.dockerfile.numbers import parse_size

        return int(self._measure(key, parse_size, default))

    def seconds(self, key: str, default: float) -> float:
        """Seconds: a number, or a text like "24h"."""
        from lamina.dockerfile.numbers import parse_duration

        found = self._found.get(key)
        in_units = self._measure(key, parse_duration, default)
        return in_units / 1e9 if isinstance(found, str) else in_units

    def texts(self, key: str, default: Sequence[str] | None = None) -> list[str]:
        """An array of strings; BadSetting if it is absent and there is no default."""
        found = self._get(key, list, "an array of strings", default)
        if found is None:
            raise BadSetting(f'"{self._path(key)}" is missing')
        if not all(isinstance(each, str) for each in found):
            raise BadSetting(f'"{self._path(key)}" is not an array of strings')
        return list(found)

    def text_map(self, key: str) -> dict[str, str]:
        """A table of strings, whose keys are free."""
        found = self._get(key, dict, "a table of strings", {})
        if not all(isinstance(each, str) for each in found.values()):
            raise BadSetting(f'"{self._path(key)}" is not a table of strings')
        return dict(found)

    def text_lists(self, key: str) -> dict[str, list[str]]:
        """A table of arrays of strings, whose keys are free."""
        found = self._get(key, dict, "a table", {})
        inner = Table(found, self._path(key), self._base)
        return {name: inner.texts(name) for name in found}

    def _get(self, key: str, kind: Any, expected: str, default: Any) -> Any:
        self._read.add(key)
        if key not in self._found:
            return default
        value = self._found[key]
        if not isinstance(value, kind):
            raise BadSetting(f'"{self._path(key)}" is "{str(value)[:80]}": expected {expected}')
        return value

    def _measure(self, key: str, parse: Callable[[str], int], default: float) -> float:
        found = self._get(key, (int, float, str), "a number, or a text with a unit", default)
        if not isinstance(found, str):
            return self.number(key, default)
        try:
            value = parse(found)
        except Invalid as error:
            raise BadSetting(f'"{self._path(key)}": {error.message}', hint=error.hint) from None
        if value < 0:
            raise BadSetting(f'"{self._path(key)}" is less than 0')
        return value

    def _enter(self, found: Mapping[str, Any], where: str) -> Table:
        inner = Table(found, where, self._base)
        self._inner.append(inner)
        return inner

    def _path(self, key: str) -> str:
        return f"{self.where}.{key}" if self.where else key
