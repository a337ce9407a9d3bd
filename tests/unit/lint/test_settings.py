"""Which advice is wanted."""

from __future__ import annotations

import pytest

from lamina.errors import Invalid, Unsupported
from lamina.lint import Severity
from lamina.lint.settings import LabelType, parse_hadolint, threshold

ALL = """
ignored: [DL3006, SC2086]
override:
  error: [DL3008]
  style: [DL3015]
trustedRegistries:
  - docker.io
  - "*.example.com"
label-schema:
  author: text
  commit: hash
strict-labels: true
disable-ignore-pragma: true
failure-threshold: error
no-color: true
"""


def test_every_key_of_hadolint_is_read() -> None:
    settings = parse_hadolint(ALL)
    assert settings.ignored == {"DL3006", "SC2086"}
    assert settings.severities == {"DL3008": Severity.ERROR, "DL3015": Severity.STYLE}
    assert settings.registries == ("docker.io", "*.example.com")
    assert settings.labels == {"author": LabelType.TEXT, "commit": LabelType.HASH}
    assert (settings.strict_labels, settings.use_pragmas) == (True, False)
    assert settings.fail_on is Severity.ERROR


def test_no_fail_outweighs_a_threshold() -> None:
    assert parse_hadolint("failure-threshold: error\nno-fail: true").fail_on is None


@pytest.mark.parametrize("text", ["", "# nothing", "ignored:", "no-fail: false"])
def test_what_says_nothing_changes_nothing(text: str) -> None:
    assert parse_hadolint(text) == parse_hadolint("")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("ignore: [x]", '"ignore" is no key'),
        ("ignored: 3", "no list"),
        ("ignored: [3]", "no list"),
        ("override: {fatal: [x]}", '"fatal" is no severity'),
        ("override: {none: [x]}", "no severity to give"),
        ("label-schema: {a: b}", '"b" is no type'),
        ("strict-labels: maybe", "expected true or false"),
        ("failure-threshold: bad", '"bad" is no severity'),
        ("[a", "no YAML"),
        ("- a", "no mapping"),
        ("!!python/object/apply:os.system [x]", "no YAML"),
        ("a: &x [*x]", '"a" is no key'),
    ],
)
def test_what_makes_no_sense_is_refused(text: str, what: str) -> None:
    with pytest.raises(Invalid, match=what):
        parse_hadolint(text)


def test_a_format_is_for_the_command_line() -> None:
    with pytest.raises(Unsupported, match="format"):
        parse_hadolint("format: json")


@pytest.mark.parametrize("text", ["none", "ignore"])
def test_a_threshold_may_be_none(text: str) -> None:
    assert threshold(text) is None
