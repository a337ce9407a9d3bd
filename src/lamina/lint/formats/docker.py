"""As `docker build --check` prints it (BuildKit, frontend/subrequests/lint)."""

from __future__ import annotations

import json

from lamina.dockerfile.source import Fault, Source, Span
from lamina.lint.finding import Finding
from lamina.lint.formats import Reports
from lamina.lint.runner import Report

_LINE = "--------------------"


def reports(found: Reports) -> str:
    """Every report, one below the other."""
    return "\n\n".join(report_text(report) for _, report in found)


def report_text(report: Report) -> str:
    """The warnings with the lines around them; and the fault, where there is one."""
    blocks = [_warning(report.source, each) for each in report.findings]
    count = len(blocks)
    if count:
        what = "1 warning has" if count == 1 else f"{count} warnings have"
        blocks.insert(0, f"Check complete, {what} been found!")
    if report.fault is not None:
        blocks.append(_error(report.source, report.fault))
    return "\n\n".join(blocks) if blocks else "Check complete, no warnings found."


def _warning(source: Source, finding: Finding) -> str:
    url = f" - {finding.url}" if finding.url else ""
    first, last = finding.line, max(finding.line, finding.span.end_line)
    if finding.span.start_line < finding.line:
        last = finding.line
    return "\n".join(
        [f"WARNING: {finding.code}{url}", finding.message, _excerpt(source, first, last)]
    )


def _error(source: Source, fault: Fault) -> str:
    span = fault.span
    return f"ERROR: {fault.message}\n" + _excerpt(source, span.start_line, span.end_line)


def _excerpt(source: Source, first: int, last: int) -> str:
    """The lines with some before and behind: two, or four where there is one line only."""
    total = len(source.lines)
    last = min(max(first, last), total)
    start, end = first, last
    wanted = 4 if first == last else 2
    padded = 0
    while padded < wanted:
        before = start, end
        if start > 1:
            start, padded = start - 1, padded + 1
        if end < total:
            end, padded = end + 1, padded + 1
        if before == (start, end):
            break
        padded += 1
    rows = [f"{source.name}:{first}", _LINE]
    for number in range(start, end + 1):
        mark = ">>>" if first <= number <= last else "   "
        rows.append(f" {number:>3} | {mark} {_shown(source.lines[number - 1])}")
    return "\n".join([*rows, _LINE])


def _shown(line: str) -> str:
    """`line` without what would act on a terminal."""
    return "".join(c if c == "\t" or c.isprintable() else "\ufffd" for c in line)


def report_json(report: Report) -> str:
    """The document that `--call=check,format=json` gives."""
    import base64

    source = report.source
    document: dict[str, object] = {
        "warnings": [
            {
                "ruleName": each.code,
                "description": each.description,
                "url": each.url,
                "detail": each.message,
                "location": _location(_lines_of(each)),
            }
            for each in report.findings
        ],
        "sources": [
            {
                "filename": source.name,
                "language": "Dockerfile",
                "data": base64.b64encode(source.text.encode("utf-8", "surrogateescape")).decode(),
            }
        ],
    }
    if report.fault is not None:
        document["buildError"] = {
            "message": report.fault.message,
            "location": _location(report.fault.span),
        }
    return json.dumps(document, indent=2)


def _lines_of(finding: Finding) -> Span:
    line = finding.line
    last = finding.span.end_line if finding.span.start_line >= line else line
    return Span(line, 1, max(line, last), 1)


def _location(span: Span) -> dict[str, object]:
    ranges = [
        {"start": {"line": number}, "end": {"line": number}}
        for number in range(span.start_line, span.end_line + 1)
    ]
    return {"ranges": ranges}
