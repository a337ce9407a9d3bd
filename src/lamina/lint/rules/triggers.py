"""ONBUILD."""

from __future__ import annotations

from collections.abc import Iterator

from lamina.dockerfile.source import Span
from lamina.lint.file import File
from lamina.lint.finding import Hit
from lamina.lint.rules.kin import ERROR, hadolint

_FORBIDDEN = ("FROM", "MAINTAINER", "ONBUILD")


def forbidden(file: File) -> Iterator[Hit]:
    """ONBUILD does not trigger ONBUILD, FROM or MAINTAINER: no builder takes them."""
    for node in file.reading.nodes:
        if node.name == "ONBUILD" and node.args and node.args[0].upper() in _FORBIDDEN:
            number = node.start_line
            end = len(file.source.lines[number - 1].rstrip()) + 1
            yield Hit(-1, Span(number, 1, number, end), line=number)


RULES = (hadolint("DL3043", "forbidden-trigger", ERROR, "ONBUILD cannot trigger this", forbidden),)
