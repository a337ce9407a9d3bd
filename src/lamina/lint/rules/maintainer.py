"""MAINTAINER."""

from __future__ import annotations

import json
from collections.abc import Iterator

from lamina.dockerfile import instructions as ins
from lamina.lint.file import File, Item
from lamina.lint.finding import Edit, Hit
from lamina.lint.rule import Phase
from lamina.lint.rules.kin import ERROR, buildkit, hadolint


def maintainer_deprecated(file: File) -> Iterator[Hit]:
    """A label names the author; MAINTAINER is deprecated.

    Labels are what tools read, and an image can have more than one author.

        MAINTAINER moby@example.com                                    # no
        LABEL org.opencontainers.image.authors="moby@example.com"      # yes
    """
    for item in file.of(ins.Maintainer):
        yield file.hit(
            item,
            "Maintainer instruction is deprecated in favor of using label",
            edits=_as_label(file, item),
        )


def maintainer(file: File) -> Iterator[Hit]:
    """A label names the author (hadolint's number for MaintainerDeprecated)."""
    for item in file.of(ins.Maintainer):
        yield file.hit(item, edits=_as_label(file, item))


def _as_label(file: File, item: Item) -> tuple[Edit, ...]:
    line = item.instruction
    assert isinstance(line, ins.Maintainer)
    author = line.author
    if author[:1] == author[-1:] and author[:1] in "\"'" and len(author) > 1:
        author = author[1:-1]
    if any(c in author for c in "\"'\\$`") or not author.isprintable():
        return ()
    keyword = "LABEL" if line.keyword == line.keyword.upper() else "label"
    quoted = json.dumps(author, ensure_ascii=False)
    return (Edit(item.span, f"{keyword} org.opencontainers.image.authors={quoted}"),)


RULES = (
    buildkit(
        "MaintainerDeprecated",
        "The MAINTAINER instruction is deprecated, use a label instead to define an image author",
        maintainer_deprecated,
        Phase.PARSE,
    ),
    hadolint(
        "DL4000", "maintainer", ERROR, "MAINTAINER is deprecated", maintainer,
        twin="MaintainerDeprecated",
    ),
)  # fmt: skip
