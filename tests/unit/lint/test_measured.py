"""Measured facts, for people and for programs."""

from __future__ import annotations

import json

from lamina.lint import Measured, examine
from lamina.lint.formats import renderer
from lamina.lint.runner import Report
from lamina.values import replace

WHOLE = Measured(
    size=2_100_000,
    hides=1_000_000,
    hidden=500_000,
    pull=3_000_000,
    seconds=12.34,
    commits=40,
    rebuilt=8,
    per_commit=3.21,
    per_commit_mended=0.02,
    reads=("package.json",),
)


def measured(about: Measured) -> Report:
    report = examine("FROM a\n")
    return replace(
        report, findings=tuple(replace(each, measured=about) for each in report.findings)
    )


def test_people_read_sentences() -> None:
    assert WHOLE.rows() == [
        "2.1 MB in its layer, hides 1.0 MB of layers below, 0.5 MB of it are hidden by later"
        " layers, took 12.3 s, 3.0 MB to pull again when it is rebuilt",
        "rebuilt by 8 of the last 40 commits; the image takes 3.2 s a commit, and 20 ms once this"
        " is mended",
    ]
    assert "measured: 2.1 MB in its layer" in renderer("text")([("x", measured(WHOLE))])


def test_what_is_not_known_is_left_out() -> None:
    assert Measured().rows() == []
    assert Measured().to_json() == {}
    assert Measured(seconds=1.0, hides=0).rows() == ["took 1.0 s"]


def test_programs_read_numbers() -> None:
    rows = json.loads(renderer("json")([("x", measured(WHOLE))]))
    assert rows[0]["measured"]["layerBytes"] == 2_100_000
    assert rows[0]["measured"]["secondsPerCommitMended"] == 0.02
    document = json.loads(renderer("sarif")([("x", measured(WHOLE))]))
    result = document["runs"][0]["results"][0]
    assert result["properties"] == {"measured": rows[0]["measured"]}
    assert json.loads(renderer("json")([("x", examine("FROM a\n"))]))[0]["measured"] is None
