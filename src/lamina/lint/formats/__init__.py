"""Findings in the words of those who read them: people, editors, and other programs.

text      lines, carets and hints
tty       one line each, as hadolint prints them
json      a list, with hadolint's keys and some more
sarif     SARIF 2.1.0, for code scanning
github    annotations of a workflow
docker    as `docker build --check` prints; also its JSON
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lamina.dockerfile.text import did_you_mean
from lamina.errors import Invalid
from lamina.lint.runner import Report

Reports = Sequence[tuple[str, Report]]  # each with the name of its file
NAMES = ("text", "tty", "json", "sarif", "github", "docker")


def renderer(name: str) -> Callable[[Reports], str]:
    """What makes the text of a format, without a newline at its end; Invalid."""
    if name in ("text", "tty", "github"):
        from lamina.lint.formats import lines

        return {"text": lines.text, "tty": lines.tty, "github": lines.github}[name]
    if name == "json":
        from lamina.lint.formats import documents

        return documents.plain
    if name == "sarif":
        from lamina.lint.formats import documents

        return documents.sarif
    if name == "docker":
        from lamina.lint.formats import docker

        return docker.reports
    raise Invalid(
        f'"{name}" is no format', hint=did_you_mean(name, NAMES) or f"use {', '.join(NAMES)}"
    )
