"""Rules of BuildKit and hadolint: what the real tools say of the same Dockerfiles."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from lamina.dockerfile.ignore import Ignore
from lamina.errors import Invalid
from lamina.lint import Facts, Report, Settings, check, checks, settings
from lamina.lint.directive import CheckOptions
from lamina.lint.rules import BY_CODE
from lamina.values import replace

CASES = Path(__file__).parents[2] / "../shared/cases/rules"
DOCKERFILES = CASES.parent / "dockerfiles"
REASONS = Path(__file__).parents[1] / "conformance" / "rule_reasons.txt"
pytestmark = pytest.mark.skipif(not CASES.exists(), reason="../shared/cases is not here")


@cache
def rows(name: str) -> list[dict]:
    path = CASES / name
    if path.suffix == ".gz":
        with gzip.open(path, "rt", encoding="utf-8") as stream:
            return [json.loads(line) for line in stream]
    return [json.loads(line) for line in path.read_text().splitlines()]


# -- the tables of the peers' own tests --------------------------------------------------------


def buildkit(files: dict[str, str], attrs: dict[str, str]) -> tuple[Report, CheckOptions]:
    ignore = files.get(".dockerignore")
    given = {key.removeprefix("build-arg:"): value for key, value in attrs.items()}
    facts = Facts(
        ignore=Ignore.parse(ignore) if ignore is not None else None,
        build_args=tuple(given.items()),
    )
    return checks(files["Dockerfile"], facts=facts, options=given.get("BUILDKIT_DOCKERFILE_CHECK"))


def buildkit_differs(row: dict) -> str | None:
    report, options = buildkit(row["files"], row.get("attrs", {}))
    ours = sorted((f.code, f.line, f.message) for f in report.findings)
    if row["kind"] == "doc-example":
        theirs = sorted((rule, line, detail) for rule, line, detail in row["peer_warnings"])
        fails = row.get("peer_build_error")
        return None if ours == theirs and bool(fails) == bool(report.fault) else f"{ours}"
    theirs = sorted((e["rule"], e["line"], e["detail"]) for e in row["expected"])
    if ours != theirs:
        return f"{ours} instead of {theirs}"
    for finding in report.findings:
        peer = next(e for e in row["expected"] if e["rule"] == finding.code)
        if (finding.url, finding.description) != (peer["url"], peer["description"]):
            return f"{finding.url} {finding.description}"
    line = report.fault.span.start_line if report.fault else None
    if report.fault is None and options.fails and report.findings:
        line = report.findings[0].line
    expected = row["build_error_line"] if row["build_error"] else None
    return None if line == expected else f"stops on line {line} instead of {expected}"


def hadolint_differs(row: dict) -> str | None:
    base = Settings()
    if row["config"]:
        base = settings.parse_hadolint(json.dumps(row["config"]["hadolint_yaml"]))
    base = replace(base, only=frozenset((row["rule"],)))
    lines = sorted({f.line for f in check(row["dockerfile"], settings=base) if f.code[:2] == "DL"})
    return None if lines == sorted(set(row["peer_lines"])) else f"{lines}"


def hadolint_rows() -> list[dict]:
    """Those of the rules that are built: not ShellCheck's."""
    return [row for row in rows("hadolint.jsonl") if row["rule"] in BY_CODE]


@pytest.mark.parametrize("row", rows("buildkit.jsonl"), ids=lambda row: row["id"])
def test_buildkit_checks_answer_as_the_peer(row: dict) -> None:
    assert buildkit_differs(row) is None


@pytest.mark.parametrize("row", hadolint_rows(), ids=lambda row: f"{row['id']}-{row['rule']}")
def test_hadolint_rules_answer_as_the_peer(row: dict) -> None:
    assert hadolint_differs(row) is None


# -- real Dockerfiles ---------------------------------------------------------------------------

Places = dict[str, Counter[tuple[str, str, int]]]


@cache
def compared() -> dict[str, dict[str, list[list[tuple[str, int]]]]]:
    """For each tool and rule: the places that are the same, only ours, and only theirs."""
    return {"buildkit": _compare_buildkit(), "hadolint": _compare_hadolint()}


def _compare_buildkit() -> dict[str, list[list[tuple[str, int]]]]:
    found: dict[str, list[list[tuple[str, int]]]] = {}
    for row in rows("buildkit_corpus.jsonl.gz"):
        data = (DOCKERFILES / row["path"]).read_bytes()
        try:
            report, _ = checks(data)
            ours = {(f.code, f.line, f.message) for f in report.findings}
        except Invalid:
            ours = set()
        theirs = {(f["rule"], f["line"], f["detail"]) for f in row["findings"]}
        _count(found, row["path"], ours, theirs)
    return found


def _compare_hadolint() -> dict[str, list[list[tuple[str, int]]]]:
    found: dict[str, list[list[tuple[str, int]]]] = {}
    for row in rows("hadolint_corpus.jsonl.gz"):
        codes = {f["code"] for f in row["findings"]}
        if codes & {"DL1000"}:
            continue  # the peer could not read it, and has nothing to say
        data = (DOCKERFILES / row["path"]).read_bytes()
        ours = {(f.code, f.line) for f in check(data, settings=hadolint_only())}
        theirs = {(f["code"], f["line"]) for f in row["findings"] if f["code"] in BY_CODE}
        _count(found, row["path"], {place for place in ours if place[0] in BY_CODE}, theirs)
    return found


@cache
def hadolint_only() -> Settings:
    codes = [code for code, rule in BY_CODE.items() if code.startswith("DL") and rule.on]
    return Settings(only=frozenset(codes))


def _count(found: dict, path: str, ours: set[tuple], theirs: set[tuple]) -> None:
    for column, places in enumerate((ours & theirs, ours - theirs, theirs - ours)):
        for place in places:
            row = found.setdefault(place[0], [[], [], []])
            row[column].append((path, place[1]))


def score() -> list[tuple[str, int, int, list[str]]]:
    """(kind, passed, total, failing ids) of each kind; empty where the cases are missing."""
    if not CASES.exists():
        return []
    scores = []
    for kind, table, differ in (
        ("rules: BuildKit's table", rows("buildkit.jsonl"), buildkit_differs),
        ("rules: hadolint's table", hadolint_rows(), hadolint_differs),
    ):
        failing = [row["id"] for row in table if differ(row)]
        scores.append((kind, len(table) - len(failing), len(table), failing))
    return scores
