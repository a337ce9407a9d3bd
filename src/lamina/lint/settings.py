"""What a person decides about advice: which rules, how severe, which registries and labels.

`.hadolint.yaml` is read as hadolint reads it (hadolint, "Configure"); keys that it does not know,
or that make no sense here, are refused by name. Numbers of ShellCheck (SC…) are taken where rules
are ignored, and change nothing, for its rules are not built.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any

from lamina.dockerfile.text import did_you_mean
from lamina.errors import Invalid, Unsupported
from lamina.lint.finding import Severity
from lamina.values import dataclass, field, replace

_LIMIT = 1 << 20  # characters of a configuration


class LabelType(StrEnum):
    """What the value of a label has to be."""

    TEXT = "text"
    URL = "url"
    RFC3339 = "rfc3339"
    SPDX = "spdx"
    HASH = "hash"
    SEMVER = "semver"
    EMAIL = "email"


_TYPE_NAMES = {"rawtext": "text", "": "text", "date": "rfc3339", "git-hash": "hash"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Which advice is wanted. Codes are as rules have them: DL3008, LM1001, JSONArgsRecommended."""

    only: frozenset[str] = frozenset()  # empty: every rule that is on
    ignored: frozenset[str] = frozenset()
    severities: Mapping[str, Severity] = field(default_factory=dict)  # instead of a rule's own
    registries: tuple[str, ...] = ()  # that base images may come from; empty: any
    labels: Mapping[str, LabelType] = field(default_factory=dict)
    strict_labels: bool = False  # no labels beside `labels`
    use_pragmas: bool = True  # comments in the file may silence rules
    fail_on: Severity | None = Severity.WARNING  # None: never
    check: str | None = None  # instead of the directive `check=`


def parse_hadolint(text: str, base: Settings | None = None) -> Settings:
    """`base` with what a `.hadolint.yaml` says; Invalid, or Unsupported for what is not built."""
    document = _load(text)
    settings = base if base is not None else Settings()
    values: dict[str, Any] = {}
    for key, value in document.items():
        read = _KEYS.get(str(key))
        if read is None:
            raise Invalid(
                f'"{key}" is no key of .hadolint.yaml', hint=did_you_mean(str(key), _KEYS)
            )
        values |= read(str(key), value)
    if values.pop("no_fail", False):
        values["fail_on"] = None
    return replace(settings, **values)


def threshold(text: str) -> Severity | None:
    """The severity from which on a check fails: a name, or `none`; Invalid."""
    if text in ("none", "ignore"):
        return None
    try:
        return Severity(text)
    except ValueError:
        names = (*Severity, "none")
        raise Invalid(
            f'"{text}" is no severity', hint=did_you_mean(text, names) or f"use {', '.join(names)}"
        ) from None


def _load(text: str) -> dict[object, object]:
    if len(text) > _LIMIT:
        raise Invalid(f"a configuration of {len(text)} characters, {_LIMIT} are allowed")
    try:
        import yaml
    except ImportError:
        raise Unsupported(
            "reading .hadolint.yaml needs PyYAML", hint="pip install 'lamina[lint]'"
        ) from None
    try:
        document = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        first = str(error).splitlines()[0] if str(error) else "malformed"
        raise Invalid(f".hadolint.yaml is no YAML: {first}") from None
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise Invalid(
            ".hadolint.yaml holds no mapping", hint="write keys such as ignored: [DL3008]"
        )
    return document


def _texts(key: str, value: object) -> list[str]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise Invalid(f'"{key}" of .hadolint.yaml is no list of texts')
    return [str(each) for each in value]


def _truth(key: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise Invalid(f'"{key}" of .hadolint.yaml is "{value}", expected true or false')
    return value


def _overrides(key: str, value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Invalid(f'"{key}" of .hadolint.yaml is no mapping')
    found: dict[str, Severity] = {}
    for name, codes in value.items():
        severity = threshold(str(name))
        if severity is None:
            raise Invalid(f'"{name}" is no severity to give a rule')
        found |= dict.fromkeys(_texts(f"{key}.{name}", codes), severity)
    return {"severities": found}


def label_type(text: str) -> LabelType:
    """The type that `text` names, as hadolint spells them; Invalid."""
    lower = text.lower()
    try:
        return LabelType(_TYPE_NAMES.get(lower, lower))
    except ValueError:
        raise Invalid(
            f'"{text}" is no type of a label', hint=f"use {', '.join(LabelType)}"
        ) from None


def _labels(key: str, value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Invalid(f'"{key}" of .hadolint.yaml is no mapping')
    return {"labels": {str(name): label_type(str(kind)) for name, kind in value.items()}}


def _nothing(key: str, value: object) -> dict[str, Any]:
    """A key that is understood and changes nothing here."""
    _truth(key, value)
    return {}


def _unsupported(key: str, value: object) -> dict[str, Any]:
    raise Unsupported(f'"{key}" of .hadolint.yaml is not built', hint="use the flag --format")


_KEYS: dict[str, Callable[[str, object], dict[str, Any]]] = {
    "disable-ignore-pragma": lambda key, value: {"use_pragmas": not _truth(key, value)},
    "failure-threshold": lambda key, value: {"fail_on": threshold(str(value))},
    "format": lambda key, value: {} if value == "tty" else _unsupported(key, value),
    "ignored": lambda key, value: {"ignored": frozenset(_texts(key, value))},
    "label-schema": _labels,
    "no-color": _nothing,
    "no-fail": lambda key, value: {"no_fail": _truth(key, value)},
    "override": _overrides,
    "strict-labels": lambda key, value: {"strict_labels": _truth(key, value)},
    "trustedRegistries": lambda key, value: {"registries": tuple(_texts(key, value))},
}
