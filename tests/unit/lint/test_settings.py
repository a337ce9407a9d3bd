"""Which advice is wanted."""

from __future__ import annotations

from pathlib import Path

import pytest

from lamina.errors import Invalid
from lamina.lint import Severity
from lamina.lint.settings import LabelType, parse_hadolint, places, threshold

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


def test_a_format_is_taken_as_it_is() -> None:
    assert parse_hadolint("format: json").format == "json"
    assert parse_hadolint("").format is None


def test_one_registry_may_stand_alone() -> None:
    assert parse_hadolint("trustedRegistries: docker.io").registries == ("docker.io",)


VARIABLES = {
    "HADOLINT_NOFAIL": "no",
    "HADOLINT_FORMAT": "json",
    "HADOLINT_FAILURE_THRESHOLD": "style",
    "HADOLINT_OVERRIDE_ERROR": "DL3010, DL3020",
    "HADOLINT_OVERRIDE_STYLE": "DL3008",
    "HADOLINT_IGNORE": "DL3000,SC1010",
    "HADOLINT_STRICT_LABELS": "0",
    "HADOLINT_DISABLE_IGNORE_PRAGMA": "Yes",
    "HADOLINT_TRUSTED_REGISTRIES": "a.io,b.io",
    "HADOLINT_REQUIRE_LABELS": "maintainer:text,version:semver",
}


def test_every_variable_of_hadolint_is_read() -> None:
    settings = parse_hadolint(None, environment={**VARIABLES, "HOME": "/x"})
    assert settings.fail_on is Severity.STYLE
    assert settings.format == "json"
    assert settings.severities == {
        "DL3010": Severity.ERROR,
        "DL3020": Severity.ERROR,
        "DL3008": Severity.STYLE,
    }
    assert settings.ignored == {"DL3000", "SC1010"}
    assert (settings.strict_labels, settings.use_pragmas) == (False, False)
    assert settings.registries == ("a.io", "b.io")
    assert settings.labels == {"maintainer": LabelType.TEXT, "version": LabelType.SEMVER}


def test_variables_outweigh_the_file() -> None:
    settings = parse_hadolint(
        ALL + "no-fail: true\n",
        environment={
            "HADOLINT_NOFAIL": "0",
            "HADOLINT_IGNORE": "DL3000",
            "HADOLINT_OVERRIDE_INFO": "DL3008",
            "HADOLINT_STRICT_LABELS": "",
        },
    )
    assert settings.fail_on is Severity.ERROR
    assert settings.ignored == {"DL3000"}
    assert settings.severities == {"DL3008": Severity.INFO, "DL3015": Severity.STYLE}
    assert settings.strict_labels
    assert parse_hadolint(None, environment={"HADOLINT_NOFAIL": "1"}).fail_on is None


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("HADOLINT_FAILURE_THRESHOLD", "often"),
        ("HADOLINT_REQUIRE_LABELS", "maintainer"),
        ("HADOLINT_REQUIRE_LABELS", "maintainer:name"),
    ],
)
def test_a_variable_that_makes_no_sense_is_refused_by_name(name: str, text: str) -> None:
    with pytest.raises(Invalid, match=name):
        parse_hadolint(None, environment={name: text})


def test_files_are_looked_for_where_hadolint_does() -> None:
    environment = {"HOME": "/home/me", "XDG_CONFIG_HOME": "/config"}
    assert [str(path) for path in places(Path("/here"), environment)][::2] == [
        "/here/.hadolint.yaml",
        "/config/hadolint.yaml",
        "/home/me/.config/hadolint.yaml",
        "/home/me/.hadolint/hadolint.yaml",
        "/home/me/.hadolint/config.yaml",
        "/home/me/hadolint/config.yaml",
        "/home/me/.hadolint.yaml",
    ]
    assert [str(path) for path in places(Path("/here"), {})] == [
        "/here/.hadolint.yaml",
        "/here/.hadolint.yml",
    ]
    assert len(places(Path("/here"), {"XDG_CONFIG_HOME": "not/absolute"})) == 2


@pytest.mark.parametrize("text", ["none", "ignore"])
def test_a_threshold_may_be_none(text: str) -> None:
    assert threshold(text) is None
