"""What a person decides about advice: which rules, how severe, which registries and labels.

`.hadolint.yaml` and the variables HADOLINT_… are read as hadolint reads them (hadolint,
"Configure"); keys that it does not know, or that make no sense here, are refused by name. Numbers
of ShellCheck (SC…) are taken where rules are ignored, and change nothing, for its rules are not
built.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
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
    format: str | None = None  # of what is printed, where no flag says


def places(directory: Path, environment: Mapping[str, str]) -> list[Path]:
    """Where a configuration of hadolint may be; the first that is there counts, and it alone."""
    home = Path(environment["HOME"]) if environment.get("HOME") else None
    config = environment.get("XDG_CONFIG_HOME")
    hidden, plain = ("{}/.hadolint.{}", "{}/hadolint.{}")
    found = [(directory, hidden)]
    if config and config.startswith("/"):  # as the base directory specification wants it
        found.append((Path(config), plain))
    if home is not None:
        found += [
            (home / ".config", plain),
            (home / ".hadolint", plain),
            (home / ".hadolint", "{}/config.{}"),
            (home / "hadolint", "{}/config.{}"),
            (home, hidden),
        ]
    return [Path(form.format(at, end)) for at, form in found for end in ("yaml", "yml")]


def parse_hadolint(
    text: str | None, base: Settings | None = None, environment: Mapping[str, str] | None = None
) -> Settings:
    """`base` with what a `.hadolint.yaml` says, and the variables over it.

    Invalid, or Unsupported for what is not built.
    """
    document = _load(text) if text is not None else {}
    settings = base if base is not None else Settings()
    values: dict[str, Any] = {}
    for key, value in document.items():
        read = _KEYS.get(str(key))
        if read is None:
            raise Invalid(
                f'"{key}" is no key of .hadolint.yaml', hint=did_you_mean(str(key), _KEYS)
            )
        values |= read(str(key), value)
    said = _from_environment(environment or {})
    severities = {**values.get("severities", {}), **said.pop("severities", {})}
    values |= said
    if severities:
        values["severities"] = severities
    if values.pop("no_fail", False):
        values["fail_on"] = None
    return replace(settings, **values)


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    """What the variables say; one that is empty says nothing."""
    found: dict[str, Any] = {}
    for name, read in _VARIABLES.items():
        text = environment.get(name, "")
        if not text:
            continue
        try:
            said = read(text)
        except Invalid as error:
            raise Invalid(f"{name}: {error.message}", hint=error.hint) from None
        if "severities" in said:
            said["severities"] = {**found.get("severities", {}), **said["severities"]}
        found |= said
    return found


def _is_true(text: str) -> bool:
    return text.lower() in ("1", "y", "on", "true", "yes")


def _split(text: str) -> list[str]:
    return [part for each in text.split(",") if (part := each.strip())]


def _leveled(severity: Severity) -> Callable[[str], dict[str, Any]]:
    return lambda text: {"severities": dict.fromkeys(_split(text), severity)}


def label(text: str) -> tuple[str, LabelType]:
    """The label and its type that "name:type" asks for; Invalid."""
    name, colon, kind = text.partition(":")
    if not name or not colon:
        raise Invalid(f'"{text}" names no label and its type', hint="expected name:type")
    return name, label_type(kind)


_VARIABLES: dict[str, Callable[[str], dict[str, Any]]] = {
    "HADOLINT_ALLOWED_REGISTRIES": lambda text: {"registries": tuple(_split(text))},
    "HADOLINT_DISABLE_IGNORE_PRAGMA": lambda text: {"use_pragmas": not _is_true(text)},
    "HADOLINT_FAILURE_THRESHOLD": lambda text: {"fail_on": threshold(text)},
    "HADOLINT_FORMAT": lambda text: {"format": text},
    "HADOLINT_IGNORE": lambda text: {"ignored": frozenset(_split(text))},
    "HADOLINT_NOFAIL": lambda text: {"no_fail": _is_true(text)},
    "HADOLINT_REQUIRE_LABELS": lambda text: {"labels": dict(map(label, _split(text)))},
    "HADOLINT_STRICT_LABELS": lambda text: {"strict_labels": _is_true(text)},
    "HADOLINT_TRUSTED_REGISTRIES": lambda text: {"registries": tuple(_split(text))},
    **{f"HADOLINT_OVERRIDE_{each.upper()}": _leveled(each) for each in Severity},
}


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


_KEYS: dict[str, Callable[[str, object], dict[str, Any]]] = {
    "disable-ignore-pragma": lambda key, value: {"use_pragmas": not _truth(key, value)},
    "failure-threshold": lambda key, value: {"fail_on": threshold(str(value))},
    "format": lambda key, value: {"format": str(value)},
    "ignored": lambda key, value: {"ignored": frozenset(_texts(key, value))},
    "label-schema": _labels,
    "no-color": _nothing,
    "no-fail": lambda key, value: {"no_fail": _truth(key, value)},
    "override": _overrides,
    "strict-labels": lambda key, value: {"strict_labels": _truth(key, value)},
    "trustedRegistries": lambda key, value: {
        "registries": (value,) if isinstance(value, str) else tuple(_texts(key, value))
    },
}
