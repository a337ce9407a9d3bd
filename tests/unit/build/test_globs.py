"""Wildcards as Go's filepath.Match reads them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lamina.build import globs


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        ("*", "", True),
        ("*", ".hidden", True),
        ("*.txt", "a.txt", True),
        ("*.txt", "a.txt.gz", False),
        ("a?c", "abc", True),
        ("a?c", "ac", False),
        ("[a-c]x", "bx", True),
        ("[^a-c]x", "bx", False),
        ("[^a-c]x", "dx", True),
        ("[[]xyz]", "[xyz]", True),
        (r"a\*b", "a*b", True),
        (r"a\*b", "axb", False),
        (r"[\]]", "]", True),
        (r"[a\-c]", "-", True),
        ("[z-a]", "m", False),
        ("!x", "!x", True),
        ("a.b", "axb", False),
    ],
)
def test_a_part_matches_as_in_go(pattern: str, name: str, matches: bool) -> None:
    expression = globs.matcher(pattern)
    assert expression is not None
    assert (expression.fullmatch(name) is not None) is matches


@pytest.mark.parametrize("pattern", ["[", "[]", "[]a]", "[a", "[a-", "[a-]", "[-a]", "a\\", "[\\"])
def test_a_malformed_pattern_matches_nothing(pattern: str) -> None:
    assert globs.matcher(pattern) is None


def test_an_escaped_star_is_no_wildcard() -> None:
    assert not globs.has_wildcards(r"a\*b")
    assert globs.has_wildcards(r"a\\*b")


def test_a_path_is_cut_before_its_first_wildcard() -> None:
    assert globs.split("a/b/c*/d") == ("a/b", ("c*", "d"))
    assert globs.split("a/b") == ("a/b", ())
    assert globs.split("*") == ("", ("*",))


def test_matches_come_sorted_and_links_are_not_entered(tmp_path: Path) -> None:
    for path in ("b/x", "a/x", "a/y/x", "c"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    (tmp_path / "l").symlink_to("a")
    fd = os.open(tmp_path, os.O_RDONLY)
    try:
        assert list(globs.find(fd, "", ("*", "x"))) == ["a/x", "b/x"]
        assert list(globs.find(fd, "", ("*",))) == ["a", "b", "c", "l"]
        assert list(globs.find(fd, "a", ("[",))) == []
        with pytest.raises(NotADirectoryError):
            list(globs.find(fd, "c", ("*",)))
    finally:
        os.close(fd)
