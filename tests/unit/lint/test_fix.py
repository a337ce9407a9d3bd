"""Certain edits are made, and help."""

from __future__ import annotations

from pathlib import Path

import pytest

from lamina.dockerfile import instructions as ins
from lamina.dockerfile import parse
from lamina.lint import Base, Facts, Settings, check
from lamina.lint.fix import MENDS, fix

BEFORE = """from debian:13 as Base
maintainer me <a@b.c>
ENV a b c
RUN apt-get update \\
    && apt-get install curl=1
RUN pip install x==1 \\
    && apk add y=1

CMD node server.js
ADD x /y
EXPOSE 80/TCP
"""
AFTER = """FROM debian:13 AS base
RUN apt-get update \\
    && apt-get install --no-install-recommends -y curl=1 && rm -rf /var/lib/apt/lists/*
LABEL org.opencontainers.image.authors="me <a@b.c>"
ENV a="b c"
RUN pip install --no-cache-dir x==1 \\
    && apk add --no-cache y=1

CMD ["node", "server.js"]
COPY x /y
EXPOSE 80/tcp
"""


def test_a_file_is_mended_all_over() -> None:
    changed, count = fix(BEFORE)
    assert changed == AFTER
    assert count >= 10
    assert fix(changed) == (changed, 0)


def test_what_is_mended_means_the_same() -> None:
    changed, _ = fix(BEFORE)
    stage = parse(changed).stages[0]
    env, cmd = stage.instructions[2], stage.instructions[4]
    assert isinstance(env, ins.Env)
    assert env.pairs == (("a", '"b c"'),)
    assert isinstance(cmd, ins.Cmd)
    assert (cmd.command.args, cmd.command.is_shell) == (("node", "server.js"), False)


def test_a_file_without_findings_stays_as_it_is() -> None:
    text = "\ufeffFROM debian:13\r\nRUN x\r\n"
    assert fix(text) == (text, 0)


def test_line_ends_and_a_byte_order_mark_are_kept() -> None:
    changed, count = fix("\ufeffFROM a:1 as b\r\nRUN x\r\n")
    assert (changed, count) == ("\ufeffFROM a:1 AS b\r\nRUN x\r\n", 1)


