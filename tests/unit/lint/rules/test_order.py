"""Order: firing and not firing."""

from __future__ import annotations

import pytest

from unit.lint.advice import lines, mended


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("LM1001", "COPY . /x\nRUN apt-get update && apt-get install -y x"),
        ("LM1001", "ADD . .\nRUN apk add --no-cache x"),
        ("LM1002", "COPY . .\nRUN npm ci"),
        ("LM1002", "COPY . .\nRUN pip install -r requirements.txt"),
        ("LM1003", "RUN apt-get update\nRUN apt-get install -y x"),
    ],
)
def test_it_fires(code: str, text: str) -> None:
    assert lines(code, text) == [text.count("\n") + 1]


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("LM1001", "RUN apk add x\nCOPY . ."),
        ("LM1001", "COPY a /b\nRUN apk add x"),
        ("LM1001", "COPY . .\nRUN apk add ./x.apk"),
        ("LM1001", "COPY . .\nRUN ./configure && apk add x"),
        ("LM1001", "COPY . .\nRUN apk add $(cat list)"),
        ("LM1001", "COPY --from=x . .\nRUN apk add y"),
        ("LM1002", "COPY package.json .\nRUN npm ci\nCOPY . ."),
        ("LM1002", "COPY package.json .\nRUN npm ci\nCOPY . .\nRUN npm install"),
        ("LM1002", "COPY a b\nRUN npm ci"),
        ("LM1003", "RUN apt-get update && apt-get install -y x"),
        ("LM1003", "RUN apt-get install x"),
        ("LM1003", "RUN apt-get update\nFROM b:1\nRUN apt-get install x"),
    ],
)
def test_it_is_silent(code: str, text: str) -> None:
    assert lines(code, text) == []


@pytest.mark.parametrize(
    ("code", "text", "expected"),
    [
        (
            "LM1003",
            "RUN apt-get update\n\nRUN apt-get install -y \\\n  x",
            "RUN apt-get update \\\n    && apt-get install -y \\\n  x",
        ),
    ],
)
def test_it_is_mended(code: str, text: str, expected: str) -> None:
    assert mended(code, text) == expected
