"""Labels: their keys, and what a team's schema asks of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from lamina.dockerfile import instructions as ins
from lamina.lint.file import File, Item
from lamina.lint.finding import Hit
from lamina.lint.rules.kin import INFO, STYLE, WARNING, hadolint
from lamina.lint.settings import LabelType

_KEY = re.compile(r"[a-z](?:[a-z0-9._/-]*[a-z0-9])?")
_RESERVED = ("com.docker.", "io.docker.", "org.dockerproject.")
_SEMVER = re.compile(
    r"(?:0|[1-9][0-9]*)(?:\.(?:0|[1-9][0-9]*)){2}"
    r"(?:-[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?"
)
_HASH = re.compile(r"[0-9a-f]{7}|[0-9a-f]{40}", re.IGNORECASE)
_TIME = re.compile(
    r"[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])[Tt ]"
    r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)(?:\.[0-9]+)?"
    r"(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
)
_EMAIL = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:(?://)?[^\s<>\"]+")


def label_keys(file: File) -> Iterator[Hit]:
    """A label's key is lower case, digits, dots and dashes, and of no reserved name space.

    Docker keeps `com.docker`, `io.docker` and `org.dockerproject` for itself.

        LABEL Maintainer="x"          # no
        LABEL org.example.team="x"    # yes
    """
    for item, pairs in _labels(file):
        for written, _ in pairs:
            key = written.strip("\"'")
            if not _KEY.fullmatch(key) or key.startswith(_RESERVED) or _doubled(key):
                yield file.hit(item, f'"{key}" is no proper key', at=written)
                break


def _doubled(key: str) -> bool:
    return ".." in key or "--" in key


def label_missing(file: File) -> Iterator[Hit]:
    """Every stage has the labels that the schema names, or stands on one that has.

    A stage that only others copy from needs none.
    """
    for label in file.settings.labels:
        good: set[str] = set()
        bad: dict[int, tuple[str, Item]] = {}
        for part in file.parts:
            if part.base is None:
                continue
            base = part.base.instruction
            assert isinstance(base, ins.From)
            is_labelled = any(
                label in dict(item.instruction.pairs)
                for item in part.items
                if isinstance(item.instruction, ins.Label)
            )
            # What others copy from, or put their label on, is not shipped itself.
            unshipped = {
                item.instruction.from_.lower()
                for item in part.items
                if isinstance(item.instruction, ins.Copy) and item.instruction.from_
            }
            if is_labelled:
                unshipped.add(base.image.lower())
            bad = {at: pair for at, pair in bad.items() if pair[0] not in unshipped}
            if is_labelled or base.image.lower() in good:
                good |= {base.as_name} if base.as_name else set()
            else:
                bad[part.index] = (base.as_name or "", part.base)
        for _, item in bad.values():
            yield file.hit(item, f'label "{label}" is missing')


def label_superfluous(file: File) -> Iterator[Hit]:
    """Where labels are strict, there are none beside those of the schema."""
    if not file.settings.strict_labels:
        return
    for item, pairs in _labels(file):
        extra = [key for key, _ in pairs if key not in file.settings.labels]
        if extra:
            yield file.hit(item, f'label "{extra[0]}" is not in the schema', at=extra[0])


def label_empty(file: File) -> Iterator[Hit]:
    """A label of the schema has a value."""
    for item, pairs in _labels(file):
        for key, value in pairs:
            if key in file.settings.labels and not value.strip("\"'"):
                yield file.hit(item, f'label "{key}" is empty', at=key)


_ARTICLES = {LabelType.EMAIL: "an"}


def _typed(
    kind: LabelType, is_valid: Callable[[str], bool], what: str
) -> Callable[[File], Iterator[Hit]]:
    def check(file: File) -> Iterator[Hit]:
        for item, pairs in _labels(file):
            for key, value in pairs:
                text = value.strip("\"'")
                if file.settings.labels.get(key) is kind and not is_valid(text):
                    yield file.hit(item, f'label "{key}" is no {what}', at=key)

    check.__doc__ = f"A label that the schema calls `{kind}` is {_ARTICLES.get(kind, 'a')} {what}."
    return check


def _is_license(text: str) -> bool:
    from lamina.lint.spdx import is_license

    return is_license(text)


def _labels(file: File) -> Iterator[tuple[Item, tuple[tuple[str, str], ...]]]:
    for item in file.of(ins.Label):
        assert isinstance(item.instruction, ins.Label)
        yield item, item.instruction.pairs


def _matches(pattern: re.Pattern[str]) -> Callable[[str], bool]:
    return lambda text: pattern.fullmatch(text) is not None


RULES = (
    hadolint("DL3048", "label-key", STYLE, "a label's key is not proper", label_keys),
    hadolint("DL3049", "label-missing", INFO, "a label of the schema is missing", label_missing),
    hadolint("DL3050", "label-superfluous", INFO, "a label is too many", label_superfluous),
    hadolint("DL3051", "label-empty", WARNING, "a label is empty", label_empty),
    hadolint(
        "DL3052", "label-url", WARNING, "a label is no URL",
        _typed(LabelType.URL, _matches(_URL), "URL"),
    ),
    hadolint(
        "DL3053", "label-time", WARNING, "a label is no time of RFC 3339",
        _typed(LabelType.RFC3339, _matches(_TIME), "time of RFC 3339"),
    ),
    hadolint(
        "DL3054", "label-license", WARNING, "a label is no licence of SPDX",
        _typed(LabelType.SPDX, _is_license, "licence of SPDX"),
    ),
    hadolint(
        "DL3055", "label-hash", WARNING, "a label is no git hash",
        _typed(LabelType.HASH, _matches(_HASH), "git hash"),
    ),
    hadolint(
        "DL3056", "label-version", WARNING, "a label is no semantic version",
        _typed(LabelType.SEMVER, _matches(_SEMVER), "semantic version"),
    ),
    hadolint(
        "DL3058", "label-email", WARNING, "a label is no e-mail address",
        _typed(LabelType.EMAIL, _matches(_EMAIL), "e-mail address"),
    ),
)  # fmt: skip
