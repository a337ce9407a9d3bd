"""Formats of JSON: a plain list, and SARIF 2.1.0 (OASIS, "Static Analysis Results …")."""

from __future__ import annotations

import json
from collections.abc import Mapping
from urllib.parse import quote

from lamina.dockerfile.source import Span
from lamina.lint.finding import Edit, Finding, Severity
from lamina.lint.formats import Reports
from lamina.lint.rules import BY_CODE

_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning"}
_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def plain(reports: Reports) -> str:
    """A list of findings."""
    rows = [
        {
            "code": each.code,
            "level": each.severity,
            "message": each.message,
            "file": name,
            "line": each.line,
            "column": 1,
            "span": _span(each.span),
            "hint": each.hint,
            "url": each.url,
            "edits": [{"span": _span(edit.span), "text": edit.text} for edit in each.edits],
            "measured": each.measured.to_json() if each.measured is not None else None,
        }
        for name, report in reports
        for each in report.findings
    ]
    return json.dumps(rows, indent=2)


def _span(span: Span) -> dict[str, int]:
    return {
        "startLine": span.start_line,
        "startColumn": span.start_column,
        "endLine": span.end_line,
        "endColumn": span.end_column,
    }


def sarif(reports: Reports) -> str:
    """One run with the rules that fired and their results."""
    codes = sorted({each.code for _, report in reports for each in report.findings})
    places = {code: at for at, code in enumerate(codes)}
    first = {each.code: each for _, report in reports for each in report.findings}
    run = {
        "tool": {
            "driver": {
                "name": "lamina",
                "rules": [_rule(code, first[code]) for code in codes],
            }
        },
        "columnKind": "unicodeCodePoints",
        "defaultSourceLanguage": "dockerfile",
        "results": [
            _result(name, each, places) for name, report in reports for each in report.findings
        ],
    }
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2)


def _rule(code: str, finding: Finding) -> dict[str, object]:
    rule = BY_CODE.get(code)
    document: dict[str, object] = {
        "id": code,
        "name": rule.name if rule else "unreadable",
        "shortDescription": {"text": rule.summary if rule else finding.description},
        "defaultConfiguration": {"level": _LEVELS.get(finding.severity, "note")},
    }
    if rule is not None:
        document["fullDescription"] = {"text": rule.description.split("\n\n")[0]}
        document["help"] = {"text": rule.description}
    if finding.url.startswith("https://"):
        document["helpUri"] = finding.url
    return document


def _result(name: str, finding: Finding, places: Mapping[str, int]) -> dict[str, object]:
    message = finding.message + (f"; {finding.hint}" if finding.hint else "")
    artifact = {"uri": quote(name)}
    document: dict[str, object] = {
        "ruleId": finding.code,
        "ruleIndex": places[finding.code],
        "level": _LEVELS.get(finding.severity, "note"),
        "message": {"text": message},
        "locations": [
            {"physicalLocation": {"artifactLocation": artifact, "region": _span(finding.span)}}
        ],
    }
    if finding.measured is not None:
        document["properties"] = {"measured": finding.measured.to_json()}
    if finding.edits:
        document["fixes"] = [_fix(artifact, finding)]
    return document


def _fix(artifact: Mapping[str, str], finding: Finding) -> dict[str, object]:
    def replacement(edit: Edit) -> dict[str, object]:
        return {"deletedRegion": _span(edit.span), "insertedContent": {"text": edit.text}}

    changes = [replacement(edit) for edit in finding.edits]
    return {
        "description": {"text": finding.hint or finding.message},
        "artifactChanges": [{"artifactLocation": artifact, "replacements": changes}],
    }
