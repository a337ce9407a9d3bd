from __future__ import annotations

import pytest

from lamina.analysis.blame import What, blame
from lamina.layer.entry import DIR, FILE, SYMLINK, Entry


def found(path: str, *layers: list[Entry]) -> list[tuple[int, str, str]]:
    return [(step.layer, str(step.what), step.cause) for step in blame(path, layers)]


def test_a_path_that_no_layer_has_has_no_history() -> None:
    assert found("a", [Entry("b")], [Entry(".wh.a")]) == []


def test_each_layer_that_touches_a_path_is_named() -> None:
    layers = (
        [Entry("d", DIR), Entry("d/a")],
        [Entry("x")],
        [Entry("d/a", size=2)],
        [Entry("d/.wh.a")],
    )
    assert found("d/a", *layers) == [
        (1, "added", "d/a"),
        (3, "changed", "d/a"),
        (4, "deleted", "d/.wh.a"),
    ]


def test_what_is_there_again_is_added_again() -> None:
    layers = [Entry("a")], [Entry(".wh.a")], [Entry("a")]
    assert [what for _, what, _ in found("a", *layers)] == ["added", "deleted", "added"]


@pytest.mark.parametrize(
    "entry",
    [Entry(".wh.d"), Entry("d/.wh..wh..opq"), Entry("d", SYMLINK, link="e"), Entry("d", FILE)],
    ids=["whiteout", "opaque", "link", "file"],
)
def test_a_path_is_hidden_with_the_directory_above_it(entry: Entry) -> None:
    layers = [Entry("d", DIR), Entry("d/e", DIR), Entry("d/e/a")], [entry]
    assert found("d/e/a", *layers)[1:] == [(2, "hidden", entry.path)]


def test_an_opaque_directory_that_brings_the_path_again_changes_it() -> None:
    layers = [Entry("d/a")], [Entry("d/.wh..wh..opq"), Entry("d/a", size=3)]
    steps = blame("d/a", layers)
    assert [(step.layer, step.what) for step in steps] == [(1, What.ADDED), (2, What.CHANGED)]
    assert steps[1].entry is not None and steps[1].entry.size == 3


def test_a_whole_tree_that_is_hidden_hides_the_root_too() -> None:
    assert found("a", [Entry("a")], [Entry(".wh..wh..opq")]) == [
        (1, "added", "a"),
        (2, "hidden", ".wh..wh..opq"),
    ]
