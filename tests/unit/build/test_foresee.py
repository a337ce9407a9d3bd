"""What changes of the context touch, and what is rebuilt with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from lamina.build.context import LocalContext
from lamina.build.foresee import reads, rebuilt
from lamina.build.graph import BaseImage, Graph
from lamina.build.plan import plan
from lamina.build.reach import Options
from lamina.dockerfile import parse
from lamina.dockerfile.ignore import Ignore
from lamina.oci.platform import Platform

TEXT = """FROM scratch AS one
COPY app /app
COPY list /list
FROM scratch
COPY --from=one /app /app
COPY --exclude=*.md docs /docs
"""


def planned(text: str = TEXT) -> Graph:
    def resolve(name: str, platform: Platform) -> BaseImage:
        raise AssertionError(name)

    return plan(parse(text.encode()), Options(), resolve=resolve)


@pytest.fixture
def context(tmp_path: Path) -> LocalContext:
    for name in ("app/a", "app/deep/b", "app/secret", "list", "docs/x.txt", "docs/x.md", "other"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return LocalContext(tmp_path, ignore=Ignore.parse(b"app/secret\n"))


@pytest.mark.parametrize(
    ("path", "steps"),
    [
        ("app/a", {0}),
        ("app/deep/b", {0}),
        ("app/gone", {0}),
        ("app/secret", set()),
        ("list", {1}),
        ("docs/x.txt", {3}),
        ("docs/x.md", set()),
        ("other", set()),
        ("ap", set()),
    ],
)
def test_a_change_touches_the_steps_that_take_it(
    context: LocalContext, path: str, steps: set[int]
) -> None:
    graph = planned()
    taken = reads(graph, {"": context})
    names = {at: graph.steps[at].instruction for at in taken}
    found = {at for at, one in taken.items() if one.is_touched((path,))}
    assert {names[at] for at in found} == {graph.steps[at].instruction for at in steps}


def test_steps_are_rebuilt_with_those_they_use() -> None:
    graph = planned()
    assert rebuilt(graph, ()) == set()
    assert rebuilt(graph, (0,)) == {0, 1, 2, 3}
    assert rebuilt(graph, (3,)) == {3}
