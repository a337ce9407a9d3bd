from __future__ import annotations

from lamina.analysis.waste import Unseen, Waste, waste
from lamina.image.stack import Stack
from lamina.layer.entry import DIR, FILE, HARDLINK, Entry


def stack(*layers: list[Entry]) -> Stack:
    made = Stack()
    for entries in layers:
        made.push(entries)
    return made


def file(path: str, size: int = 0) -> Entry:
    return Entry(path, FILE, size=size)


def test_an_image_that_hides_nothing_wastes_nothing() -> None:
    found = waste(stack([file("a", 10)], [file("b", 5)]))
    assert found == Waste(15, ())
    assert (found.wasted, found.efficiency) == (0, 1.0)


def test_an_empty_image_is_not_wasteful() -> None:
    assert waste(stack()).efficiency == 1.0


def test_what_a_later_layer_deletes_is_pulled_all_the_same() -> None:
    found = waste(stack([file("c", 70), file("k", 30)], [file(".wh.c")]))
    assert found.unseen == (Unseen("c", 1, 2, 70),)
    assert (found.written, found.wasted, found.efficiency) == (100, 70, 0.3)


def test_each_version_that_is_replaced_is_wasted() -> None:
    found = waste(stack([file("a", 1)], [file("a", 2)], [file("a", 4)]))
    assert found.unseen == (Unseen("a", 2, 3, 2), Unseen("a", 1, 2, 1))
    assert found.by_path() == {"a": 3}
    assert found.by_writer() == {2: 2, 1: 1}
    assert found.by_hider() == {3: 2, 2: 1}


def test_a_file_is_seen_as_long_as_one_of_its_names_is() -> None:
    layers = [[file("a", 9), Entry("b", HARDLINK, link="a")], [file(".wh.a")]]
    assert waste(stack(*layers)).wasted == 0
    assert waste(stack(*layers, [file(".wh.b")])).wasted == 9


def test_a_directory_that_goes_takes_its_files_with_it() -> None:
    layers = (
        [Entry("d", DIR), file("d/a", 3), file("d/b", 4)],
        [Entry("d", DIR), file("d/.wh..wh..opq")],
    )
    assert waste(stack(*layers)).by_hider() == {2: 7}


def test_a_file_that_a_tar_has_twice_is_wasted_by_its_own_layer() -> None:
    assert waste(stack([file("a", 3), file("a", 4)])).unseen == (Unseen("a", 1, 1, 3),)
