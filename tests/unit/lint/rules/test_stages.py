"""Names of stages: firing and not firing."""

from __future__ import annotations

import pytest

from unit.lint.advice import lines


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("ReservedStageName", "FROM a:1 AS scratch"),
        ("ReservedStageName", "FROM a:1 AS Context"),
        ("DuplicateStageName", "FROM a:1 AS x\nFROM b:1 AS X"),
        ("DL3022", "COPY --from=x a /b"),
        ("DL3022", "COPY --from=0 a /b"),
        ("DL3023", "FROM a:1 AS x\nCOPY --from=x a /b"),
        ("DL3024", "FROM a:1 AS x\nFROM b:1 AS x"),
        ("DL3063", "FROM a:1 AS context"),
    ],
)
def test_it_fires(code: str, text: str) -> None:
    assert lines(code, text) == [text.count("\n") + 1]


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("ReservedStageName", "FROM scratch AS x"),
        ("DuplicateStageName", "FROM a:1 AS x\nFROM b:1 AS y"),
        ("DL3022", "FROM a:1 AS x\nFROM b:1\nCOPY --from=X a /b"),
        ("DL3022", "COPY --from=x:1 a /b"),
        ("DL3022", "FROM a:1\nFROM b:1\nCOPY --from=0 a /b"),
        ("DL3023", "FROM a:1 AS x\nFROM b:1 AS y\nCOPY --from=x a /b"),
        ("DL3024", "FROM a:1 AS x\nFROM b:1"),
        ("DL3063", "FROM a:1 AS y"),
    ],
)
def test_it_is_silent(code: str, text: str) -> None:
    assert lines(code, text) == []


def test_every_instruction_above_the_first_from_is_named() -> None:
    assert lines("DL3061", "ARG x\nRUN a\nENV b=c\nFROM d:1\nRUN e") == [2, 3]
    assert lines("DL3061", "# x\nARG x\nFROM d:1\nRUN e") == []
