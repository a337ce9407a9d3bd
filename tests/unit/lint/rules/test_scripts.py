"""How scripts are written: firing and not firing."""

from __future__ import annotations

import pytest

from unit.lint.advice import lines


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
