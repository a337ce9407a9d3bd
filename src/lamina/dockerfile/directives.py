"""Parser directives: the `# name=value` lines that may begin a Dockerfile."""

from __future__ import annotations

from lamina.dockerfile.source import Span
from lamina.dockerfile.text import SPACE
from lamina.errors import Invalid
from lamina.late import re
from lamina.values import dataclass

NAMES = frozenset(("syntax", "escape", "check"))
_FORM = r"([a-zA-Z][a-zA-Z0-9]*)[\t\n\f\r ]*=[\t\n\f\r ]*(.+?)[\t\n\f\r ]*"


@dataclass(frozen=True, slots=True)
class Directive:
    """One directive; `value` is the whole text after the equals sign."""

    name: str  # lower case
    value: str
    span: Span

    @property
    def first_word(self) -> str:
        """The value up to its first blank: what `syntax` and `check` go by."""
        return self.value.partition(" ")[0]


class Directives:
    """Reads lines one by one until the first that is no directive."""

    __slots__ = ("_mark", "done", "found")

    def __init__(self, mark: str = "#") -> None:
        self._mark = mark
        self.done = False
        self.found: dict[str, Directive] = {}

    def read(self, line: str, number: int) -> Directive | None:
        """The directive on `line`, or None once they are over; Invalid where it stands twice."""
        if self.done:
            return None
        name = value = ""
        if line.startswith(self._mark):
            match = re.fullmatch(_FORM, line[len(self._mark) :].lstrip(SPACE))
            if match:
                name, value = match[1].lower(), match[2]
        if name not in NAMES:
            self.done = True
            return None
        if name in self.found:
            raise Invalid(
                f'only one directive "{name}" is allowed',
                hint=f"the first one is on line {self.found[name].span.start_line}",
            )
        directive = Directive(name, value, Span(number, 1, number, len(line) + 1))
        self.found[name] = directive
        return directive


def detect(name: str, data: bytes, *, any_form: bool = False) -> Directive | None:
    """The directive `name` of a file that need not be a Dockerfile, after a `#!` line.

    `any_form` also takes `// name=value` and a JSON object with that key, as `syntax` may be
    written for other frontends. A fault in the directives ends the search, and is not raised.
    """
    text = data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")
    lines = text.split("\n")
    skipped = 1 if lines[0].startswith("#!") else 0
    for mark in ("#", "//") if any_form else ("#",):
        reader = Directives(mark)
        try:
            for number, line in enumerate(lines[skipped:], skipped + 1):
                reader.read(line.removesuffix("\r"), number)
                if reader.done:
                    break
        except Invalid:
            pass
        if name in reader.found:
            return reader.found[name]
    return _from_json(name, "\n".join(lines[skipped:]), skipped) if any_form else None


def _from_json(name: str, text: str, line: int) -> Directive | None:
    import json

    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return None
    value = document.get(name) if isinstance(document, dict) else None
    return Directive(name, value, Span(line, 1, line, 1)) if isinstance(value, str) else None
