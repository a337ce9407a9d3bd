"""Labels: firing and not firing."""

from __future__ import annotations

import pytest

from lamina.lint.settings import LabelType
from unit.lint.advice import lines


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("DL3048", "LABEL A=b"),
        ("DL3048", "LABEL a..b=c"),
        ("DL3048", "LABEL com.docker.x=y"),
        ("DL3048", "LABEL 1a=b"),
        ("DL3048", "LABEL a$b=c"),
    ],
)
def test_it_fires(code: str, text: str) -> None:
    assert lines(code, text) == [text.count("\n") + 1]


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("DL3048", "LABEL a=b"),
        ("DL3048", "LABEL a.b-c_d=e"),
        ("DL3048", 'LABEL "a"="b"'),
    ],
)
def test_it_is_silent(code: str, text: str) -> None:
    assert lines(code, text) == []


SCHEMA = {
    "url": LabelType.URL,
    "date": LabelType.RFC3339,
    "license": LabelType.SPDX,
    "commit": LabelType.HASH,
    "version": LabelType.SEMVER,
    "mail": LabelType.EMAIL,
    "title": LabelType.TEXT,
}


@pytest.mark.parametrize(
    ("code", "label", "good", "bad"),
    [
        ("DL3051", "title", "x", ""),
        ("DL3052", "url", "https://a.b/c", "a.b/c"),
        ("DL3053", "date", "2021-03-10T10:26:33.5+01:00", "2021-03-10"),
        ("DL3054", "license", "MIT OR (Apache-2.0 WITH LLVM-exception)", "Do What You Want"),
        ("DL3055", "commit", "43c572f", "43c572"),
        ("DL3056", "version", "1.0.0-rc.1+x", "v1.0"),
        ("DL3058", "mail", "a@b.c", "A <a@b.c>"),
    ],
)
def test_labels_have_the_type_that_the_schema_gives_them(
    code: str, label: str, good: str, bad: str
) -> None:
    assert lines(code, f'LABEL {label}="{good}"', labels=SCHEMA) == []
    assert lines(code, f'LABEL {label}="{bad}"', labels=SCHEMA) == [1]
    assert lines(code, f'LABEL other="{bad}"', labels=SCHEMA) == []
    assert lines(code, f'LABEL {label}="{bad}"') == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("FROM a:1", [1]),
        ("FROM a:1\nLABEL title=x", []),
        ("FROM a:1\nFROM b:1\nLABEL title=x", [1]),
        ("FROM a:1 AS b\nFROM b\nLABEL title=x\nFROM b", [4]),
        ("FROM a:1 AS b\nLABEL title=x\nFROM b", []),
        ("FROM a:1 AS b\nFROM c:1\nLABEL title=x\nCOPY --from=b /x /y", []),
    ],
)
def test_a_label_of_the_schema_is_missed(text: str, expected: list[int]) -> None:
    assert lines("DL3049", text, labels={"title": LabelType.TEXT}) == expected


def test_labels_beside_the_schema_are_too_many_only_where_it_is_strict() -> None:
    schema = {"title": LabelType.TEXT}
    assert lines("DL3050", "LABEL title=x other=y", labels=schema) == []
    assert lines("DL3050", "LABEL title=x other=y", labels=schema, strict_labels=True) == [1]
    assert lines("DL3050", "LABEL title=x", labels=schema, strict_labels=True) == []
