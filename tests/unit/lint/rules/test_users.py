"""Users and rights: firing and not firing."""

from __future__ import annotations

import pytest

from unit.lint.advice import lines


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("DL3002", "USER root"),
        ("DL3002", "USER 0:0"),
        ("DL3002", "FROM a:1 AS b\nUSER 1\nFROM b\nUSER root"),
        ("DL3004", "RUN sudo x"),
        ("DL3004", "RUN a && sudo b"),
        ("DL3046", "RUN useradd -u 1234567 x"),
        ("DL3046", "RUN useradd --uid=1234567 x"),
        ("DL3066", "USER x"),
        ("DL3066", "USER www-data:1"),
    ],
)
def test_it_fires(code: str, text: str) -> None:
    assert lines(code, text) == [text.count("\n") + 1]


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("DL3002", "USER x"),
        ("DL3002", "USER root\nRUN x\nUSER 1"),
        ("DL3002", "ONBUILD USER root"),
        ("DL3004", "RUN gosu x y"),
        ("DL3004", "RUN echo sudo"),
        ("DL3046", "RUN useradd -l -u 1234567 x"),
        ("DL3046", "RUN useradd -u 1000 x"),
        ("DL3046", "RUN useradd --uid ${LONG_NAME} x"),
        ("DL3066", "USER 33"),
        ("DL3066", "USER 1:x"),
        ("DL3066", "ARG U=1000\nUSER $U"),
        ("DL3066", "ARG U\nENV V=$U\nUSER ${V}"),
    ],
)
def test_it_is_silent(code: str, text: str) -> None:
    assert lines(code, text) == []
