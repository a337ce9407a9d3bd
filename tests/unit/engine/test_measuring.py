"""What the steps of a mended Dockerfile are expected to take."""

from __future__ import annotations

import pytest

from lamina.build.graph import Graph
from lamina.engine.measuring import taken_over
from unit.build.test_foresee import planned

BEFORE = "FROM scratch\nCOPY . /app\nRUN a\nRUN b\nRUN c\n"
SECONDS = {0: 1.0, 1: 2.0, 2: 4.0, 3: 8.0}


def taken(after: str) -> dict[str, float]:
    graph: Graph = planned(after)
    found = taken_over(planned(BEFORE), SECONDS, graph)
    return {graph.steps[at].instruction: seconds for at, seconds in found.items()}


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (BEFORE, {"COPY . /app": 1.0, "RUN a": 2.0, "RUN b": 4.0, "RUN c": 8.0}),
        ("FROM scratch\nRUN c\nCOPY . /app\n", {"RUN c": 8.0, "COPY . /app": 1.0}),
        ("FROM scratch\nRUN a && b\nRUN c\n", {"RUN a && b": 6.0, "RUN c": 8.0}),
        (
            "FROM scratch\nCOPY list /app/\nRUN a\nCOPY . /app\n",
            {"COPY list /app/": 0.0, "RUN a": 2.0, "COPY . /app": 1.0},
        ),
    ],
)
def test_the_same_instruction_takes_the_same_and_others_what_they_stand_for(
    after: str, expected: dict[str, float]
) -> None:
    assert taken(after) == expected
