from __future__ import annotations

import pytest

from lamina.oci.digest import Digest
from lamina.registry.gc import Cause, judge, reasons, trail
from lamina.registry.metadata import Graph, Link, Node

OLD, NEW, NOW = 10, 90, 100


def d(name: str) -> Digest:
    return Digest.of(name.encode())


def node(
    *blobs: str,
    children: tuple[str, ...] = (),
    subject: str | None = None,
    pushed: int = OLD,
    orphanable: bool | None = None,
) -> Node:
    return Node(
        pushed,
        d(subject) if subject else None,
        subject is not None if orphanable is None else orphanable,
        [d(each) for each in blobs],
        [d(each) for each in children],
    )


def graph(tags: dict[str, str], links: dict[str, int] | None = None, **nodes: Node) -> Graph:
    return Graph(
        {tag: d(name) for tag, name in tags.items()},
        {d(name): each for name, each in nodes.items()},
        {d(name): Link(d(name), 1, linked) for name, linked in (links or {}).items()},
    )


def dead(found: Graph, *, delete_untagged: bool = True) -> set[Digest]:
    gone = judge(before=50, delete_untagged=delete_untagged)(found)
    return {*gone.manifests, *gone.blobs}


def test_from_a_tag_everything_below_stays() -> None:
    found = graph(
        {"x": "outer"},
        {"config": OLD, "layer": OLD, "other": OLD},
        outer=node(children=("inner",)),
        inner=node(children=("image", "absent")),
        image=node("config", "layer", "absent"),
    )
    assert dead(found) == {d("other")}


def test_a_referrer_stays_as_long_as_its_subject() -> None:
    nodes = {
        "image": node(),
        "signature": node("proof", subject="image"),
        "of_signature": node(subject="signature"),
    }
    assert dead(graph({"x": "image"}, {"proof": OLD}, **nodes)) == set()
    del nodes["image"]
    gone = {d("signature"), d("of_signature"), d("proof")}
    found = graph({}, {"proof": OLD}, **nodes)
    assert dead(found) == dead(found, delete_untagged=False) == gone


def test_a_tagged_referrer_stays_without_its_subject() -> None:
    found = graph({"s": "signature"}, signature=node(subject="image"))
    assert dead(found) == set()


def test_a_referrer_whose_subject_never_came_waits_for_it_unless_untagged_go() -> None:
    found = graph({}, signature=node(subject="image", orphanable=False))
    assert dead(found, delete_untagged=False) == set()
    assert dead(found) == {d("signature")}


def test_untagged_manifests_stay_unless_told_otherwise() -> None:
    found = graph({}, {"layer": OLD}, image=node("layer"))
    assert dead(found, delete_untagged=False) == set()
    assert dead(found) == {d("image"), d("layer")}


def test_what_is_new_stays_with_all_below() -> None:
    found = graph(
        {}, {"layer": OLD, "fresh": NEW}, index=node(children=("image",), pushed=NEW),
        image=node("layer"),
    )  # fmt: skip
    assert dead(found) == set()


def test_circles_end() -> None:
    found = graph({}, a=node(subject="b"), b=node(subject="a"))
    assert dead(found) == {d("a"), d("b")}
    assert dead(graph({"x": "a"}, a=node(subject="b"), b=node(subject="a"))) == set()


@pytest.mark.parametrize(
    ("name", "causes"),
    [
        ("index", [Cause.TAG]),
        ("layer", [Cause.TAG, Cause.CHILD, Cause.CONTENT]),
        ("proof", [Cause.TAG, Cause.CHILD, Cause.REFERRER, Cause.CONTENT]),
        ("fresh", [Cause.RECENT]),
        ("loose", [Cause.UNTAGGED]),
        ("nothing", []),
    ],
)
def test_the_trail_leads_from_what_stays_by_itself(name: str, causes: list[Cause]) -> None:
    found = graph(
        {"x": "index"},
        {"layer": OLD, "proof": OLD, "fresh": NEW, "nothing": OLD},
        index=node(children=("image",)),
        image=node("layer"),
        signature=node("proof", subject="image"),
        loose=node(),
    )
    steps = trail(reasons(found, before=50, grace=100), d(name))
    assert [reason.cause for _, reason in steps] == causes
    if causes:
        assert steps[-1][0] == d(name)
        assert (steps[0][1].until == NEW + 100) == (causes[0] is Cause.RECENT)
