"""Cleaning: firing and not firing."""

from __future__ import annotations

import pytest

from lamina.lint import Facts, Settings
from lamina.lint.fix import fix
from unit.lint.advice import found, lines, mended


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("LM1101", "RUN apt-get update\nRUN rm -rf /var/lib/apt/lists/*"),
        ("LM1101", "RUN dnf install -y x\nRUN dnf clean all"),
        ("LM1101", "RUN pip install x\nRUN rm -rf /root/.cache"),
        ("LM1102", "COPY a.tar.gz /tmp/\nRUN tar -xf /tmp/a.tar.gz && rm /tmp/a.tar.gz"),
        ("LM1102", "ADD https://x/y.zip /y.zip\nRUN unzip /y.zip; rm -f /y.zip"),
        ("LM1102", "WORKDIR /w\nRUN curl -fo x.tgz https://x/y\nRUN rm x.tgz"),
        ("LM1102", "RUN wget https://x/y.zip?z=1\nRUN rm /y.zip"),
        ("LM1103", "COPY . /app\nRUN chown -R x /app"),
        ("LM1103", "WORKDIR /app\nCOPY . .\nRUN chown --recursive x:y ."),
        ("LM1104", "COPY x /scripts\nRUN chmod -R +x /scripts"),
    ],
)
def test_it_fires(code: str, text: str) -> None:
    assert lines(code, text) == [text.count("\n") + 1]


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("LM1101", "RUN apt-get update && rm -rf /var/lib/apt/lists/*"),
        (
            "LM1101",
            "RUN apt update; rm -r /var/lib/apt/lists/*\nRUN apt update; rm -r /var/lib/apt/lists",
        ),
        ("LM1101", "RUN --mount=type=cache,target=/var/cache/yum yum install x\nRUN yum clean all"),
        ("LM1101", "RUN apt-get update\nFROM b:1\nRUN rm -rf /var/lib/apt/lists/*"),
        ("LM1101", "RUN apk add --no-cache x\nRUN rm -rf /var/cache/apk"),
        ("LM1102", "RUN curl -fo x.tgz https://x/y && rm x.tgz"),
        ("LM1102", "COPY a /tmp/\nRUN rm /tmp/b"),
        ("LM1102", "COPY a.tar /tmp/\nRUN x"),
        ("LM1102", "ADD a.tar.gz /tmp/\nRUN rm /tmp/a.tar.gz"),
        ("LM1103", "COPY --chown=x . /app\nRUN chown x /app"),
        ("LM1103", "COPY . /app\nRUN chown -R x /data"),
        ("LM1103", "RUN chown -R x /app"),
        ("LM1104", "COPY x /scripts\nRUN chmod +x /scripts/a"),
    ],
)
def test_it_is_silent(code: str, text: str) -> None:
    assert lines(code, text) == []


@pytest.mark.parametrize(
    ("code", "text", "expected"),
    [
        (
            "LM1101",
            "RUN apt-get update && x\nRUN rm -rf /var/lib/apt/lists/*",
            "RUN apt-get update && x \\\n    && rm -rf /var/lib/apt/lists/*",
        ),
        (
            "LM1102",
            "RUN wget https://x/y.zip\nRUN rm /y.zip",
            "RUN wget https://x/y.zip \\\n    && rm /y.zip",
        ),
    ],
)
def test_it_is_mended(code: str, text: str, expected: str) -> None:
    assert mended(code, text) == expected


@pytest.mark.parametrize(
    "between",
    ["# a comment\n", "ENV x=y\n", "RUN z\n"],
)
def test_runs_are_merged_only_where_nothing_stands_between(between: str) -> None:
    text = f"RUN apt-get update\n{between}RUN rm -rf /var/lib/apt/lists/*"
    assert found("LM1101", text)[0].edits == ()


@pytest.mark.parametrize(
    "first",
    [
        "RUN apt-get update || x",
        "RUN apt-get update; x",
        "RUN --network=none apt-get update",
        "RUN cd /x && apt-get update",
        "RUN apt-get update && X=1 && y",
        "RUN apt-get update && y=$(z)",
        'RUN ["apt-get", "update"]',
    ],
)
def test_runs_are_merged_only_where_they_mean_the_same_then(first: str) -> None:
    assert found("LM1101", f"{first}\nRUN rm -rf /var/lib/apt/lists/*")[0].edits == ()


FRESH = Facts(fresh=frozenset(("COPY src /app", "COPY src .", "COPY --chmod=700 src /app")))


def at_once(text: str, facts: Facts = FRESH) -> str:
    settings = Settings(only=frozenset(("LM1103", "LM1104")))
    return fix(f"FROM a:1\n{text}", settings=settings, facts=facts)[0].removeprefix("FROM a:1\n")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "COPY src /app\n# ours\nRUN chown -R me:me /app\nUSER me\n",
            "COPY --chown=me:me src /app\nUSER me\n",
        ),
        ("COPY src /app\nRUN chown --recursive 1:1 /app/", "COPY --chown=1:1 src /app\n"),
        (
            "WORKDIR /app\nCOPY src .\nRUN chmod -R 0755 .\n",
            "WORKDIR /app\nCOPY --chmod=0755 src .\n",
        ),
    ],
)
def test_what_was_new_is_set_at_once(text: str, expected: str) -> None:
    assert at_once(text) == expected
    assert at_once(text, Facts()) == text  # nobody has seen it


@pytest.mark.parametrize(
    "text",
    [
        "COPY other /app\nRUN chown -R me:me /app\n",
        "COPY src /app\nRUN chown -R me /app\n",
        "COPY src /app\nRUN chown -R $ME:me /app\n",
        "COPY src /app\nRUN chown -RL me:me /app\n",
        "COPY src /app\nRUN chown -R me:me /app /srv\n",
        "COPY src /app\nRUN chown -R me:me /\n",
        "COPY src /app\nRUN chown -R me:me /app && touch /app/x\n",
        "COPY src /app\nRUN chown -R me:me /app 2> /app/log\n",
        "COPY src /app\nRUN --network=none chown -R me:me /app\n",
        "COPY src /app\nRUN adduser me\nRUN chown -R me:me /app\n",
        "COPY src /app\nENV A=1\nRUN chown -R me:me /app\n",
        "COPY --chmod=700 src /app\nRUN chown -R me:me /app\n",
        "COPY src /app\nRUN chmod -R 644 /app\n",
        "COPY src /app\nRUN chmod -R a+x /app\n",
        "ADD src /app\nRUN chown -R me:me /app\n",
        "ONBUILD COPY src /app\nONBUILD RUN chown -R me:me /app\n",
    ],
)
def test_what_may_set_more_or_less_stays(text: str) -> None:
    assert at_once(text) == text
