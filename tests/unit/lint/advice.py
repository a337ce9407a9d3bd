"""How tests ask for the advice of one rule."""

from __future__ import annotations

from typing import Any

from lamina.lint import Facts, Finding, Settings, check
from lamina.lint.fix import fix
from lamina.values import replace


def found(code: str, text: str, facts: Facts | None = None, **settings: Any) -> list[Finding]:
    """What one rule says of a Dockerfile; a FROM is put above where there is none."""
    if "FROM" not in text.upper():
        text = "FROM debian:13\n" + text
    wanted = replace(Settings(only=frozenset((code,))), **settings)
    return [each for each in check(text, settings=wanted, facts=facts) if each.code == code]


def lines(code: str, text: str, facts: Facts | None = None, **settings: Any) -> list[int]:
    """The lines of `text` on which one rule fires, without a FROM that was put above."""
    shift = 0 if "FROM" in text.upper() else 1
    return [each.line - shift for each in found(code, text, facts, **settings)]


def pointed(code: str, text: str) -> list[str]:
    """What the rule points at, where that is on one line."""
    whole = text if "FROM" in text.upper() else "FROM debian:13\n" + text
    rows = whole.split("\n")
    spans = [each.span for each in found(code, text)]
    return [rows[s.start_line - 1][s.start_column - 1 : s.end_column - 1] for s in spans]


def mended(code: str, text: str) -> str:
    """`text` after the edits of one rule; the rule must then be silent."""
    head = "" if "FROM" in text.upper() else "FROM debian:13\n"
    changed, _ = fix(head + text, settings=Settings(only=frozenset((code,))))
    assert not found(code, changed)
    return changed.removeprefix(head)
