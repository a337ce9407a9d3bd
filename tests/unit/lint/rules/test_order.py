"""Order: firing and not firing."""

from __future__ import annotations

import pytest

from lamina.lint import Facts, Settings
from lamina.lint.dependencies import UNREAD
from lamina.lint.fix import fix
from lamina.values import replace
from unit.lint.advice import found, lines, mended


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
        ("LM1004", "RUN apk add x\nLABEL a=b"),
        ("LM1004", "LABEL a=b\nRUN make\nRUN apk add x"),
        ("LM1004", "ENV DEBIAN_FRONTEND=noninteractive\nRUN apt-get install x"),
        ("LM1004", "ENV what=x\nRUN apt-get install -y $what"),
        ("LM1004", "ENV v=1\nENV v=2\nUSER 1"),
        ("LM1004", 'CMD a\nSHELL ["x"]\nRUN apk add x'),
        ("LM1004", "ARG v\nLABEL a=$v\nARG v=2\nRUN apk add x"),
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


CONTEXT = Facts(
    has_context=True,
    files={
        "src": None,
        "src/package.json": "{}",
        "package.json": '{"dependencies": {"x": "1"}}',
        "package-lock.json": "{}",
        "requirements.txt": "# web\nflask[async]==3.1.2 ; python_version > '3'\n\nrequests\n",
        "nested.txt": "-r requirements.txt\n",
        "editable.txt": "-e .\n",
        "linked.txt": UNREAD,
        "go.mod": "module x\n",
        "../requirements.txt": "x\n",
        "/requirements.txt": "x\n",
    },
)


def moved(text: str, facts: Facts = CONTEXT) -> str:
    """`text` below a FROM, after the edits of the rules of order."""
    settings = Settings(only=frozenset(("LM1001", "LM1002", "LM1004")))
    return fix(f"FROM a:1\n{text}", settings=settings, facts=facts)[0].removeprefix("FROM a:1\n")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "WORKDIR /app\nCOPY . .\nRUN npm ci\nUSER 1\n",
            "WORKDIR /app\nCOPY package.json package-lock.json ./\nRUN npm ci\nCOPY . .\nUSER 1\n",
        ),
        (
            "WORKDIR /app\n# all\nCOPY --chown=1:1 . /app\nRUN pip install -r requirements.txt",
            "WORKDIR /app\nCOPY --chown=1:1 requirements.txt /app/\n"
            "RUN pip install -r requirements.txt\n# all\nCOPY --chown=1:1 . /app",
        ),
        (
            "COPY ./src /app\nWORKDIR /app\nRUN apt-get update && npm install\n",
            "COPY src/package.json /app/\nWORKDIR /app\n"
            "RUN apt-get update && npm install\nCOPY ./src /app\n",
        ),
        (
            "COPY . /go\nWORKDIR /go\nRUN go mod download\n",
            "COPY go.mod /go/\nWORKDIR /go\nRUN go mod download\nCOPY . /go\n",
        ),
        (
            'CMD ["x"]\nCOPY ./src /app\nRUN apt-get update && apt-get install -y x\n',
            'RUN apt-get update && apt-get install -y x\nCOPY ./src /app\nCMD ["x"]\n',
        ),
        ("COPY . .\nRUN apk add x\nRUN apk add y\n", "RUN apk add x\nRUN apk add y\nCOPY . .\n"),
        (
            "COPY . .\r\nRUN apk add x\r\nUSER 1\r\n",
            "RUN apk add x\r\nCOPY . .\r\nUSER 1\r\n",
        ),
        ("LABEL a=b\nEXPOSE 80\nRUN apk add x", "RUN apk add x\nEXPOSE 80\nLABEL a=b"),
    ],
)
def test_what_changes_often_sinks(text: str, expected: str) -> None:
    assert moved(text) == expected
    assert moved(expected) == expected


@pytest.mark.parametrize(
    "text",
    [
        "WORKDIR /app\nCOPY . .\nRUN npm ci && npm run build\n",
        "WORKDIR /app\nCOPY . .\nRUN cd web && npm ci\n",
        "WORKDIR /app\nCOPY . .\nRUN npm ci --prefix web\n",
        "WORKDIR /app\nCOPY . .\nRUN pip install -r nested.txt\n",
        "WORKDIR /app\nCOPY . .\nRUN pip install -r editable.txt\n",
        "WORKDIR /app\nCOPY . .\nRUN pip install -r linked.txt\n",
        "WORKDIR /app\nCOPY . .\nRUN pip install -r requirements.txt .\n",
        "WORKDIR /app\nCOPY . .\nRUN pip install -r $LIST\n",
        "WORKDIR /app\nCOPY . .\nRUN pip install -r ../requirements.txt\n",
        "WORKDIR /app\nCOPY . .\nRUN pip install -r /requirements.txt\n",
        "WORKDIR /app\nCOPY . .\nRUN poetry install\n",
        "WORKDIR /app\nCOPY . .\nWORKDIR /other\nRUN npm ci\n",
        "WORKDIR $W\nCOPY . .\nRUN npm ci\n",
        "WORKDIR /app\nCOPY . .\nRUN ./configure\nRUN npm ci\n",
        "WORKDIR /app\nCOPY . .\nCOPY other /app\nRUN npm ci\n",
        "COPY . /\nRUN apt-get install -y x\n",
        "COPY src /etc\nRUN apt-get install -y x\n",
        "COPY . /app\nCOPY sources.list /etc/apt/\nRUN apt-get install -y x\n",
        "COPY . /app\nENV http_proxy=x\nRUN apt-get install -y x\n",
        "COPY . /app\nUSER 1\nRUN apt-get install -y x\n",
        "COPY . /app\nRUN apt-get install -y x && rm -rf app/x\n",
    ],
)
def test_what_may_depend_on_it_stays(text: str) -> None:
    assert moved(text) == text


@pytest.mark.parametrize(
    "package",
    [
        '{"workspaces": ["a"]}',
        '{"scripts": {"postinstall": "node x"}}',
        '{"dependencies": {"a": "file:../a"}}',
    ],
)
def test_a_list_that_names_files_of_the_context_is_not_copied_alone(package: str) -> None:
    facts = Facts(has_context=True, files={"package.json": package})
    text = "WORKDIR /app\nCOPY . .\nRUN npm ci\n"
    assert moved(text, facts) == text


@pytest.mark.parametrize("name", ["node_modules", ".npmrc"])
def test_what_the_installer_would_find_beside_its_list_keeps_it_whole(name: str) -> None:
    facts = Facts(has_context=True, files={"package.json": "{}", name: None})
    text = "WORKDIR /app\nCOPY . .\nRUN npm ci\n"
    assert moved(text, facts) == text


def test_what_was_recorded_is_evidence() -> None:
    seen = ("package.json", "tools/setup.js")
    facts = replace(CONTEXT, opened={"RUN npm ci": seen})
    text = "FROM a:1\nWORKDIR /app\nCOPY . .\nRUN npm ci\n"
    (finding,) = found("LM1002", text, facts)
    assert finding.hint is not None
    assert "(recorded: it opened package.json, tools/setup.js only)" in finding.hint
    assert not finding.edits  # they lie in two directories
    facts = replace(CONTEXT, opened={"RUN npm ci": ("package.json", "extra.js")})
    (finding,) = found("LM1002", text, facts)
    assert "COPY extra.js package-lock.json package.json ./\n" in [e.text for e in finding.edits]
