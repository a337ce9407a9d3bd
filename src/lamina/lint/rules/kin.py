"""How rules of the peers are written down: their addresses, and BuildKit's severity."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from lamina.lint.file import File
from lamina.lint.finding import Hit, Severity
from lamina.lint.rule import Phase, Rule

ERROR, WARNING, INFO, STYLE = Severity.ERROR, Severity.WARNING, Severity.INFO, Severity.STYLE
Check = Callable[[File], Iterable[Hit]]
_DOCKER = "https://docs.docker.com/go/dockerfile/rule/"
_WORD = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def quote(text: str) -> str:
    """`text` between double quotes, as BuildKit's messages show it."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def buildkit(
    code: str, summary: str, check: Check, phase: Phase, *, on: bool = True, has_url: bool = True
) -> Rule:
    """A check of BuildKit's, whose code is its name."""
    name = "-".join(_WORD.split(code)).lower()
    url = f"{_DOCKER}{name}/" if has_url else ""
    return Rule(code, name, WARNING, summary, check, url, phase, on)


def hadolint(
    code: str,
    name: str,
    severity: Severity,
    summary: str,
    check: Check,
    *,
    on: bool = True,
    twin: str | None = None,
) -> Rule:
    """A rule of hadolint's, by its number."""
    url = f"https://github.com/hadolint/hadolint/wiki/{code}"
    return Rule(code, name, severity, summary, check, url, None, on, twin)


def lamina(code: str, name: str, severity: Severity, summary: str, check: Check) -> Rule:
    """A rule of our own."""
    return Rule(code, name, severity, summary, check, f"docs/rules.md#{code.lower()}")
