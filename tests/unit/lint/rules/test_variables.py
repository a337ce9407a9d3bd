"""Variables: firing and not firing."""

from __future__ import annotations

import pytest

from lamina.lint import Base, Facts
from unit.lint.advice import found, lines, mended


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("UndefinedArgInFrom", "FROM a:1$x"),
        ("UndefinedArgInFrom", "ARG y=1\nFROM a:${x}1"),
        ("UndefinedVar", "COPY $x /y"),
        ("UndefinedVar", "ARG a=1\nWORKDIR /$b"),
        ("UndefinedVar", "ENV a=$b"),
        ("UndefinedVar", "RUN --mount=type=cache,target=/$x y"),
        ("UndefinedVar", "USER $x"),
        ("InvalidDefaultArgInFrom", "ARG x\nFROM a:$x"),
        ("InvalidDefaultArgInFrom", "ARG x\nFROM $x"),
        ("LegacyKeyValueFormat", "ENV a b"),
        ("LegacyKeyValueFormat", "LABEL a b c"),
        ("DL3044", "ENV a=b c=$a"),
        ("DL3044", 'ENV a=b c="x${a}y"'),
        ("DL3044", "ENV a=b c=${a:-x}"),
    ],
)
def test_it_fires(code: str, text: str) -> None:
    assert lines(code, text) == [text.count("\n") + 1]


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("UndefinedArgInFrom", "ARG x\nFROM a:1$x"),
        ("UndefinedArgInFrom", "FROM a:${TARGETARCH}"),
        ("UndefinedVar", "ARG x\nCOPY $x /y"),
        ("UndefinedVar", "ENV x=1\nCOPY $x /y"),
        ("UndefinedVar", "RUN echo $x"),
        ("UndefinedVar", "FROM a:1 AS b\nENV x=1\nFROM b\nCOPY $x /y"),
        ("UndefinedVar", 'CMD ["$x"]'),
        ("InvalidDefaultArgInFrom", "ARG x=1\nFROM a:$x"),
        ("InvalidDefaultArgInFrom", "ARG x\nFROM a:1$x"),
        ("LegacyKeyValueFormat", "ENV a=b"),
        ("LegacyKeyValueFormat", 'LABEL a="b c"'),
        ("DL3044", "ENV a=$a"),
        ("DL3044", "ARG a\nENV a=b c=$a"),
        ("DL3044", "ENV a=b\nENV c=$a"),
        ("DL3044", "ENV a=b c='$a'"),
        ("DL3044", "ENV a=b c=$ab"),
    ],
)
def test_it_is_silent(code: str, text: str) -> None:
    assert lines(code, text) == []


@pytest.mark.parametrize(
    ("code", "text", "expected"),
    [
        ("LegacyKeyValueFormat", "ENV a b", "ENV a=b"),
        ("LegacyKeyValueFormat", "LABEL a b  c", 'LABEL a="b  c"'),
        ("LegacyKeyValueFormat", "ENV a 'b c'", "ENV a='b c'"),
        ("UndefinedVar", "ARG DIRS=1\nCOPY $DIR /y", "ARG DIRS=1\nCOPY $DIRS /y"),
    ],
)
def test_it_is_mended(code: str, text: str, expected: str) -> None:
    assert mended(code, text) == expected


def test_what_a_base_image_sets_is_defined() -> None:
    facts = Facts(bases={"a:1": Base(env=(("APP_UID", "1654"),))})
    assert lines("UndefinedVar", "FROM a:1\nUSER $APP_UID", facts) == []
    assert lines("UndefinedVar", "FROM a:1\nUSER $APP_UID") == [2]


def test_heredocs_of_copy_are_expanded_whatever_their_quotes() -> None:
    assert lines("UndefinedVar", "COPY <<EOF /x\ndon't $y\nEOF") == [1]
    assert lines("UndefinedVar", "COPY <<'EOF' /x\n$y\nEOF") == []


def test_near_names_are_offered_in_their_own_case_only() -> None:
    (finding,) = found("UndefinedVar", "ARG DIRS=x\nCOPY $DIR /y")
    assert finding.message == "Usage of undefined variable '$DIR' (did you mean $DIRS?)"
    (finding,) = found("UndefinedVar", "ARG dirs=x\nCOPY $DIRS /y")
    assert finding.message == "Usage of undefined variable '$DIRS'"
