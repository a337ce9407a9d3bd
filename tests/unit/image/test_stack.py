from __future__ import annotations

import pytest

from lamina.errors import NotFound
from lamina.image.stack import Effect, Stack
from lamina.layer.entry import DIR, FILE, HARDLINK, SYMLINK, Entry


def file(path: str, size: int = 1) -> Entry:
    return Entry(path, FILE, size=size)


def folder(path: str, mode: int = 0o755) -> Entry:
    return Entry(path, DIR, mode=mode)


def counts(effect: Effect) -> tuple[int, int, int, int]:
    return len(effect.added), len(effect.changed), len(effect.deleted), effect.content


def test_the_first_layer_adds_everything() -> None:
    effect = Stack().push([folder("."), folder("etc"), file("etc/b", 10), file("etc/a", 5)])
    assert effect == Effect(added=("etc", "etc/a", "etc/b"), changed=(), deleted=(), content=15)


def test_a_repeated_directory_counts_for_nothing() -> None:
    stack = Stack()
    stack.push([folder("etc"), file("etc/a")])
    assert counts(stack.push([folder("etc"), file("etc/b")])) == (1, 0, 0, 1)


def test_a_directory_with_another_mode_is_changed() -> None:
    stack = Stack()
    stack.push([folder("etc")])
    assert counts(stack.push([folder("etc", 0o700)])) == (0, 1, 0, 0)


def test_a_file_that_is_there_again_is_changed() -> None:
    stack = Stack()
    stack.push([file("a")])
    assert counts(stack.push([file("a", 3)])) == (0, 1, 0, 3)


def test_a_whiteout_of_a_directory_deletes_all_below_it() -> None:
    stack = Stack()
    stack.push([folder("d"), file("d/a"), folder("d/e"), file("d/e/b"), file("c")])
    assert counts(stack.push([file(".wh.d", 0)])) == (0, 0, 4, 0)
    assert counts(stack.push([file("d")])) == (1, 0, 0, 1)


def test_an_opaque_directory_deletes_what_it_does_not_bring_again() -> None:
    stack = Stack()
    stack.push([folder("d"), file("d/a"), file("d/b")])
    assert counts(stack.push([folder("d"), file("d/b"), file("d/.wh..wh..opq", 0)])) == (0, 1, 1, 1)


def test_a_whiteout_counts_for_lower_layers_wherever_it_stands() -> None:
    stack = Stack()
    stack.push([file("a")])
    assert counts(stack.push([file("a"), file(".wh.a", 0)])) == (0, 1, 0, 1)


def test_a_whiteout_of_what_is_not_there_deletes_nothing() -> None:
    assert counts(Stack().push([file("x/.wh.a", 0)])) == (0, 0, 0, 0)


def test_a_file_in_place_of_a_directory_deletes_what_was_in_it() -> None:
    stack = Stack()
    stack.push([folder("d"), file("d/a")])
    assert counts(stack.push([file("d")])) == (0, 1, 1, 1)


def test_an_entry_that_stands_twice_counts_once() -> None:
    assert counts(Stack().push([file("a"), file("a")])) == (1, 0, 0, 2)


def test_a_hard_link_is_read_where_its_bytes_are() -> None:
    stack = Stack()
    stack.push([file("a", 7), Entry("b", HARDLINK, link="a")])
    assert stack.nodes["b"].source is stack.nodes["a"]
    stack.push([file(".wh.a", 0), Entry("c", HARDLINK, link="b")])
    assert stack.nodes["c"].source is stack.written[0]


def test_a_hard_link_to_nothing_reads_nothing() -> None:
    stack = Stack()
    stack.push([Entry("b", HARDLINK, link="a")])
    assert stack.nodes["b"].source is stack.nodes["b"]
    assert stack.written == []


def test_what_is_hidden_says_by_which_layer() -> None:
    stack = Stack()
    stack.push([folder("d"), file("d/a"), file("b"), file("c")])
    stack.push([file(".wh.d", 0), file("b")])
    assert [node.hidden_by for node in stack.written] == [2, 2, None, None]
    assert [node.layer for node in stack.written] == [1, 1, 1, 2]


def test_what_is_below_a_directory_is_walked_in_order() -> None:
    stack = Stack()
    stack.push([folder("b"), file("b/y"), folder("b/x"), file("b/x/1"), file("a")])
    assert stack.children(".") == ["a", "b"]
    assert list(stack.below(".")) == ["a", "b", "b/x", "b/x/1", "b/y"]
    assert list(stack.below("b/x")) == ["b/x/1"]


def test_a_directory_that_only_its_content_tells_of_is_there_and_counts_for_nothing() -> None:
    stack = Stack()
    assert stack.push([file("a/b/c")]).added == ("a/b/c",)
    assert list(stack.below(".")) == ["a", "a/b", "a/b/c"]
    assert stack.push([folder("x/y"), folder("x", 0o700)]).added == ("x", "x/y")


def link(path: str, target: str) -> Entry:
    return Entry(path, SYMLINK, link=target)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/", "."),
        ("usr/bin/sh", "usr/bin/sh"),
        ("/bin/sh", "usr/bin/sh"),
        ("//bin/./sh/", "usr/bin/sh"),
        ("up/bin", "usr/bin"),
        ("out/usr", "usr"),
        ("usr/bin/../../bin/dash", "usr/bin/sh"),
    ],
)
def test_a_path_is_followed_through_its_links(path: str, expected: str) -> None:
    stack = Stack()
    links = (
        link("bin", "usr/bin"),
        link("up", "/usr"),
        link("out", "../../.."),
        link("usr/bin/dash", "sh"),
    )
    stack.push([folder("usr"), folder("usr/bin"), file("usr/bin/sh"), *links])
    assert stack.resolve(path) == expected


@pytest.mark.parametrize("path", ["nothing", "a", "broken/x"])
def test_a_path_that_leads_nowhere_is_not_found(path: str) -> None:
    stack = Stack()
    stack.push([link("a", "b"), link("b", "a"), link("broken", "gone")])
    with pytest.raises(NotFound):
        stack.resolve(path)
