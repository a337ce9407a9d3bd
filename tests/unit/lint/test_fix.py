"""Certain edits are made, and help."""

from __future__ import annotations

from pathlib import Path

import pytest

from lamina.dockerfile import instructions as ins
from lamina.dockerfile import parse
from lamina.lint import check
from lamina.lint.fix import fix

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
LABEL org.opencontainers.image.authors="me <a@b.c>"
ENV a="b c"
RUN apt-get update \\
    && apt-get install --no-install-recommends -y curl=1 && rm -rf /var/lib/apt/lists/*
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
    env, cmd = stage.instructions[1], stage.instructions[4]
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
            broken = [each for each in check(changed) if each.code == "LM1000"]
            assert len(broken) <= len([each for each in before if each.code == "LM1000"])
