"""The context: firing and not firing."""

from __future__ import annotations

import pytest

from lamina.dockerfile.ignore import Ignore
from lamina.lint import Facts
from unit.lint.advice import lines


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("LM1302", "COPY .npmrc /root/"),
        ("LM1302", "COPY a config/.env /b/"),
    ],
)
def test_it_fires(code: str, text: str) -> None:
    assert lines(code, text) == [text.count("\n") + 1]


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("LM1302", "COPY --from=x .npmrc /root/"),
        ("LM1302", "COPY package.json /b"),
        ("LM1302", "COPY .env.example /b"),
    ],
)
def test_it_is_silent(code: str, text: str) -> None:
    assert lines(code, text) == []


@pytest.mark.parametrize(
    ("facts", "ignored", "history"),
    [
        (Facts(), [], []),
        (Facts(has_context=True), [1], []),
        (Facts(has_context=True, has_history=True), [1], []),
        (Facts(has_context=True, has_history=True, ignore=Ignore.parse("x")), [], [1]),
        (Facts(has_context=True, has_history=True, ignore=Ignore.parse(".git")), [], []),
        (Facts(has_context=True, ignore=Ignore.parse("x")), [], []),
    ],
)
def test_the_whole_context_is_copied_with_an_ignore_file_only(
    facts: Facts, ignored: list[int], history: list[int]
) -> None:
    assert lines("LM1201", "COPY . /app", facts) == ignored
    assert lines("LM1202", "ADD ./ /app", facts) == history
    assert lines("LM1201", "COPY src /app", facts) == []
    assert lines("LM1201", "COPY --from=x . /app", facts) == []
