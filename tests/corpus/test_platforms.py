"""Platforms as containerd's platforms package parses, spells, matches and orders them."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from lamina.errors import Invalid
from lamina.oci import platform as platforms
from lamina.oci.platform import Platform

CASES = Path(__file__).parents[2] / "../shared/cases/parser"
pytestmark = pytest.mark.skipif(not CASES.exists(), reason="../shared/cases is not here")

MATCHERS: dict[str, Callable[[Platform, Platform], bool]] = {
    "only": platforms.matches,
    "only-strict": platforms.matches_strictly,
    "only-os": platforms.matches_system,
    "any": lambda wanted, candidate: platforms.matches_any([wanted], candidate),
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


def facts(found: Platform) -> dict[str, object]:
    return {
        "os": found.os,
        "architecture": found.architecture,
        "variant": found.variant,
        "os_version": found.os_version,
        "os_features": list(found.os_features),
    }


def parse_differs(row: dict) -> str | None:
    """Cases that leave the host to fill something in hold on linux/amd64 only."""
    if row.get("note") == "host linux/amd64" and str(platforms.default()) != "linux/amd64":
        return None
    try:
        found = platforms.parse(row["input"])
    except Invalid as error:
        return None if row["error"] else f"refused: {error}"
    if row["error"]:
        return f"accepted: {found}"
    told = facts(found) | {"formatted": platforms.format_all(found)}
    wanted = {key: row[key] for key in told}
    if told != wanted:
        return f"{told} is not {wanted}"
    for one in row["matches"]:
        candidate = Platform(
            one["OS"],
            one["Architecture"],
            one["Variant"],
            one["OSVersion"],
            tuple(one["OSFeatures"] or ()),
        )
        if not platforms.matches_strictly(found, candidate):
            return f"does not match {candidate}"
    return None


def normalize_differs(row: dict) -> str | None:
    try:
        found = platforms.parse(row["input"])
    except Invalid as error:
        return None if row.get("error") else f"refused: {error}"
    if row.get("error"):
        return f"accepted: {found}"
    told = facts(found) | {
        "format": platforms.format(found),
        "format_all": platforms.format_all(found),
        "normalized_format": platforms.format(platforms.normalize(found)),
    }
    wanted = {key: row[key] for key in told} | {"os_features": row["os_features"] or []}
    return None if told == wanted else f"{told} is not {wanted}"


def match_differs(row: dict) -> str | None:
    wanted, candidate = (platforms.parse(row[key]) for key in ("platform", "candidate"))
    matched = MATCHERS[row["matcher"]](wanted, candidate)
    return None if matched is row["match"] else f"match is {matched}"


def order_differs(row: dict) -> str | None:
    found = [platforms.parse(text) for text in row["platforms"]]
    told = [str(one) for one in platforms.ordered(platforms.parse(row["platform"]), found)]
    return None if told == row["expected"] else str(told)


DIFFERS: dict[str, Callable[[dict], str | None]] = {
    "platforms": parse_differs,
    "platform_normalize": normalize_differs,
    "platform_match": match_differs,
    "platform_order": order_differs,
}


@pytest.mark.parametrize("kind", DIFFERS)
def test_every_row_is_answered_as_the_peer_answers_it(kind: str) -> None:
    differing = {row["id"]: why for row in rows(kind) if (why := DIFFERS[kind](row))}
    assert differing == {}
