"""MAINTAINER: firing and not firing."""

from __future__ import annotations

import pytest

from unit.lint.advice import lines, mended


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("MaintainerDeprecated", "MAINTAINER x"),
        ("DL4000", "MAINTAINER x <y@z>"),
    ],
)
def test_it_fires(code: str, text: str) -> None:
    assert lines(code, text) == [text.count("\n") + 1]


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("MaintainerDeprecated", 'LABEL maintainer="x"'),
        ("DL4000", 'LABEL maintainer="x"'),
    ],
)
def test_it_is_silent(code: str, text: str) -> None:
    assert lines(code, text) == []


@pytest.mark.parametrize(
    ("code", "text", "expected"),
    [
        (
            "MaintainerDeprecated",
            "MAINTAINER A B <c@d>",
            'LABEL org.opencontainers.image.authors="A B <c@d>"',
        ),
        ("DL4000", 'MAINTAINER "A B"', 'LABEL org.opencontainers.image.authors="A B"'),
    ],
)
def test_it_is_mended(code: str, text: str, expected: str) -> None:
    assert mended(code, text) == expected
