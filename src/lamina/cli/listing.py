"""Lists of things as `--format` wants them: a table, a template's lines, or JSON lines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from lamina.cli.command import Flag
from lamina.cli.table import render
from lamina.cli.template.values import Value, go_string, to_json
from lamina.late import json
from lamina.values import dataclass

FORMAT = Flag(
    "format",
    help="How to show each: 'table', 'json', a Go template, or 'table' and a template",
)


@dataclass(frozen=True, slots=True)
class Listing:
    """What a kind of thing shows: every placeholder with its header, and the usual columns.

    A row maps placeholders to values; a value that is dear to find is a callable without arguments.
    """

    headers: Mapping[str, str]
    columns: tuple[str, ...]
    typed: bool = False  # JSON keeps numbers and lists; Docker's own lists are all strings

    def lines(self, rows: Iterable[Mapping[str, Value]], form: str | None = None) -> list[str]:
        """The whole list, a line each; `form` is the flag's value, None for the usual table."""
        if form == "json":
            return [self._json(row) for row in rows]
        if not form or form == "table":
            cells = [[go_string(_now(row[name])) for name in self.columns] for row in rows]
            return render([[self.headers[name] for name in self.columns], *cells])
        return self._templated(rows, form)

    def _json(self, row: Mapping[str, Value]) -> str:
        values = {name: _now(row[name]) for name in sorted(self.headers)}
        if self.typed:
            return to_json(values)
        return to_json({name: go_string(value) for name, value in values.items()})

    def _templated(self, rows: Iterable[Mapping[str, Value]], form: str) -> list[str]:
        from lamina.cli.template.evaluate import execute
        from lamina.cli.template.functions import FUNCTIONS, HEADER_FUNCTIONS
        from lamina.cli.template.syntax import parse

        as_table = form.startswith("table")
        source = form.removeprefix("table").lstrip() if as_table else form
        template = parse(source.replace("\\t", "\t").replace("\\n", "\n"))
        functions = {**FUNCTIONS, "json": self._as_json}
        lines = [execute(template, row, functions) for row in rows]
        if not as_table:
            return lines
        header: dict[str, Value] = dict(self.headers)
        header.setdefault("Label", lambda name: name.replace(".", " ").replace("-", " "))
        lines.insert(0, execute(template, header, HEADER_FUNCTIONS))
        return render([line.split("\t") for line in lines])

    def _as_json(self, value: Value) -> str:
        if isinstance(value, Mapping):  # the row itself: `{{json .}}`
            return self._json(value) if self.headers.keys() <= value.keys() else to_json(value)
        return to_json(value)


def _now(value: Value) -> Value:
    return value() if callable(value) else value


def configured(environment: Mapping[str, str], key: str) -> str | None:
    """What the user's Docker `config.json` says of `key` ("imagesFormat"); None if nothing.

    A file that cannot be read or is no JSON says nothing: it is Docker's, and not ours to judge.
    """
    folder = environment.get("DOCKER_CONFIG") or environment.get("HOME", "") + "/.docker"
    try:
        with open(f"{folder}/config.json", encoding="utf-8") as file:
            value = json.load(file).get(key)
    except (OSError, ValueError, AttributeError):
        return None
    return value if isinstance(value, str) and value else None
