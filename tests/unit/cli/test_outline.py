"""`lamina build --call=outline` and `--call=targets`, as they are typed."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from lamina.cli.session import Session

Out = pytest.CaptureFixture[str]
TEXT = """ARG BASE=stable
# tools is where things are made
FROM debian:$BASE AS tools
# LEVEL says how hard to try
ARG LEVEL=3
ARG FREE
RUN --mount=type=secret,id=token,required --mount=type=ssh true
FROM scratch
COPY --from=tools /a /
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "Dockerfile").write_text(TEXT)
    return tmp_path


def run(*argv: str) -> int:
    return Session(("build", *argv), {"LAMINA_ROOT": str(Path.cwd() / ".root")}).run()


def test_targets_are_a_table(capsys: Out) -> None:
    assert run("--call=targets", ".") == 0
    assert capsys.readouterr().out == (
        "TARGET      DESCRIPTION\n"
        "tools       is where things are made\n"
        "(default)   \n"
    )  # fmt: skip


def test_targets_are_the_document_of_buildkit(capsys: Out) -> None:
    assert run("--call=targets,format=json", ".") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["targets"] == [
        {
            "name": "tools",
            "description": "is where things are made",
            "base": "debian:$BASE",
            "location": {"ranges": [{"start": {"line": 3}, "end": {"line": 3}}]},
        },
        {
            "default": True,
            "base": "scratch",
            "location": {"ranges": [{"start": {"line": 8}, "end": {"line": 8}}]},
        },
    ]
    assert [base64.b64decode(one).decode() for one in document["sources"]] == [TEXT]


def test_an_outline_is_some_tables(capsys: Out) -> None:
    assert run("--call=outline", "--target=tools", "--build-arg=FREE=yes", ".") == 0
    assert capsys.readouterr().out == (
        "TARGET:      tools\n"
        "DESCRIPTION: is where things are made\n"
        "\n"
        "BUILD ARG   VALUE    DESCRIPTION\n"
        "BASE        stable   \n"
        "LEVEL       3        says how hard to try\n"
        "FREE        yes      \n"
        "\n"
        "SECRET   REQUIRED\n"
        "token    true\n"
        "\n"
        "SSH       REQUIRED\n"
        "default   \n"
        "\n"
    )


def test_an_outline_is_the_document_of_buildkit(capsys: Out) -> None:
    assert run("--call=outline,format=json", ".") == 0
    document = json.loads(capsys.readouterr().out)
    assert "name" not in document
    assert document["args"][1] == {
        "name": "LEVEL",
        "description": "says how hard to try",
        "value": "3",
        "location": {"ranges": [{"start": {"line": 5}, "end": {"line": 5}}]},
    }
    assert document["args"][2].keys() == {"name", "location"}
    assert document["secrets"][0]["required"] is True
    assert document["ssh"][0].keys() == {"name", "location"}
    assert list(document) == ["args", "secrets", "ssh", "sources"]


def test_names_do_nothing_to_a_terminal(place: Path, capsys: Out) -> None:
    (place / "Dockerfile").write_bytes(b"# A \x1b[31mred\nARG A=1\nFROM scratch\nARG A\n")
    assert run("--call=outline", ".") == 0
    assert "\x1b" not in capsys.readouterr().out


def test_nothing_is_built(place: Path, capsys: Out) -> None:
    assert run("--call=outline", "-t", "x", ".") == 0
    assert not list((place / ".root").glob("blobs/sha256/*"))
    assert run("--call=outline", "--target=none", ".") == 1
    assert 'target stage "none" could not be found' in capsys.readouterr().err
