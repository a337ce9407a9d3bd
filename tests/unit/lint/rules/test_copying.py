"""COPY and ADD: firing and not firing."""

from __future__ import annotations

import pytest

from lamina.dockerfile.ignore import Ignore
from lamina.lint import Facts
from unit.lint.advice import found, lines, mended


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("DL3020", "ADD a /b"),
        ("DL3020", "ADD a.zip /b"),
        ("DL3020", "ADD a.tar b /c/"),
        ("DL3021", "COPY a b c"),
        ("DL3067", "COPY --from=x / /"),
    ],
)
def test_it_fires(code: str, text: str) -> None:
    assert lines(code, text) == [text.count("\n") + 1]


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("DL3020", "ADD a.tar.gz /b"),
        ("DL3020", "ADD https://x/y /z"),
        ("DL3020", "COPY a /b"),
        ("DL3021", "COPY a b c/"),
        ("DL3021", "COPY a b"),
        ("DL3067", "COPY --from=x /a /"),
        ("DL3067", "COPY --from=x / /y"),
        ("DL3067", "COPY / /"),
        ("DL3010", "COPY a.tar /x\nRUN x"),
        ("DL3010", "COPY --from=b a.tar /x\nRUN tar -xf /x/a.tar"),
        ("DL3010", "COPY a.tar /x\nRUN tar -cf /x/a.tar"),
        ("DL3010", "ADD a.tar /x\nRUN tar -xf /x/a.tar"),
    ],
)
def test_it_is_silent(code: str, text: str) -> None:
    assert lines(code, text) == []


@pytest.mark.parametrize(
    ("code", "text", "expected"),
    [
        ("DL3020", "ADD a /b", "COPY a /b"),
    ],
)
def test_it_is_mended(code: str, text: str, expected: str) -> None:
    assert mended(code, text) == expected


def test_an_archive_that_is_copied_is_named_where_it_is_copied() -> None:
    assert lines("DL3010", "COPY a.tar.gz b /x/\nRUN tar -C /y -xzf /x/a.tar.gz") == [1]
    assert lines("DL3010", "COPY a.zip /b.gz\nRUN x\nRUN gunzip /b.gz") == [1]


@pytest.mark.parametrize(
    ("patterns", "text", "expected"),
    [
        (("x",), "COPY x /y", ["Copy"]),
        (("x",), "ADD ./x z /y/", ["Add"]),
        (("x",), "COPY x/y /z", ["Copy"]),
        (("**", "!x"), "COPY y /z", []),
        ((".*",), "COPY . /y", []),
        (("x",), "COPY --from=b x /y", []),
    ],
)
def test_what_is_ignored_cannot_be_copied(
    patterns: tuple[str, ...], text: str, expected: list[str]
) -> None:
    facts = Facts(ignore=Ignore.from_patterns(patterns))
    hits = found("CopyIgnoredFile", text, facts)
    assert [each.message.split()[2] for each in hits] == expected
