"""Rules are run, chosen and silenced."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.dockerfile import DockerfileErrors
from lamina.errors import Invalid
from lamina.lint import Settings, Severity, check, checks, examine
from lamina.lint.rules import RULES

TEXT = "FROM debian\nMAINTAINER x\nRUN apt-get install curl\n"


def codes(text: str, **settings: object) -> list[str]:
    return [each.code for each in check(text, settings=Settings(**settings))]  # type: ignore[arg-type]


def test_findings_come_in_the_order_of_lines() -> None:
    found = check(TEXT)
    assert [each.line for each in found] == sorted(each.line for each in found)
    assert {each.code for each in found} == {
        *("DL3006", "MaintainerDeprecated", "DL3008", "DL3014", "DL3015"),
    }


def test_of_two_rules_that_say_the_same_one_is_shown() -> None:
    assert "DL4000" not in codes(TEXT)
    assert codes(TEXT, only=frozenset(("DL4000",))) == ["DL4000"]
    assert "DL4000" in codes(TEXT, ignored=frozenset(("MaintainerDeprecated",)))


def test_twins_may_name_other_lines() -> None:
    text = 'FROM a:1\nCMD ["x"]\nCMD ["y"]\n'
    assert codes(text) == ["MultipleInstructionsDisallowed"]
    assert codes(text, only=frozenset(("DL4003",))) == ["DL4003"]


def test_rules_are_chosen_ignored_and_made_worse() -> None:
    assert codes(TEXT, only=frozenset(("DL3008", "DL3006"))) == ["DL3006", "DL3008"]
    assert "DL3008" not in codes(TEXT, ignored=frozenset(("DL3008", "SC2086")))
    settings = Settings(severities={"DL3015": Severity.ERROR})
    worst = [each.code for each in check(TEXT, settings=settings) if each.severity == "error"]
    assert worst == ["DL3015"]


def test_a_severity_turns_a_rule_on_that_is_off() -> None:
    assert "DL3057" not in codes(TEXT)
    assert "DL3057" in codes(TEXT, severities={"DL3057": Severity.INFO})


@pytest.mark.parametrize("field", ["only", "ignored"])
def test_a_code_that_is_no_rule_is_refused(field: str) -> None:
    with pytest.raises(Invalid, match="DL9999"):
        codes(TEXT, **{field: frozenset(("DL9999",))})


def test_faults_are_findings_and_the_rest_is_looked_at() -> None:
    found = check("FROM debian\nRUM x\nMAINTAINER y\nCOPY --frm=a b /c\n")
    assert [(each.code, each.line) for each in found] == [
        *(("DL3006", 1), ("LM1000", 2), ("MaintainerDeprecated", 3), ("LM1000", 4)),
    ]
    assert found[1].hint == 'did you mean "RUN"?'


def test_what_is_no_text_is_refused() -> None:
    with pytest.raises(DockerfileErrors, match="UTF-16"):
        check(b"\xff\xfeF\0")


def test_a_report_fails_by_its_threshold() -> None:
    report = examine("FROM debian:13\nRUN apt-get install -y curl=1\n")
    assert [each.severity for each in report.findings] == ["info"]
    assert report.fails(Severity.INFO)
    assert report.fails(Severity.STYLE)
    assert not report.fails(Severity.WARNING)
    assert not report.fails(None)


def test_places_are_found_across_continuations_comments_and_heredocs() -> None:
    text = (
        "FROM debian:13\n"
        "RUN set -e; \\\n"
        "    # a comment\n"
        "\n"
        "    apt-get -y install \\\n"
        "      curl\n"
        "RUN <<-EOF\n"
        "\tpip install \\\n"
        "\t  flask\n"
        "\tEOF\n"
        "ONBUILD RUN npm install left-pad\n"
    )
    only = frozenset(("DL3008", "DL3013", "DL3016"))
    found = check(text, settings=Settings(only=only))
    assert [(each.line, str(each.span)) for each in found] == [
        (2, "6:7"),
        (7, "9:4"),
        (11, "11:25"),
    ]


def test_every_rule_is_whole() -> None:
    assert len({rule.code for rule in RULES}) == len(RULES)
    assert len({rule.name for rule in RULES if rule.phase is None}) == sum(
        rule.phase is None for rule in RULES
    )
    for rule in RULES:
        assert rule.description, rule.code
        assert rule.summary and not rule.summary.endswith("\n"), rule.code
    assert sum(rule.phase is not None for rule in RULES) == 22
    assert sum(rule.code.startswith("DL") for rule in RULES) >= 60


def test_every_rule_has_a_test_file_of_its_family() -> None:
    folder = Path(__file__).with_name("rules")
    tested = "".join(path.read_text() for path in folder.glob("test_*.py"))
    assert [rule.code for rule in RULES if f'"{rule.code}"' not in tested] == []


WORDS = st.sampled_from(
    [
        *("FROM", "RUN", "COPY", "ENV", "ARG", "CMD", "ONBUILD", "USER", "LABEL", "EXPOSE"),
        *(" ", "\n", "\\\n", "$x", "${x:-y}", '"', "'", "[", "]", "=", "#", "<<EOF", "EOF"),
        *("apt-get", "install", "-y", "&&", "|", "(", ")", "$(", "`", "--from=a", "AS", "a:1"),
    ]
)


@given(st.lists(WORDS, max_size=40).map("".join))
def test_no_text_breaks_a_rule(text: str) -> None:
    check(text)
    checks(text)


def test_advice_imports_nothing_heavy() -> None:
    script = "import sys, lamina.engine.advising, lamina.lint.formats.lines; print(*sys.modules)"
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    heavy = {"asyncio", "email", "http", "inspect", "ssl", "sqlite3", "subprocess", "yaml"}
    assert not heavy.intersection(out.stdout.split())
    assert not [name for name in out.stdout.split() if name.startswith("lamina.build")]


def test_a_build_that_asks_for_no_checks_loads_no_rule() -> None:
    script = "import sys, lamina.engine.building; print(*sys.modules)"
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert not [name for name in out.stdout.split() if name.startswith("lamina.lint")]
