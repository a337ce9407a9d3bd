"""A layer comes out the same, and fails the same, however many processes make its files."""

from __future__ import annotations

import io
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.property.test_apart import Member, layer_of, members, tar

from lamina.errors import Error
from lamina.layer.apply import MANY, apply
from shelves import picture

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="owners need root")


def outcome(root: Path, raw: bytes, many: int) -> str:
    """What comes of laying a layer onto a tree: the refusal's words, or nothing."""
    fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        apply(io.BytesIO(raw), fd, many=many)
    except Error as error:
        return f"{type(error).__name__}: {error}"
    finally:
        os.close(fd)
    return ""


def shown(root: Path) -> dict[str, tuple[object, ...]]:
    """The picture, without the times that no layer says."""
    return {
        path: seen if int(str(seen[6] or 0)) < 10**18 else (*seen[:6], "now")
        for path, seen in picture(root).items()
    }


def compare(tars: list[bytes], many: int) -> None:
    with tempfile.TemporaryDirectory() as place:
        one, other = Path(place, "1"), Path(place, "2")
        one.mkdir()
        other.mkdir()
        for raw in tars:
            said = outcome(one, raw, MANY)
            assert outcome(other, raw, many) == said
            if said:
                break  # half a tree may be any half
            assert shown(other) == shown(one)


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.tuples(st.lists(members, max_size=9), st.booleans()), min_size=1, max_size=3),
    st.sampled_from([0, 2]),
)
@example([(layer_of("dir:a file:a/f dir:b"), True), (layer_of("file:a file:a/f"), False)], 0)
@example([(layer_of("file:a/f"), False), (layer_of("file:a file:a/b/f"), False)], 0)
@example([(layer_of("dir:b symlink:a=b file:b/f dir:a/f"), False)], 0)
@example([(layer_of("dir:b symlink:a=b file:b/f file:a/f"), False)], 0)
@example([(layer_of("file:a hardlink:b=a file:a hardlink:c=a"), False)], 0)
@example([(layer_of("file:a file:a/f"), False)], 0)
@example([(layer_of("dir:d file:d/f"), False), (layer_of("file:d/f symlink:d=e"), False)], 0)
@example([(layer_of("symlink:d=e file:e/f"), False), (layer_of("file:e/f gone:d/f"), False)], 0)
@example([(layer_of("dir:a dir:a file:a dir:a/a"), False)], 0)
@example([(layer_of("file:a/f file:a file:a/g"), False)], 0)
@example([(layer_of("file:a/b/f file:a/b file:a/b/g"), False)], 2)
def test_two_processes_make_the_same_as_one(
    layers: list[tuple[list[Member], bool]], many: int
) -> None:
    compare(
        [tar(layer, number=at, parents=whole) for at, (layer, whole) in enumerate(layers)], many
    )
