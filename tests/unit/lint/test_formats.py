"""Findings in the words of their readers."""

from __future__ import annotations

import json

import pytest

from lamina.errors import Invalid
from lamina.lint import checks, examine
from lamina.lint.formats import docker, renderer

TEXT = "FROM debian\nRUN apt-get install -y \\\n  curl=1\nMAINTAINER me\n"


def shown(name: str, text: str = TEXT) -> str:
    return renderer(name)([("dir/Dockerfile", examine(text))])


def test_text_shows_lines_carets_and_hints() -> None:
    assert shown("text", "FROM a:1\nRUN pip install x==1\n") == (
        "dir/Dockerfile:2:5: warning: pip install without --no-cache-dir [DL3042]\n"
        "1 |     FROM a:1\n"
        "2 | >>> RUN pip install x==1\n"
        "  |         ^^^^^^^^^^^^^^^^\n"
        "hint: add --no-cache-dir\n"
        "\n"
        "1 finding: 1 warning; 1 can be mended by --fix"
    )
    assert shown("text", "FROM a:1\n") == "no findings"


def test_tty_is_a_line_for_each() -> None:
    assert shown("tty").splitlines() == [
        'dir/Dockerfile:1 DL3006 warning: "debian" has no tag',
        "dir/Dockerfile:2 DL3015 info: apt-get installs what is only recommended",
        "dir/Dockerfile:4 MaintainerDeprecated warning: "
        "Maintainer instruction is deprecated in favor of using label",
    ]


def test_json_has_the_keys_of_hadolint_and_places() -> None:
    first, second, third = json.loads(shown("json"))
    assert {key: first[key] for key in ("code", "level", "file", "line", "column")} == {
        "code": "DL3006", "level": "warning", "file": "dir/Dockerfile", "line": 1, "column": 1,
    }  # fmt: skip
    assert second["span"] == {"startLine": 2, "startColumn": 5, "endLine": 3, "endColumn": 9}
    assert third["edits"][0]["text"] == 'LABEL org.opencontainers.image.authors="me"'


def test_sarif_names_rules_results_and_fixes() -> None:
    document = json.loads(shown("sarif"))
    assert document["version"] == "2.1.0"
    (run,) = document["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == ["DL3006", "DL3015", "MaintainerDeprecated"]
    assert all(rule["shortDescription"]["text"] and rule["helpUri"] for rule in rules)
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] in ("error", "warning", "note")
        region = result["locations"][0]["physicalLocation"]["region"]
        assert 1 <= region["startLine"] <= region["endLine"]
    change = run["results"][1]["fixes"][0]["artifactChanges"][0]["replacements"][0]
    assert change["insertedContent"]["text"] == " --no-install-recommends"
    assert change["deletedRegion"]["startColumn"] == change["deletedRegion"]["endColumn"] == 20


def test_github_annotates_lines_and_escapes() -> None:
    rows = shown("github", "FROM a:1 AS b\nFROM b\nCOPY --from=x,y a% /b\n").splitlines()
    assert rows[0].startswith("::warning file=dir/Dockerfile,line=3,endLine=3,col=6,endColumn=16,")
    assert rows[0].endswith("title=DL3022::COPY --from names no stage that stands above")


def test_docker_prints_as_its_peer() -> None:
    report = checks("FROM scratch\n\nENV a b\n\nLABEL c=d\n", name="Dockerfile")
    assert docker.report_text(report) == (
        "Check complete, 1 warning has been found!\n"
        "\n"
        "WARNING: LegacyKeyValueFormat"
        " - https://docs.docker.com/go/dockerfile/rule/legacy-key-value-format/\n"
        '"ENV key=value" should be used instead of legacy "ENV key value" format\n'
        "Dockerfile:3\n"
        "--------------------\n"
        "   1 |     FROM scratch\n"
        "   2 |     \n"
        "   3 | >>> ENV a b\n"
        "   4 |     \n"
        "   5 |     LABEL c=d\n"
        "--------------------"
    )
    clean = checks("FROM scratch\n")
    assert docker.report_text(clean) == "Check complete, no warnings found."


def test_dockers_document_holds_the_fault_too() -> None:
    report = checks("FROM scratch as x\nBAD\n")
    document = json.loads(docker.report_json(report))
    assert [each["ruleName"] for each in document["warnings"]] == ["FromAsCasing"]
    assert document["buildError"]["location"]["ranges"][0]["start"]["line"] == 2
    assert document["sources"][0]["filename"] == "Dockerfile"


def test_nothing_in_a_dockerfile_acts_on_a_terminal() -> None:
    text = "FROM a:1\nENV x \x1b[31mred\n"
    for name in ("text", "tty", "github"):
        assert "\x1b" not in shown(name, text)
    assert "\x1b" not in docker.report_text(checks(text))


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(Invalid, match="xml"):
        renderer("xml")
