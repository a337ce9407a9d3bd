"""`check=`: which of BuildKit's checks are made."""

from __future__ import annotations

import pytest

from lamina.errors import Invalid
from lamina.lint import checks, directive
from lamina.lint.directive import CheckOptions

BAD = "FROM scratch as x\nMAINTAINER y\n"


def codes(text: str, options: str | None = None) -> list[str]:
    return [each.code for each in checks(text, options=options).findings]


def test_every_option_is_read() -> None:
    read = directive.parse(" skip=A, B;error=true;experimental=C ")
    assert read == CheckOptions(skipped=frozenset("AB"), wanted=frozenset("C"), fails=True)
    assert directive.parse("skip=all;experimental=all") == CheckOptions(True, wants_all=True)
    assert directive.parse("") == CheckOptions()


@pytest.mark.parametrize("text", ["skip", "skp=x", "error=maybe", "skip=x;y"])
def test_what_is_no_option_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        directive.parse(text)


def test_the_directive_skips_and_an_argument_outweighs_it() -> None:
    assert codes(BAD) == ["FromAsCasing", "MaintainerDeprecated"]
    assert codes(f"# check=skip=FromAsCasing\n{BAD}") == ["MaintainerDeprecated"]
    assert codes(f"# check=skip=all\n{BAD}") == []
    assert codes(f"# check=skip=all\n{BAD}", "skip=FromAsCasing") == ["MaintainerDeprecated"]
    assert codes(f"# check=skip=fromascasing\n{BAD}") == ["FromAsCasing", "MaintainerDeprecated"]


def test_a_comment_skips_for_the_instruction_below_it() -> None:
    text = "FROM scratch\n# check=skip=MaintainerDeprecated // why\nMAINTAINER x\nMAINTAINER y\n"
    assert [each.line for each in checks(text).findings] == [4]
    assert codes("# x\n# check=skip=all\nFROM scratch as y\n") == []


def test_what_is_experimental_is_asked_for() -> None:
    text = "# other\nFROM scratch AS base\n"
    assert codes(text) == []
    assert codes(text, "experimental=all") == ["InvalidDefinitionDescription"]
    assert codes(text, "experimental=InvalidDefinitionDescription;skip=all") == [
        "InvalidDefinitionDescription"
    ]


@pytest.mark.parametrize(
    ("text", "line", "expected"),
    [
        ("FROM scratch AS X\nMAINTAINER y\nBAD\nMAINTAINER z", 3, ["StageNameCasing", "Maint"]),
        ("FROM scratch\nRUN <<EOF", 2, []),
        ("ARG x\nFROM $x AS X", 2, ["InvalidDefault", "StageNameCasing"]),
        ("FROM --platform=$BULIDPLATFORM scratch\nENV a b", 1, ["UndefinedArg"]),
        ("FROM scratch\nENV a b\nVOLUME $x\nENV c d", 3, ["Legacy", "UndefinedVar"]),
        ("FROM scratch\nENV a b\nCOPY --from=$x a /b", 3, []),
        ("FROM scratch\nENV a b\nCOPY --from=3 a /b", 3, []),
        ("FROM Bad_name\nENV a b", 1, ["InvalidDefault"]),
        ("ARG x=1", 1, []),
    ],
)
def test_checks_end_where_a_build_would(text: str, line: int, expected: list[str]) -> None:
    report = checks(text)
    assert report.fault is not None
    assert report.fault.span.start_line == line
    found = [each.code for each in report.findings]
    assert len(found) == len(expected)
    assert all(code.startswith(start) for code, start in zip(found, expected, strict=True))


def test_a_finding_is_a_fault_where_error_is_true() -> None:
    report = checks(f"# check=error=true\n{BAD}")
    assert report.is_violated
    assert report.fault is not None
    codes_ = "FromAsCasing, MaintainerDeprecated"
    assert report.fault.message == f"lint violation found for rules: {codes_}"
    assert checks("# check=error=true\nFROM scratch\n").fault is None
    assert not checks(f"# check=error=true\n{BAD}BAD\n").is_violated


def test_only_the_stages_of_a_target_are_looked_at() -> None:
    from lamina.lint import Facts

    text = "FROM scratch AS a\nENV x y\nFROM scratch AS b\nENV x y\nFROM b AS c\nFROM a\n"
    report = checks(text, facts=Facts(target="c"))
    assert [each.line for each in report.findings] == [4]
