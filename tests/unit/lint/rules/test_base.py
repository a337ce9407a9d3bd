"""Base images: firing and not firing."""

from __future__ import annotations

import pytest

from lamina.lint import Base, Facts, Settings
from lamina.lint.fix import fix
from unit.lint.advice import found, lines


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("DL3006", "FROM debian"),
        ("DL3006", "FROM localhost:5000/a"),
        ("DL3006", "FROM a:1 AS b\nFROM c"),
        ("DL3007", "FROM a:latest"),
    ],
)
def test_it_fires(code: str, text: str) -> None:
    assert lines(code, text) == [text.count("\n") + 1]


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("DL3006", "FROM debian:13"),
        ("DL3006", "FROM scratch"),
        ("DL3006", "FROM $x"),
        ("DL3006", "FROM a:${x}"),
        ("DL3006", "FROM a@sha256:abc"),
        ("DL3006", "FROM a:1 AS b\nFROM b"),
        ("DL3007", "FROM a:latest@sha256:abc"),
        ("DL3007", "FROM a:1"),
    ],
)
def test_it_is_silent(code: str, text: str) -> None:
    assert lines(code, text) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("FROM a:1", [1]),
        ("FROM x.io/a:1", []),
        ("FROM y.x.io/a:1", [1]),
        ("FROM sub.y.io/a:1", []),
        ("FROM scratch", []),
        ("FROM x.io/a:1 AS b\nFROM b\nCOPY --from=b /x /y", []),
        ("FROM scratch\nCOPY --from=z.io/a:1 /x /y", [2]),
        ("FROM scratch\nRUN --mount=from=z.io/a:1,target=/x y", [2]),
    ],
)
def test_only_trusted_registries_are_taken_from(text: str, expected: list[int]) -> None:
    assert lines("DL3026", text, registries=("x.io", "*.y.io")) == expected
    assert lines("DL3026", text) == []


KNOWN = Facts(
    bases={
        "debian": Base(tags=("13",)),
        "debian:latest": Base(tags=("13",)),
        "r.io/a": Base(tags=("1", "1.2")),
        "alone": Base(),
    }
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("FROM debian", "FROM debian:13"),
        ("FROM debian AS a\nFROM a", "FROM debian:13 AS a\nFROM a"),
        ("FROM --platform=linux/amd64 debian:latest", "FROM --platform=linux/amd64 debian:13"),
        ("FROM r.io/a", "FROM r.io/a"),
        ("FROM alone", "FROM alone"),
        ("FROM unknown", "FROM unknown"),
    ],
)
def test_the_tag_is_the_one_that_is_known(text: str, expected: str) -> None:
    settings = Settings(only=frozenset(("DL3006", "DL3007")))
    assert fix(text, settings=settings, facts=KNOWN)[0] == expected


def test_several_tags_are_told_and_left_to_a_person() -> None:
    (one,) = found("DL3006", "FROM r.io/a", KNOWN)
    assert (one.hint, one.edits) == ("here it is the same as r.io/a:1, r.io/a:1.2", ())
