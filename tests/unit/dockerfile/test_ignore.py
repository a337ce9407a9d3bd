"""Ignore files."""

from __future__ import annotations

import pytest

from lamina.dockerfile.ignore import Ignore
from lamina.errors import Invalid

TEXT = "# comment\n/build\n**/*.log\n!keep.log\nnode_modules\n!node_modules/own\n"


@pytest.mark.parametrize(
    ("path", "ignored"),
    [
        ("build", True),
        ("build/a/b", True),
        ("a/build", False),
        ("x.log", True),
        ("a/b/x.log", True),
        ("keep.log", False),
        ("a/keep.log", True),
        ("node_modules/other/x", True),
        ("node_modules/own/x", False),
        (".", False),
        ("./build/", True),
    ],
)
def test_a_path_is_ignored(path: str, ignored: bool) -> None:
    assert Ignore.parse(TEXT).ignores(path) is ignored


def test_the_pattern_that_decides_is_named_with_its_line() -> None:
    ignore = Ignore.parse(TEXT)
    found = ignore.explain("build/a")
    assert found is not None and (found.text, found.line, found.takes_back) == ("build", 2, False)
    kept = ignore.explain("keep.log")
    assert kept is not None and kept.takes_back
    assert ignore.explain("src") is None


def test_a_walk_skips_only_what_nothing_takes_back() -> None:
    ignore = Ignore.parse("*\n!src/*.py\n")
    assert ignore.may_skip_dir("docs")
    assert not ignore.may_skip_dir("src")
    assert ignore.may_skip_dir("src/deep")
    assert not Ignore.parse("*\n!**/x\n").may_skip_dir("docs")
    assert not Ignore.parse("").may_skip_dir("docs")


def test_what_a_walk_skips_is_ignored_throughout() -> None:
    ignore = Ignore.parse("a\n!a/b/c\nd/*\n!d/[e/]f\n")
    for directory in ("a", "a/b", "a/x", "d/e", "d/z"):
        if ignore.may_skip_dir(directory):
            assert all(ignore.ignores(f"{directory}/{name}") for name in ("c", "f", "x/y"))


@pytest.mark.parametrize("pattern", ["[", "a[", "[]a]", "[a", "[z-a]", "a\\", "!", "[-x]"])
def test_a_pattern_that_is_none_is_refused_with_its_line(pattern: str) -> None:
    with pytest.raises(Invalid) as caught:
        Ignore.parse("x\n" + pattern)
    assert "line 2" in caught.value.message


def test_names_that_are_not_utf8_match() -> None:
    assert Ignore.parse(b"a\xff*").ignores("a\udcffb")


def test_a_name_with_a_newline_is_one_name() -> None:
    assert Ignore.parse("a*").ignores("a\nb")
    assert not Ignore.parse("a?c").ignores("a\n")
