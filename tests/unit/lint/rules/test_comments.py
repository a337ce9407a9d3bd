"""Comments: firing and not firing."""

from __future__ import annotations

import pytest

from unit.lint.advice import found, lines, mended


@pytest.mark.parametrize(
    ("code", "text"),
    [],
)
def test_it_fires(code: str, text: str) -> None:
    assert lines(code, text) == [text.count("\n") + 1]


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("NoEmptyContinuation", "RUN a \\\n# x\n  b"),
        ("DL1001", "# hadolint stage ignore=DL3008\nFROM a:1"),
        ("DL1001", "# a hadolint ignore=DL3008\nRUN x"),
        ("DL1001", "# hadolint shell=bash\nRUN x"),
    ],
)
def test_it_is_silent(code: str, text: str) -> None:
    assert lines(code, text) == []


@pytest.mark.parametrize(
    ("code", "text", "expected"),
    [
        ("NoEmptyContinuation", "RUN a \\\n\n  b", "RUN a \\\n  b"),
    ],
)
def test_it_is_mended(code: str, text: str, expected: str) -> None:
    assert mended(code, text) == expected


def test_an_empty_continuation_is_named_by_the_line_on_which_the_instruction_ends() -> None:
    (finding,) = found("NoEmptyContinuation", "FROM a:1\nRUN b \\\n\n  c \\\n  d\nRUN e\n")
    assert (finding.line, finding.span.start_line) == (5, 3)


def test_a_pragma_is_found_where_it_stands() -> None:
    assert lines("DL1001", "RUN x\n# hadolint ignore=DL3008\nRUN y", use_pragmas=False) == [2]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("# other\nFROM a:1 AS base", ["Comment for FROM should follow the format: `# base <d"]),
        ("# base of all\nFROM a:1 AS base", []),
        ("# other\nFROM a:1", []),
        ("# other\n\nFROM a:1 AS base", []),
        ("# other\n#\nFROM a:1 AS base", []),
        ("# x\nARG A=1 B", ["Comment for ARG should follow the format: `# <arg_key> <d"]),
        ("# B too\nARG A=1 B", []),
    ],
)
def test_definitions_are_described_by_name(text: str, expected: list[str]) -> None:
    code = "InvalidDefinitionDescription"
    messages = [each.message for each in found(code, text)]
    assert messages == [f"{message}escription>`" for message in expected]
