from __future__ import annotations

from lamina.image.stack import Effect, Stack
from lamina.layer.entry import DIR, FILE, Entry


def file(path: str, size: int = 1) -> Entry:
    return Entry(path, FILE, size=size)


def folder(path: str, mode: int = 0o755) -> Entry:
    return Entry(path, DIR, mode=mode)


def test_the_first_layer_adds_everything() -> None:
    effect = Stack().push([folder("."), folder("etc"), file("etc/a", 10), file("etc/b", 5)])
    assert effect == Effect(added=3, changed=0, deleted=0, content=15)


def test_a_repeated_directory_counts_for_nothing() -> None:
    stack = Stack()
    stack.push([folder("etc"), file("etc/a")])
    assert stack.push([folder("etc"), file("etc/b")]) == Effect(1, 0, 0, 1)


def test_a_directory_with_another_mode_is_changed() -> None:
    stack = Stack()
    stack.push([folder("etc")])
    assert stack.push([folder("etc", 0o700)]) == Effect(0, 1, 0, 0)


def test_a_file_that_is_there_again_is_changed() -> None:
    stack = Stack()
    stack.push([file("a")])
    assert stack.push([file("a", 3)]) == Effect(0, 1, 0, 3)


def test_a_whiteout_of_a_directory_deletes_all_below_it() -> None:
    stack = Stack()
    stack.push([folder("d"), file("d/a"), folder("d/e"), file("d/e/b"), file("c")])
    assert stack.push([file(".wh.d", 0)]) == Effect(0, 0, 4, 0)
    assert stack.push([file("d")]) == Effect(1, 0, 0, 1)


def test_an_opaque_directory_deletes_what_it_does_not_bring_again() -> None:
    stack = Stack()
    stack.push([folder("d"), file("d/a"), file("d/b")])
    assert stack.push([folder("d"), file("d/b"), file("d/.wh..wh..opq", 0)]) == Effect(0, 1, 1, 1)


def test_a_whiteout_counts_for_lower_layers_wherever_it_stands() -> None:
    stack = Stack()
    stack.push([file("a")])
    assert stack.push([file("a"), file(".wh.a", 0)]) == Effect(0, 1, 0, 1)


def test_a_whiteout_of_what_is_not_there_deletes_nothing() -> None:
    assert Stack().push([file("x/.wh.a", 0)]) == Effect(0, 0, 0, 0)


def test_a_file_in_place_of_a_directory_deletes_what_was_in_it() -> None:
    stack = Stack()
    stack.push([folder("d"), file("d/a")])
    assert stack.push([file("d")]) == Effect(0, 1, 1, 1)


def test_an_entry_that_stands_twice_counts_once() -> None:
    assert Stack().push([file("a"), file("a")]) == Effect(1, 0, 0, 2)