FACTS = Facts(
    has_context=True,
    files={"package.json": "{}", "package-lock.json": "{}", "src": None},
    versions={
        ("dpkg", "curl"): "1-2",
        ("apk", "git"): "3-r0",
        ("python", "flask"): "4.0",
        ("npm", "typescript"): "5.9.2",
        ("gem", "rake"): "13.2.1",
        ("go", "example.com/cmd/tool"): "v1.2.3",
    },
    fresh=frozenset(("COPY src /app",)),
    bases={
        "debian": Base(tags=("13",)),
        "debian:latest": Base(tags=("13",)),
    },
)
EXAMPLES = {
    "ConsistentInstructionCasing": "FROM a:1\nrun x\nUSER 1",
    "ExposeInvalidFormat": "FROM a:1\nEXPOSE 1.2.3.4:80:80",
    "ExposeProtoCasing": "FROM a:1\nEXPOSE 80/TCP",
    "FromAsCasing": "FROM a:1 as b",
    "JSONArgsRecommended": "FROM a:1\nCMD node server.js",
    "LegacyKeyValueFormat": "FROM a:1\nENV a b",
    "MaintainerDeprecated": "FROM a:1\nMAINTAINER me",
    "MultipleInstructionsDisallowed": 'FROM a:1\nCMD ["a"]\nCMD ["b"]',
    "NoEmptyContinuation": "FROM a:1\nRUN a \\\n\n  && b",
    "RedundantTargetPlatform": "FROM --platform=$TARGETPLATFORM a:1",
    "StageNameCasing": "FROM a:1 AS Base",
    "UndefinedVar": "FROM a:1\nRUN x\nENV x=$PTH",
    "DL3006": "FROM debian\nRUN x",
    "DL3007": "FROM debian:latest\nRUN x",
    "DL3008": "FROM a:1\nRUN apt-get install -y curl",
    "DL3009": "FROM a:1\nRUN apt-get update",
    "DL3013": "FROM a:1\nRUN pip install Flask",
    "DL3014": "FROM a:1\nRUN apt-get install curl",
    "DL3015": "FROM a:1\nRUN apt-get install curl",
    "DL3016": "FROM a:1\nRUN npm install -g typescript",
    "DL3018": "FROM a:1\nRUN apk add git",
    "DL3019": "FROM a:1\nRUN apk add git",
    "DL3020": "FROM a:1\nADD x /y",
    "DL3028": "FROM a:1\nRUN gem install rake",
    "DL3025": "FROM a:1\nCMD node server.js",
    "DL3027": "FROM a:1\nRUN apt install x",
    "DL3030": "FROM a:1\nRUN yum install x",
    "DL3032": "FROM a:1\nRUN yum install -y x",
    "DL3034": "FROM a:1\nRUN zypper install x",
    "DL3036": "FROM a:1\nRUN zypper install -y x",
    "DL3038": "FROM a:1\nRUN dnf install x",
    "DL3040": "FROM a:1\nRUN dnf install -y x",
    "DL3042": "FROM a:1\nRUN pip install x",
    "DL3046": "FROM a:1\nRUN useradd -u 123456 me",
    "DL3047": "FROM a:1\nRUN wget x",
    "DL3059": "FROM a:1\nRUN a\nRUN b",
    "DL3062": "FROM a:1\nRUN go install example.com/cmd/tool@latest",
    "DL3060": "FROM a:1\nRUN yarn install",
    "DL3065": "FROM --platform=$TARGETPLATFORM a:1",
    "DL4000": "FROM a:1\nMAINTAINER me",
    "LM1001": "FROM a:1\nCOPY . /app\nRUN apt-get install -y curl",
    "LM1002": "FROM a:1\nWORKDIR /app\nCOPY . .\nRUN npm ci",
    "LM1003": "FROM a:1\nRUN apt-get update\nRUN apt-get install -y x",
    "LM1004": "FROM a:1\nLABEL a=b\nRUN apt-get install -y x",
    "LM1101": "FROM a:1\nRUN apt-get update\nRUN rm -rf /var/lib/apt/lists",
    "LM1102": "FROM a:1\nRUN wget -O /x.tar y\nRUN rm /x.tar",
    "LM1103": "FROM a:1\nCOPY src /app\nRUN chown -R me:me /app",
    "LM1104": "FROM a:1\nCOPY src /app\nRUN chmod -R 755 /app",
}


@pytest.mark.parametrize("code", sorted(MENDS))
def test_a_rule_that_says_so_mends(code: str) -> None:
    settings = Settings(only=frozenset((code,)))
    assert check(EXAMPLES[code], settings=settings, facts=FACTS)
    changed, count = fix(EXAMPLES[code], settings=settings, facts=FACTS)
    assert count == 1
    assert not check(changed, settings=settings, facts=FACTS)


def test_twenty_rules_and_more_mend() -> None:
    assert len(MENDS) >= 40


CORPUS = Path(__file__).parents[3] / "../shared/cases/dockerfiles/files"


@pytest.mark.skipif(not CORPUS.exists(), reason="../shared/cases is not here")
def test_real_files_are_still_read_and_have_fewer_findings() -> None:
    for path in sorted(CORPUS.iterdir())[::9]:
        text = path.read_bytes().decode("utf-8", "surrogateescape")
        before = check(text)
        changed, count = fix(text)
        assert bool(count) == (changed != text), path.name
        if count:
            assert len(check(changed)) < len(before), path.name
            assert {each.code for each in before if each.edits} <= MENDS
            broken = [each for each in check(changed) if each.code == "LM1000"]
            assert len(broken) <= len([each for each in before if each.code == "LM1000"])
