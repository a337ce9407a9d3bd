"""WORKDIR: firing and not firing."""

from __future__ import annotations

import pytest

from unit.lint.advice import lines


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("WorkdirRelativePath", "WORKDIR abc"),
        ("WorkdirRelativePath", 'WORKDIR "abc"'),
        ("DL3000", "WORKDIR abc"),
        ("DL3000", "WORKDIR /abc\nWORKDIR def"),
        ("DL3003", "RUN cd /x && make"),
        ("DL3003", "RUN (cd x; make)"),
        ("DL3045", "COPY a b"),
        ("DL3045", "FROM a:1 AS x\nWORKDIR /y\nFROM b:1\nCOPY a b"),
    ],
)
def test_it_fires(code: str, text: str) -> None:
    assert lines(code, text) == [text.count("\n") + 1]


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("WorkdirRelativePath", "WORKDIR /abc"),
        ("WorkdirRelativePath", "WORKDIR /abc\nWORKDIR def"),
        ("WorkdirRelativePath", "FROM a:1 AS b\nWORKDIR /x\nFROM b\nWORKDIR y"),
        ("DL3000", "WORKDIR /abc"),
        ("DL3000", "WORKDIR $abc"),
        ("DL3000", "WORKDIR C:/abc"),
        ("DL3003", "WORKDIR /x"),
        ("DL3003", "RUN make -C x"),
        ("DL3003", "ONBUILD RUN cd x"),
        ("DL3045", "COPY a /b"),
        ("DL3045", "WORKDIR /x\nCOPY a b"),
        ("DL3045", "COPY a $b"),
        ("DL3045", "COPY a c:/b"),
        ("DL3045", "FROM a:1 AS x\nWORKDIR /y\nFROM x\nCOPY a b"),
    ],
)
def test_it_is_silent(code: str, text: str) -> None:
    assert lines(code, text) == []
