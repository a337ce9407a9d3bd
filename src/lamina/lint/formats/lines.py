"""Formats of lines: for a person, for hadolint's readers, for GitHub."""

from __future__ import annotations

from collections import Counter

from lamina.lint.finding import Finding, Severity
from lamina.lint.formats import Reports
from lamina.lint.runner import Report

_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning"}


def text(reports: Reports) -> str:
    """Each finding with its lines, a caret and its hint; then how many there are."""
    blocks = [_block(name, report, each) for name, report in reports for each in report.findings]
    return "\n\n".join([*blocks, summary(reports)])


def summary(reports: Reports) -> str:
    """How many findings there are, by severity."""
    counts = Counter(each.severity for _, report in reports for each in report.findings)
    total = sum(counts.values())
    if not total:
        return "no findings"
    plural = {Severity.ERROR: "s", Severity.WARNING: "s"}
    parts = [
        f"{count} {each}{plural.get(each, '') * (count > 1)}"
        for each in Severity
        if (count := counts[each])
    ]
    fixable = sum(bool(each.edits) for _, report in reports for each in report.findings)
    more = f"; {fixable} can be mended by --fix" if fixable else ""
    return f"{total} finding{'s' * (total > 1)}: {', '.join(parts)}{more}"


def _block(name: str, report: Report, finding: Finding) -> str:
    rows = [f"{name}:{finding.span}: {finding.severity}: {finding.message} [{finding.code}]"]
    rows.append(report.source.excerpt(finding.span))
    if finding.measured is not None:
        rows += [f"measured: {text}" for text in finding.measured.rows()]
    if finding.hint:
        rows.append(f"hint: {finding.hint}")
    return "\n".join(rows)


def tty(reports: Reports) -> str:
    """One line each: file, line, code, severity, message."""
    return "\n".join(
        f"{name}:{each.line} {each.code} {each.severity}: {each.message}"
        for name, report in reports
        for each in report.findings
    )


def github(reports: Reports) -> str:
    """Commands of a GitHub workflow, which become annotations of the lines."""
    rows: list[str] = []
    for name, report in reports:
        for each in report.findings:
            span = each.span
            places = {
                "file": name,
                "line": span.start_line,
                "endLine": max(span.start_line, span.end_line),
                "col": span.start_column,
                "endColumn": span.end_column,
                "title": each.code,
            }
            if span.end_line != span.start_line:
                del places["col"], places["endColumn"]  # GitHub takes them on one line only
            properties = ",".join(f"{key}={_property(str(v))}" for key, v in places.items())
            message = each.message + (f" ({each.hint})" if each.hint else "")
            rows.append(f"::{_LEVELS.get(each.severity, 'notice')} {properties}::{_data(message)}")
    return "\n".join(rows)


def _data(value: str) -> str:
    return value.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(value: str) -> str:
    return _data(value).replace(":", "%3A").replace(",", "%2C")
