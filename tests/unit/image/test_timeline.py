from __future__ import annotations

from lamina.image.timeline import Counts, Mark, Timeline
from lamina.layer.entry import DIR, FILE, SYMLINK, Entry


def file(path: str, size: int = 1) -> Entry:
    return Entry(path, FILE, size=size)


def folder(path: str) -> Entry:
    return Entry(path, DIR, 0o755)


def timeline(*layers: list[Entry]) -> Timeline:
    made = Timeline()
    for entries in layers:
        made.push(entries)
    return made


def test_each_layer_has_its_own_tree() -> None:
    made = timeline(
        [folder("a"), file("a/x", 10), file("a/y", 5)],
        [file("a/x", 3)],
        [file("a/.wh.y", 0)],
    )
    sizes = [
        {path: node.entry.size for path, node in made.children("a", depth).items()}
        for depth in range(4)
    ]
    assert sizes == [{}, {"a/x": 10, "a/y": 5}, {"a/x": 3, "a/y": 5}, {"a/x": 3}]
    assert list(made.removed("a", 3)) == ["a/y"]
    assert made.removed("a", 2) == {}
    assert [node.layer for node in made.versions("a/x")] == [1, 2]
    assert made.at("a/y", 3) is None


def test_what_goes_with_its_directory_is_hidden_and_not_deleted() -> None:
    made = timeline([folder("a"), file("a/x"), file("a/y")], [file(".wh.a", 0)])
    assert made.moment(2).marks == {
        "a": Mark.DELETED,
        "a/x": Mark.HIDDEN,
        "a/y": Mark.HIDDEN,
    }
    assert made.moment(2).counts["."] == Counts(deleted=1, hidden=2)


def test_an_opaque_directory_hides_what_it_had() -> None:
    made = timeline([folder("a"), file("a/x")], [folder("a"), file("a/.wh..wh..opq"), file("a/y")])
    assert made.moment(2).marks == {"a/x": Mark.HIDDEN, "a/y": Mark.ADDED}


def test_sums_go_up_to_the_top_and_count_what_stands_only() -> None:
    made = timeline(
        [file("a/b/c/x", 10), file("a/y", 5), file("z", 1)], [file("a/b/c/x", 3), file(".wh.z", 0)]
    )
    first, second = made.moment(1), made.moment(2)
    assert first.sizes == {"a/b/c": 10, "a/b": 10, "a": 15, ".": 16}
    assert second.sizes == {"a/b/c": 3, "a/b": 3, "a": 8, ".": 8}
    assert second.counts["a"] == Counts(changed=1)
    assert second.counts["."] == Counts(changed=1, deleted=1)


def test_before_the_first_layer_there_is_nothing() -> None:
    made = timeline([file("a")])
    assert made.moment(0).marks == {}
    assert made.children(".", 0) == {}


def test_a_file_that_stands_twice_in_one_tar_was_never_seen() -> None:
    made = timeline([file("a", 1), file("a", 2)])
    assert [node.entry.size for node in made.versions("a")] == [2]
    assert made.moment(1).sizes == {".": 2}


def test_links_lead_where_they_led_at_the_time() -> None:
    made = timeline(
        [folder("one"), file("one/x"), Entry("link", SYMLINK, link="one")],
        [folder("two"), file("two/x"), Entry("link", SYMLINK, link="two")],
    )
    assert made.resolve("/link/x", 1) == "one/x"
    assert made.resolve("/link/x", 2) == "two/x"


def test_what_ever_stood_is_found_by_its_path() -> None:
    made = timeline([folder("a"), file("a/x"), file("b")], [file("a/x"), file("a/.wh.x", 0)])
    found = [
        (node.entry.path, node.layer) for node in made.search(lambda path: "a" in path, limit=9)
    ]
    assert sorted(found) == [("a", 1), ("a/x", 1), ("a/x", 2)]
    assert len(made.search(lambda path: True, limit=2)) == 2
