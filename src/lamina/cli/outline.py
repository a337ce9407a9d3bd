"""What `build --call=outline` and `--call=targets` print: docker's tables, and its JSON."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from lamina.cli.table import visible

if TYPE_CHECKING:
    from lamina.build.outline import Offer, Outline, Want
    from lamina.dockerfile.source import Source, Span

_DEFAULT = "(default)"


def targets(offers: Sequence[Offer]) -> str:
    """The stages as a table."""
    rows = [("TARGET", "DESCRIPTION")]
    for one in offers:
        name = f"{one.name} {_DEFAULT}".strip() if one.is_default else one.name
        rows.append((name, one.description))
    return "\n".join(_table(rows, 3))


def targets_json(source: Source, offers: Sequence[Offer]) -> str:
    """The document of `frontend.targets`."""
    rows = [
        _without_empty(
            name=one.name,
            default=one.is_default,
            description=one.description,
        )
        | {"base": one.base}
        | _without_empty(platform=one.platform)
        | {"location": _location(one.span)}
        for one in offers
    ]
    return json.dumps({"targets": rows, "sources": [_encoded(source)]}, indent=2)


def outline(found: Outline) -> str:
    """The parameters as tables, an empty line below each."""
    lines: list[str] = []
    if found.name or found.description:
        head = [("TARGET:", found.name or _DEFAULT)]
        head += [("DESCRIPTION:", found.description)] if found.description else []
        lines += [*_table(head, 1), ""]
    if found.arguments:
        rows = [(one.name, one.value, one.description) for one in found.arguments]
        lines += [*_table([("BUILD ARG", "VALUE", "DESCRIPTION"), *rows], 3), ""]
    for title, wants in (("SECRET", found.secrets), ("SSH", found.ssh)):
        if wants:
            needs = [(one.name, "true" if one.required else "") for one in wants]
            lines += [*_table([(title, "REQUIRED"), *needs], 3), ""]
    return "\n".join(lines)


def outline_json(source: Source, found: Outline) -> str:
    """The document of `frontend.outline`."""
    arguments = [
        {"name": one.name}
        | _without_empty(description=one.description, value=one.value)
        | {"location": _location(one.span)}
        for one in found.arguments
    ]
    document = _without_empty(
        name=found.name,
        description=found.description,
        args=arguments,
        secrets=[_want(one) for one in found.secrets],
        ssh=[_want(one) for one in found.ssh],
    )
    return json.dumps({**document, "sources": [_encoded(source)]}, indent=2)


def _want(one: Want) -> dict[str, object]:
    return (
        {"name": one.name}
        | _without_empty(required=one.required)
        | {"location": _location(one.span)}
    )


def _without_empty(**values: object) -> dict[str, object]:
    """As Go leaves out what is its type's zero."""
    return {name: value for name, value in values.items() if value}


def _location(span: Span) -> dict[str, object]:
    ranges = [
        {"start": {"line": number}, "end": {"line": number}}
        for number in range(span.start_line, span.end_line + 1)
    ]
    return {"ranges": ranges}


def _encoded(source: Source) -> str:
    return base64.b64encode(source.text.encode("utf-8", "surrogateescape")).decode()


def _table(rows: Sequence[Sequence[str]], gap: int) -> list[str]:
    """Columns as wide as their widest cell and `gap` more; the last is not padded."""
    shown = [[visible(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) + gap for column in zip(*shown, strict=True)]
    return [
        "".join(cell.ljust(width) for cell, width in zip(row[:-1], widths, strict=False)) + row[-1]
        for row in shown
    ]
