"""What the answer of a build rests on: every file that was looked at, and every list of names."""

from __future__ import annotations

from pathlib import Path

import pytest

from lamina.build.basis import files_behind
from lamina.build.context import EmptyContext, LocalContext, with_ignore
from lamina.build.copying import CopySpec, select


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("d/f", "d/deep/g", "one.txt", "two.txt", "other"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("text")
    (tmp_path / "link").symlink_to("d")
    return tmp_path


def behind(tree: Path, *sources: str, **options: bool) -> set[str] | None:
    selection = select(with_ignore(LocalContext(tree)), CopySpec(sources, "/x/", **options))  # type: ignore[arg-type]
    found = files_behind([selection])
    return None if found is None else {path.removeprefix(f"{tree}/") for path in found}


def test_a_file_is_looked_at_itself(tree: Path) -> None:
    assert behind(tree, "other") == {"other"}


def test_a_directory_is_looked_at_with_all_that_is_in_it(tree: Path) -> None:
    assert behind(tree, "d") == {"d", "d/f", "d/deep", "d/deep/g"}


def test_the_whole_context_is_looked_at_behind_a_link_to_it(tree: Path) -> None:
    found = behind(tree, ".")
    assert found is not None
    assert {".", "./other", "./d/deep/g", "./link"} <= found


def test_a_wildcard_depends_on_the_names_beside_what_it_finds(tree: Path) -> None:
    assert behind(tree, "*.txt") == {".", "one.txt", "two.txt"}
    assert behind(tree, "d/*/g") == {"d", "d/deep", "d/deep/g"}


def test_directories_that_are_hidden_for_the_most_part_are_looked_at(tree: Path) -> None:
    (tree / ".dockerignore").write_text("d/deep\n!d/deep/h\n")
    assert behind(tree, "d") == {"d", "d/f", "d/deep"}


@pytest.mark.parametrize("source", ["link/f", "link"])
def test_what_a_link_leads_to_is_not_told(source: str, tree: Path) -> None:
    assert behind(tree, source) is None


def test_what_an_exception_brings_back_is_not_told(tree: Path) -> None:
    (tree / ".dockerignore").write_text("d\n!d/f\n")
    assert behind(tree, "d") is None


def test_other_contexts_are_not_of_this_host(tmp_path: Path) -> None:
    selection = select(EmptyContext(tmp_path), CopySpec((".",), "/x/"))
    assert files_behind([selection]) is None
