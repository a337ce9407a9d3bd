"""Secrets: firing and not firing."""

from __future__ import annotations

import pytest

from unit.lint.advice import lines


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("SecretsUsedInArgOrEnv", "ENV password=x"),
        ("SecretsUsedInArgOrEnv", "ARG AWS_SECRET_ACCESS_KEY"),
        ("SecretsUsedInArgOrEnv", "ENV a=b MY_TOKEN=c"),
        ("DL3064", "ENV my_password=x"),
        ("DL3064", "ARG openai_api_key"),
        ("DL3064", "ONBUILD ENV username=x"),
        ("DL3064", "ENV DOCKER_EMAIL=x"),
        ("LM1301", "RUN curl https://bob:hunter2@example.com/x"),
        ("LM1301", "ENV X=AKIAIOSFODNN7EXAMPLE"),
        (
            "LM1301",
            "RUN git clone https://x:ghp_0123456789abcdefghijABCDEFGHIJ012345@github.com/a/b",
        ),
    ],
)
def test_it_fires(code: str, text: str) -> None:
    assert lines(code, text) == [text.count("\n") + 1]


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("SecretsUsedInArgOrEnv", "ENV PUBLIC_KEY=x"),
        ("SecretsUsedInArgOrEnv", "ENV PASSWORD_FILE=/x"),
        ("SecretsUsedInArgOrEnv", "ARG KEY_VERSION"),
        ("SecretsUsedInArgOrEnv", "ENV KEYBOARD=x"),
        ("DL3064", "ENV KEY=x"),
        ("DL3064", "ENV foo=bar"),
        ("LM1301", "RUN curl https://$USER:$PASS@example.com/x"),
        ("LM1301", "RUN curl https://example.com/x"),
        ("LM1301", "ENV X=AKIA"),
    ],
)
def test_it_is_silent(code: str, text: str) -> None:
    assert lines(code, text) == []
