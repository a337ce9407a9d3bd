"""How scripts are written: firing and not firing."""

from __future__ import annotations

import pytest

from lamina.lint import Settings
from lamina.lint.fix import fix
from unit.lint.advice import lines, mended


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("DL3001", "RUN top"),
        ("DL3001", "RUN x && ssh y"),
        ("DL3047", "RUN wget x"),
        ("DL3047", "RUN wget -c x"),
        ("DL3059", "RUN a\nRUN b"),
        ("DL3059", "RUN --mount=type=cache,target=/x a\nRUN --mount=type=cache,target=/x b"),
        ("DL4001", "RUN wget x && curl y"),
        ("DL4001", "RUN wget x\nRUN curl y"),
        ("DL4005", "RUN ln -sf /bin/bash /bin/sh"),
        ("DL4006", "RUN a | b"),
        ("DL4006", 'SHELL ["/bin/sh", "-o", "pipefail", "-c"]\nRUN a | b'),
        ("DL4006", "RUN x=$(a | b)"),
    ],
)
def test_it_fires(code: str, text: str) -> None:
    assert lines(code, text) == [text.count("\n") + 1]


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("DL3001", "RUN apt-get install ssh"),
        ("DL3047", "RUN wget -q x"),
        ("DL3047", "RUN wget -nv x"),
        ("DL3047", "RUN wget --progress=dot:giga x"),
        ("DL3047", "RUN curl x"),
        ("DL3059", "RUN a && b\nRUN c"),
        ("DL3059", "RUN a\nENV x=y\nRUN b"),
        ("DL3059", "RUN a\nRUN --network=none b"),
        ("DL4001", "RUN wget x\nFROM b:1\nRUN curl y"),
        ("DL4001", "RUN wget x; wget y"),
        ("DL4005", "RUN ln -s /bin/true /sbin/init"),
        ("DL4006", "RUN a || b"),
        ("DL4006", 'SHELL ["/bin/bash", "-eo", "pipefail", "-c"]\nRUN a | b'),
        ("DL4006", 'SHELL ["pwsh", "-c"]\nRUN a | b'),
        ("DL4006", "# hadolint shell=powershell\nRUN a | b"),
        ("DL4006", 'FROM a:1 AS b\nSHELL ["/bin/ash", "-o", "pipefail", "-c"]\nFROM b\nRUN a | b'),
    ],
)
def test_it_is_silent(code: str, text: str) -> None:
    assert lines(code, text) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("RUN a\nRUN b c", "RUN a \\\n    && b c"),
        ("RUN a\n\nRUN b\nRUN c", "RUN a \\\n    && b \\\n    && c"),
        ('SHELL ["/bin/bash", "-c"]\nRUN a\nRUN b', None),
    ],
)
def test_runs_are_joined(text: str, expected: str | None) -> None:
    end = expected or 'SHELL ["/bin/bash", "-c"]\nRUN a \\\n    && b'
    assert mended("DL3059", text) == end


@pytest.mark.parametrize(
    "text",
    [
        "RUN cd /x\nRUN b",
        "RUN A=1\nRUN b",
        "RUN a\n# why\nRUN b",
        "RUN a # note\nRUN b",
        'RUN ["a"]\nRUN b',
        "RUN a &\nRUN b",
        "RUN a | c\nRUN b",
        "RUN <<E\na\nE\nRUN b",
        "RUN --network=none a\nRUN --network=none b",
        "RUN x\nRUN npm ci",
        "RUN pip install -r requirements.txt\nRUN x",
        'SHELL ["powershell", "-Command"]\nRUN a\nRUN b',
        "# hadolint shell=pwsh\nRUN a\nRUN b",
    ],
)
def test_runs_that_mean_something_else_together_are_left(text: str) -> None:
    before = f"FROM a:1\n{text}"
    assert fix(before, settings=Settings(only=frozenset(("DL3059",)))) == (before, 0)


def test_where_the_escape_is_another_runs_are_left() -> None:
    text = "# escape=`\nFROM a:1\nRUN a\nRUN b\n"
    assert fix(text, settings=Settings(only=frozenset(("DL3059",)))) == (text, 0)
