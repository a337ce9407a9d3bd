"""Apt: firing and not firing."""

from __future__ import annotations

import pytest

from unit.lint.advice import lines, mended


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("DL3008", "RUN apt-get install -y curl"),
        ("DL3008", "RUN apt-get install -y curl=1 wget"),
        ("DL3008", "ONBUILD RUN apt-get install $X"),
        ("DL3008", "RUN apt-get -y install x"),
        ("DL3009", "RUN apt-get update && apt-get install -y x"),
        ("DL3009", "RUN apt update"),
        ("DL3009", "RUN aptitude update"),
        ("DL3009", "RUN apt-get update && rm -rf /tmp/x"),
        ("DL3014", "RUN apt-get install curl"),
        ("DL3014", "RUN apt-get -q install curl"),
        ("DL3015", "RUN apt-get install -y curl"),
        ("DL3027", "RUN apt install x"),
        ("DL3027", "RUN apt list"),
    ],
)
def test_it_fires(code: str, text: str) -> None:
    assert lines(code, text) == [text.count("\n") + 1]


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("DL3008", "RUN apt-get install -y curl=1"),
        ("DL3008", "RUN apt-get install ./x.deb /y.deb"),
        ("DL3008", "RUN apt-get install -t sid curl=1"),
        ("DL3008", "RUN apt-get update"),
        ("DL3008", 'RUN ["echo", "apt-get"]'),
        ("DL3009", "RUN apt-get update; rm -rf /var/lib/apt/lists/*"),
        ("DL3009", "RUN --mount=type=cache,target=/var/lib/apt/lists apt-get update"),
        (
            "DL3009",
            "RUN --mount=type=cache,target=/var/lib/apt --mount=type=tmpfs,target=/var/cache/apt "
            "apt update",
        ),
        ("DL3009", "FROM a:1 AS b\nRUN apt-get update\nFROM c:1\nCOPY --from=b /x /y"),
        ("DL3014", "RUN apt-get install -y curl"),
        ("DL3014", "RUN apt-get install -qq curl"),
        ("DL3014", "RUN apt-get -q -q install curl"),
        ("DL3014", "RUN apt-get --assume-yes install x"),
        ("DL3014", "RUN apt-get install -q=2 x"),
        ("DL3015", "RUN apt-get install --no-install-recommends curl"),
        ("DL3015", "RUN apt-get install -o APT::Install-Recommends=false x"),
        ("DL3027", "RUN apt-get install x"),
        ("DL3027", "RUN apt-cache show x"),
    ],
)
def test_it_is_silent(code: str, text: str) -> None:
    assert lines(code, text) == []


@pytest.mark.parametrize(
    ("code", "text", "expected"),
    [
        ("DL3014", "RUN apt-get install x", "RUN apt-get install -y x"),
        (
            "DL3015",
            "RUN a \\\n  && apt-get install x",
            "RUN a \\\n  && apt-get install --no-install-recommends x",
        ),
        ("DL3027", "RUN apt update; apt install x", "RUN apt-get update; apt-get install x"),
        (
            "DL3009",
            "RUN apt-get update && \\\n    apt-get install x",
            "RUN apt-get update && \\\n    apt-get install x && rm -rf /var/lib/apt/lists/*",
        ),
    ],
)
def test_it_is_mended(code: str, text: str, expected: str) -> None:
    assert mended(code, text) == expected
