"""The manual of the rules."""

from __future__ import annotations

from pathlib import Path

from lamina.lint.manual import manual
from lamina.lint.rules import RULES

PAGE = Path(__file__).parents[3] / "docs/rules.md"


def test_the_page_says_what_the_docstrings_say() -> None:
    assert PAGE.read_text() == manual(), "make docs, or scripts/rules docs/rules.md"


def test_examples_keep_their_margin() -> None:
    marks = ("  # no", "  # yes")
    examples = [line for line in manual().split("\n") if any(mark in line for mark in marks)]
    assert len(examples) > 40
    assert [line for line in examples if not line.startswith("    ")] == []


def test_every_rule_has_a_section() -> None:
    text = manual()
    assert [rule.code for rule in RULES if f"\n### {rule.code}\n" not in text] == []
