"""References as distribution/reference reads them, and challenges as registry clients do."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from lamina.errors import Invalid
from lamina.oci import reference
from lamina.oci.digest import Digest
from lamina.oci.distribution.challenge import parse_challenges
from lamina.oci.reference import Reference

CASES = Path(__file__).parents[2] / "../shared/cases/parser"
pytestmark = pytest.mark.skipif(not CASES.exists(), reason="../shared/cases is not here")

READERS: dict[str, Callable[[str], Reference | Digest]] = {
    "parse": reference.split,
    "normalized": reference.parse,
    "any": reference.parse_any,
    "canonical_named": reference.parse_canonical,
    "docker_ref": reference.parse_pullable,
}


@cache
def rows(name: str) -> list[dict]:
    return [json.loads(line) for line in (CASES / f"{name}.jsonl").read_text().splitlines()]


def score() -> list[tuple[str, int, int, list[str]]]:
    """(kind, passed, total, failing ids) of each kind; empty where the cases are missing."""
    if not CASES.exists():
        return []
    scores = []
    for kind, differ in DIFFERS.items():
        failing = [row["id"] for row in rows(kind) if differ(row)]
        scores.append((f"parser: {kind}", len(rows(kind)) - len(failing), len(rows(kind)), failing))
    return scores


def facts(found: Reference | Digest) -> dict[str, object]:
    """A reference in the words of the cases."""
    if isinstance(found, Digest):
        return {"digest": str(found), "string": str(found), "name_only": False}
    told: dict[str, object] = {
        "domain": found.domain,
        "path": found.path,
        "name": found.name,
        "familiar_name": found.familiar_name,
        "familiar_string": found.familiar(),
        "name_only": found.is_name_only,
        "string": str(found),
    }
    if found.tag is not None:
        told["tag"] = found.tag
    if found.digest is not None:
        told["digest"] = str(found.digest)
    return told


def reference_differs(row: dict) -> str | None:
    """What is read otherwise than by the peer; None if nothing."""
    for kind, read in READERS.items():
        if kind not in row:
            continue
        try:
            told = facts(read(row["input"]))
        except Invalid as error:
            if "error" not in row[kind]:
                return f"{kind}: refused: {error}"
            continue
        if "error" in row[kind]:
            return f"{kind}: accepted"
        wanted = {key: value for key, value in row[kind].items() if key in told or value}
        if wanted != {key: told.get(key) for key in wanted}:
            return f"{kind}: {told} is not {wanted}"
    tagged = row.get("tag_name_only")
    if tagged and str(reference.parse(row["input"]).with_default_tag()) != tagged:
        return "tag_name_only"
    return None


def grammar_differs(row: dict) -> str | None:
    text = row["input"]
    checks = {
        "domain": reference.is_domain,
        "full-name": reference.is_name,
        "identifier": reference.is_identifier,
        "reference": accepts,
    }
    if checks[row["grammar"]](text) != row["match"]:
        return f"match is not {row['match']}"
    if not row["match"] or not row.get("subs"):
        return None
    found = reference.split(text)
    if row["grammar"] == "full-name":
        told = [found.domain, found.path]
    else:
        told = [found.name, found.tag or "", str(found.digest or "")]
    return None if told == row["subs"] else f"{told} is not {row['subs']}"


def accepts(text: str) -> bool:
    try:
        reference.split(text)
    except Invalid:
        return False
    return True


def operation_differs(row: dict) -> str | None:
    if row["what"] == "familiar-match":
        matched = reference.familiar_match(row["pattern"], reference.parse(row["reference"]))
        return None if matched is row["expected"] else f"match is {matched}"
    if row["what"] == "sort":
        told = reference.order(row["unsorted"])
        return None if told == row["expected"] else str(told)
    name = reference.split(row["name"])
    found = name.with_tag(row["tag"]) if row["tag"] else name
    if row["digest"]:
        found = found.with_digest(Digest(row["digest"]))
    return None if str(found) == row["combined"] else str(found)


def challenge_differs(row: dict) -> str | None:
    try:
        told = [
            {"scheme": one.scheme, "parameters": dict(one.parameters)}
            for one in parse_challenges(row["header"])
        ]
    except Invalid as error:
        return None if row["error"] else f"refused: {error}"
    return None if not row["error"] and told == row["challenges"] else f"accepted: {told}"


DIFFERS: dict[str, Callable[[dict], str | None]] = {
    "references": reference_differs,
    "reference_grammar": grammar_differs,
    "reference_ops": operation_differs,
    "auth_challenges": challenge_differs,
}


@pytest.mark.parametrize("kind", DIFFERS)
def test_every_row_is_read_as_the_peer_reads_it(kind: str) -> None:
    differing = {row["id"]: why for row in rows(kind) if (why := DIFFERS[kind](row))}
    assert differing == {}
