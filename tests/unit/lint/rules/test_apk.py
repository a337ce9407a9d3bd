"""Apk: firing and not firing."""

from __future__ import annotations

import pytest

from unit.lint.advice import lines, mended


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("DL3018", "RUN apk add curl"),
        ("DL3018", "RUN apk --no-cache add curl"),
        ("DL3018", "RUN apk add -t deps curl"),
        ("DL3019", "RUN apk add x"),
        ("DL3019", "RUN apk -U add x"),
    ],
)
def test_it_fires(code: str, text: str) -> None:
    assert lines(code, text) == [text.count("\n") + 1]


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("DL3018", "RUN apk add curl=1"),
        ("DL3018", 'RUN apk add "a>1" b~2'),
        ("DL3018", "RUN apk add -t deps x=1"),
        ("DL3018", "RUN apk add --repository http://x y=1"),
        ("DL3018", "RUN apk add x.apk"),
        ("DL3018", "RUN apk del x"),
        ("DL3019", "RUN apk add --no-cache x"),
        ("DL3019", "RUN apk --no-cache add x"),
        ("DL3019", "RUN --mount=type=cache,target=/var/cache/apk apk add x"),
    ],
)
def test_it_is_silent(code: str, text: str) -> None:
    assert lines(code, text) == []


@pytest.mark.parametrize(
    ("code", "text", "expected"),
    [
        ("DL3019", "RUN apk add x", "RUN apk add --no-cache x"),
    ],
)
def test_it_is_mended(code: str, text: str, expected: str) -> None:
    assert mended(code, text) == expected
