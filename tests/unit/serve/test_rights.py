from __future__ import annotations

import pytest

from lamina.serve.rights import ALL, Action, Rights, Rule, fits

RIGHTS = Rights(
    (
        Rule(frozenset({"@devs"}), ("team/**",), frozenset({Action.PULL, Action.PUSH})),
        Rule(frozenset({"alice"}), ("team/*",), frozenset({Action.DELETE})),
        Rule(frozenset({"*"}), ("shared",), frozenset({Action.PULL})),
        Rule(frozenset({"anonymous"}), ("public/*",), frozenset({Action.PULL})),
    ),
    {"devs": frozenset({"alice", "bob"})},
)


@pytest.mark.parametrize(
    ("glob", "name", "expected"),
    [
        ("a", "a", True),
        ("a", "ab", False),
        ("a/*", "a/b", True),
        ("a/*", "a/b/c", False),
        ("a/*", "a/", True),
        ("a/**", "a/b/c", True),
        ("**", "a/b", True),
        ("*", "a/b", False),
        ("a.b", "axb", False),
        ("*-app", "my-app", True),
        ("[a]", "a", False),
    ],
)
def test_a_glob_fits_within_parts_or_across(glob: str, name: str, expected: bool) -> None:
    assert fits(glob, name) is expected


@pytest.mark.parametrize(
    ("user", "name", "expected"),
    [
        ("alice", "team/app", ALL),
        ("bob", "team/app", {Action.PULL, Action.PUSH}),
        ("alice", "team/a/b", {Action.PULL, Action.PUSH}),
        ("eve", "team/app", set()),
        ("eve", "shared", {Action.PULL}),
        (None, "shared", set()),
        (None, "public/x", {Action.PULL}),
        ("eve", "public/x", {Action.PULL}),
        ("anonymous", "team/app", set()),
        ("@devs", "team/app", set()),
    ],
)
def test_rules_add_up(user: str | None, name: str, expected: set[Action]) -> None:
    assert RIGHTS.actions(user, name) == expected


def test_without_rules_nobody_may_anything() -> None:
    assert Rights().actions("alice", "x") == frozenset()
    assert not Rights().lets_anybody_in
    assert RIGHTS.lets_anybody_in
