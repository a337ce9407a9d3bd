"""ONBUILD: firing and not firing."""

from __future__ import annotations

import pytest

from unit.lint.advice import lines


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("DL3043", "ONBUILD ONBUILD RUN x"),
        ("DL3043", "ONBUILD FROM x"),
        ("DL3043", "ONBUILD MAINTAINER x"),
    ],
)
def test_it_fires(code: str, text: str) -> None:
    assert lines(code, text) == [text.count("\n") + 1]


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("DL3043", "ONBUILD RUN x"),
        ("DL3043", "MAINTAINER x"),
    ],
)
def test_it_is_silent(code: str, text: str) -> None:
    assert lines(code, text) == []
