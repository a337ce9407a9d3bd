"""What was found in an image as HTML, for notebooks: values in, text out, everything escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from lamina.analysis.blame import Step
from lamina.analysis.waste import Waste

_MOST = 20  # rows of a table


def table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """An HTML table; cells are text."""
    head = "".join(f"<th>{escape(header)}</th>" for header in headers)
    body = "".join(f"<tr>{''.join(f'<td>{_cell(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def waste_page(found: Waste) -> str:
    """The sum, and the largest files that nobody sees."""
    text = (
        f"<p>{found.written:,} bytes written, {found.wasted:,} never seen:"
        f" efficiency {found.efficiency:.2%}</p>"
    )
    rows = [(one.size, one.layer, one.hidden_by, one.path) for one in found.unseen[:_MOST]]
    return text + table(("bytes", "layer", "hidden by", "path"), rows) if rows else text


def blame_page(steps: Sequence[Step]) -> str:
    """What each layer did to a path."""
    rows = [
        (step.layer, step.what, step.entry.size if step.entry is not None else "", step.cause)
        for step in steps
    ]
    return table(("layer", "what", "bytes", "cause"), rows)


def _cell(cell: object) -> str:
    # Names may be any bytes: what is not text is shown as its number.
    text = str(cell).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return escape(text)
