from __future__ import annotations

import pytest

from lamina.analysis.budget import Budget, parse
from lamina.analysis.waste import waste
from lamina.errors import Invalid
from lamina.image.stack import Stack
from lamina.layer.entry import FILE, Entry


def test_every_rule_is_read() -> None:
    text = (
        "rules:\n  lowestEfficiency: 0.95\n  highestWastedBytes: 20MB\n"
        "  highestUserWastedPercent: '0.20'\n"
    )
    assert parse(text) == Budget(0.95, 20_000_000, 0.2)


def test_what_is_not_named_is_as_usual() -> None:
    assert parse("rules: {}") == Budget(0.9, None, 0.1)
    assert parse("rules: {lowestEfficiency: 1}") == Budget(1.0, None, 0.1)


@pytest.mark.parametrize("word", ["disabled", "off", "OFF", "false", "", "''"])
def test_a_rule_can_be_turned_off(word: str) -> None:
    rules = ("lowestEfficiency", "highestWastedBytes", "highestUserWastedPercent")
    text = "rules:\n" + "".join(f"  {rule}: {word}\n" for rule in rules)
    assert parse(text) == Budget(None, None, None)


@pytest.mark.parametrize(
    ("text", "size"),
    [("7", 7), ("7B", 7), ("1.5 kB", 1500), ("20MB", 20_000_000), ("2GiB", 2 << 30), ("3k", 3000)],
)
def test_sizes_have_units(text: str, size: int) -> None:
    assert parse(f"rules: {{highestWastedBytes: {text}}}").wasted == size


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[",
        "- rules",
        "rules:",
        "rules: []",
        "rules: {}\nci: true",
        "lowestEfficiency: 0.9",
        "rules: {lowestEfficiency: 90}",
        "rules: {lowestEfficiency: -0.1}",
        "rules: {lowestEfficiency: .nan}",
        "rules: {lowestEfficiency: most}",
        "rules: {lowestEfficiency: true}",
        "rules: {lowestEfficiency: [1]}",
        "rules: {lowestWaste: 0.9}",
        "rules: {highestWastedBytes: lots}",
        "rules: {highestWastedBytes: -1}",
        "rules: {highestWastedBytes: 20XB}",
        "rules: {highestUserWastedPercent: 10%}",
        "!!python/object/apply:os.system [x]",
    ],
)
def test_what_is_malformed_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        parse(text)


def test_rules_that_are_broken_are_told() -> None:
    stack = Stack()
    stack.push([Entry("base", FILE, size=700), Entry("gone", FILE, size=100)])
    stack.push([Entry(".wh.gone", FILE), Entry("new", FILE, size=200)])
    found = waste(stack)
    assert list(Budget(0.9, 100, 0.5).broken(found, stack)) == []
    assert list(Budget(0.91, 99, 0.49).broken(found, stack)) == [
        "lowestEfficiency: 0.9 is less than 0.91",
        "highestWastedBytes: 100 is more than 99",
        "highestUserWastedPercent: 0.5 is more than 0.49",
    ]
    assert list(Budget(None, None, None).broken(found, stack)) == []
    lone = Stack()
    lone.push([Entry("base", FILE, size=700)])
    assert list(Budget(1.0, 0, 0.0).broken(waste(lone), lone)) == []
