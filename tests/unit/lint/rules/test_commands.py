"""CMD, ENTRYPOINT and HEALTHCHECK: firing and not firing."""

from __future__ import annotations

import pytest

from unit.lint.advice import found, lines, mended


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("JSONArgsRecommended", "CMD x"),
        ("JSONArgsRecommended", "ENTRYPOINT x y"),
        ("DL3012", "HEALTHCHECK NONE\nHEALTHCHECK CMD x"),
        ("DL3025", "CMD x"),
        ("DL3025", "HEALTHCHECK CMD x"),
        ("DL3025", 'SHELL ["/bin/bash", "-c"]\nENTRYPOINT x'),
        ("DL3057", "FROM a:1"),
        ("DL4003", 'CMD ["a"]\nCMD ["b"]'),
        ("DL4004", 'ENTRYPOINT ["a"]\nENTRYPOINT ["b"]'),
    ],
)
def test_it_fires(code: str, text: str) -> None:
    assert lines(code, text) == [text.count("\n") + 1]


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("JSONArgsRecommended", 'CMD ["x"]'),
        ("JSONArgsRecommended", 'SHELL ["/bin/bash", "-c"]\nCMD x'),
        ("JSONArgsRecommended", 'FROM a:1 AS b\nSHELL ["/bin/x"]\nFROM b\nCMD x'),
        ("JSONArgsRecommended", "RUN x"),
        ("DL3012", "HEALTHCHECK CMD x"),
        ("DL3025", 'CMD ["x"]'),
        ("DL3025", 'HEALTHCHECK CMD ["x"]'),
        ("DL3057", "HEALTHCHECK NONE"),
        ("DL3057", "FROM a:1 AS b\nFROM b AS c\nFROM c\nHEALTHCHECK CMD x"),
        ("DL3057", "FROM a:1 AS b\nHEALTHCHECK CMD x\nFROM b"),
        ("DL4003", 'CMD ["a"]\nFROM b:1\nCMD ["b"]'),
        ("DL4004", 'ENTRYPOINT ["a"]'),
    ],
)
def test_it_is_silent(code: str, text: str) -> None:
    assert lines(code, text) == []


@pytest.mark.parametrize(
    ("code", "text", "expected"),
    [
        ("JSONArgsRecommended", "CMD node server.js", 'CMD ["node", "server.js"]'),
    ],
)
def test_it_is_mended(code: str, text: str, expected: str) -> None:
    assert mended(code, text) == expected


def test_the_instruction_that_is_overruled_is_named() -> None:
    text = 'CMD ["a"]\nHEALTHCHECK CMD b\nCMD ["c"]\nHEALTHCHECK NONE'
    assert lines("MultipleInstructionsDisallowed", text) == [1, 2]
    split = 'FROM a:1\nCMD ["a"]\nFROM b:1\nCMD ["c"]'
    assert lines("MultipleInstructionsDisallowed", split) == []


@pytest.mark.parametrize("text", ["CMD a && b", "CMD a $b", "CMD X=1 a", "CMD cd a", "CMD a 'b c'"])
def test_what_needs_a_shell_is_left_to_a_person(text: str) -> None:
    assert found("DL3025", text)[0].edits == ()
