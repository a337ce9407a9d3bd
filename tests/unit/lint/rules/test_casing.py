"""Casing: firing and not firing."""

from __future__ import annotations

import pytest

from unit.lint.advice import lines, mended


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("StageNameCasing", "FROM a:1 AS Base"),
        ("FromAsCasing", "FROM a:1 as b"),
        ("FromAsCasing", "from a:1 AS b"),
        ("ConsistentInstructionCasing", "FROM a:1\nENV x=y\nrun z"),
        ("ConsistentInstructionCasing", "from a:1\nrun x\nCOPY a /b"),
    ],
)
def test_it_fires(code: str, text: str) -> None:
    assert lines(code, text) == [text.count("\n") + 1]


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("StageNameCasing", "FROM a:1 AS base"),
        ("FromAsCasing", "FROM a:1 AS b"),
        ("FromAsCasing", "from a:1 as b"),
        ("FromAsCasing", "From a:1 as b"),
        ("ConsistentInstructionCasing", "FROM a:1\nRUN x"),
        ("ConsistentInstructionCasing", "from a:1\nrun x"),
    ],
)
def test_it_is_silent(code: str, text: str) -> None:
    assert lines(code, text) == []


@pytest.mark.parametrize(
    ("code", "text", "expected"),
    [
        ("StageNameCasing", "FROM a:1 AS Base", "FROM a:1 AS base"),
        ("FromAsCasing", "FROM a:1 as b", "FROM a:1 AS b"),
        ("ConsistentInstructionCasing", "FROM a:1\nENV x=y\n  Run z", "FROM a:1\nENV x=y\n  RUN z"),
    ],
)
def test_it_is_mended(code: str, text: str, expected: str) -> None:
    assert mended(code, text) == expected
