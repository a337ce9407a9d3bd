"""Rules of BuildKit and hadolint: what the real tools say of the same Dockerfiles."""

from __future__ import annotations

import gzip
import json
from functools import cache
from pathlib import Path

import pytest

from lamina.dockerfile.ignore import Ignore
from lamina.lint import Facts, Report, Settings, check, checks, settings
from lamina.lint.rule import Phase
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


def buildkit(files: dict[str, str], attrs: dict[str, str]) -> Report:
    ignore = files.get(".dockerignore")
    given = {key.removeprefix("build-arg:"): value for key, value in attrs.items()}
    facts = Facts(
        ignore=Ignore.parse(ignore) if ignore is not None else None,
        build_args=tuple(given.items()),
    )
    return checks(files["Dockerfile"], facts=facts, options=given.get("BUILDKIT_DOCKERFILE_CHECK"))


def buildkit_differs(row: dict) -> str | None:
    report = buildkit(row["files"], row.get("attrs", {}))
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

Place = tuple[str, int]  # of a finding: the file's path and the line
Columns = tuple[list[Place], list[Place], list[Place]]  # the same, only ours, only theirs
UNRESOLVED = "failed to resolve source metadata"  # the peer had no network for this base image


@cache
def compared() -> dict[str, dict[str, Columns]]:
    """For each tool and rule, the places where both fire, or one of them."""
    return {"buildkit": _compare_buildkit(), "hadolint": _compare_hadolint()}


def _compare_buildkit() -> dict[str, Columns]:
    found: dict[str, Columns] = {}
    for row in rows("buildkit_corpus.jsonl.gz"):
        data = (DOCKERFILES / row["path"]).read_bytes()
        ours = {(f.code, f.line, f.message) for f in checks(data).findings}
        theirs = {(f["rule"], f["line"], f["detail"]) for f in row["findings"]}
        if UNRESOLVED in (row.get("build_error") or ""):
            ours = {each for each in ours if BY_CODE[each[0]].phase is not Phase.STEPS}
        _count(found, row["path"], ours, theirs)
    return found


def _compare_hadolint() -> dict[str, Columns]:
    found: dict[str, Columns] = {}
    codes = frozenset(code for code, rule in BY_CODE.items() if code[:2] == "DL" and rule.on)
    for row in rows("hadolint_corpus.jsonl.gz"):
        if any(f["code"] == "DL1000" for f in row["findings"]):
            continue  # the peer could not read it, and has nothing to say
        data = (DOCKERFILES / row["path"]).read_bytes()
        ours = {(f.code, f.line) for f in check(data, settings=Settings(only=codes))}
        theirs = {(f["code"], f["line"]) for f in row["findings"]}
        pairs = [{each for each in places if each[0] in codes} for places in (ours, theirs)]
        _count(found, row["path"], *pairs)
    return found


def _count(found: dict[str, Columns], path: str, ours: set[tuple], theirs: set[tuple]) -> None:
    for column, places in enumerate((ours & theirs, ours - theirs, theirs - ours)):
        for place in sorted(places):
            found.setdefault(place[0], ([], [], []))[column].append((path, place[1]))


@cache
def reasons() -> dict[str, str]:
    """Why a rule differs, by tool and code."""
    pairs = (line.split(": ", 1) for line in REASONS.read_text().splitlines() if ": " in line)
    return dict(pairs)  # type: ignore[arg-type]


def test_every_difference_on_real_files_has_a_reason() -> None:
    differing = {
        f"{tool} {code}"
        for tool, rules in compared().items()
        for code, (_, ours, theirs) in rules.items()
        if ours or theirs
    }
    assert differing == set(reasons())


def page() -> str:
    """The part of docs/conformance.md that counts the agreement on real Dockerfiles."""
    parts = []
    for tool, title in (("buildkit", "BuildKit"), ("hadolint", "hadolint")):
        rules = compared()[tool]
        totals = [sum(len(columns[at]) for columns in rules.values()) for at in range(3)]
        head = f"### Real Dockerfiles, beside {title}"
        table = [
            "| rule | same | only ours | only theirs | why |",
            "| --- | --- | --- | --- | --- |",
        ]
        for code, columns in sorted(rules.items()):
            same, ours, theirs = map(len, columns)
            why = reasons().get(f"{tool} {code}", "")
            table.append(f"| {code} | {same} | {ours} | {theirs} | {why} |")
        table.append("| all | {} | {} | {} | |".format(*totals))
        parts.append("\n".join([head, "", *table]))
    return "\n\n".join(parts)


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
    for tool, title in (("buildkit", "BuildKit"), ("hadolint", "hadolint")):
        columns = compared()[tool].values()
        same = sum(len(each[0]) for each in columns)
        total = same + sum(len(each[1]) + len(each[2]) for each in columns)
        scores.append((f"rules: findings shared with {title} on real files", same, total, []))
    return scores
