from __future__ import annotations

from lamina.analysis.compare import Change, Setting, compare, compare_settings
from lamina.image.stack import Node, Stack
from lamina.layer.entry import DIR, FILE, HARDLINK, SYMLINK, Entry
from lamina.oci.config import ImageConfig, RunConfig
from lamina.oci.digest import Digest
from lamina.oci.platform import Platform


def stack(*entries: Entry) -> Stack:
    made = Stack()
    made.push(entries)
    return made


def unlike(one: Node, two: Node) -> bool:
    raise AssertionError("nothing needs to be read")


def file(path: str, data: bytes = b"", **more: object) -> Entry:
    return Entry(path, FILE, size=len(data), digest=Digest.of(data), **more)  # type: ignore[arg-type]


def test_the_same_tree_does_not_differ() -> None:
    entries = [Entry("d", DIR), file("d/a", b"1"), Entry("l", SYMLINK, link="d")]
    assert compare(stack(*entries), stack(*entries), unlike) == []


def test_times_are_not_looked_at() -> None:
    assert compare(stack(file("a", mtime=1)), stack(file("a", mtime=2)), unlike) == []


def test_what_only_one_has_is_added_or_removed() -> None:
    found = compare(stack(file("a", b"123")), stack(file("b", b"12")), unlike)
    assert [(one.path, one.change, one.growth) for one in found] == [
        ("a", Change.REMOVED, -3),
        ("b", Change.ADDED, 2),
    ]


def test_a_change_says_in_what() -> None:
    before = stack(
        file("content", b"1"),
        file("mode"),
        file("owner"),
        Entry("link", SYMLINK, link="x"),
        Entry("type"),
        file("xattrs"),
    )
    after = stack(
        file("content", b"2"),
        file("mode", mode=0o600),
        file("owner", uid=1),
        Entry("link", SYMLINK, link="y"),
        Entry("type", DIR),
        file("xattrs", xattrs={"user.a": b"1"}),
    )
    found = compare(before, after, unlike)
    assert {one.path: one.parts for one in found} == {
        name: (name,) for name in ("content", "mode", "owner", "link", "type", "xattrs")
    }


def test_a_hard_link_is_compared_as_the_file_that_it_is() -> None:
    linked = stack(file("a", b"1"), Entry("b", HARDLINK, link="a"))
    assert compare(linked, stack(file("a", b"1"), file("b", b"1")), unlike) == []


def test_files_are_read_where_their_digests_are_not_known() -> None:
    one, two = stack(Entry("a", size=3)), stack(file("a", b"123"))
    assert compare(one, two, lambda old, new: True) == []
    assert compare(one, two, lambda old, new: False)[0].parts == ("content",)


def config(run: RunConfig) -> ImageConfig:
    return ImageConfig.make(
        platform=Platform("linux", "amd64"), config=run, diff_ids=(), history=()
    )


def test_settings_are_compared_one_by_one() -> None:
    before = config(RunConfig(env=("A=1", "B=2"), cmd=("x",), labels={"v": "1"}))
    after = config(RunConfig(env=("B=2", "A=2"), cmd=("x",), exposed_ports=("80/tcp",)))
    assert compare_settings(before, after) == [
        Setting("Env A", "1", "2"),
        Setting("ExposedPort 80/tcp", None, "{}"),
        Setting("Label v", "1", None),
    ]
