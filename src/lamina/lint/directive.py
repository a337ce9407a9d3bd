"""`check=`: which of BuildKit's checks a file wants (BuildKit, "Dockerfile reference", "check").

    # check=skip=StageNameCasing,FromAsCasing;error=true;experimental=all

The directive speaks for the file, a comment of the same form for the instruction below it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from lamina.dockerfile.numbers import parse_bool
from lamina.dockerfile.text import SPACE, did_you_mean
from lamina.errors import Invalid
from lamina.values import dataclass, replace

_COMMENT = re.compile(r"check[\t\n\f\r ]*=[\t\n\f\r ]*(.+?)[\t\n\f\r ]*", re.IGNORECASE)
_OPTIONS = ("skip", "experimental", "error")


@dataclass(frozen=True, slots=True)
class CheckOptions:
    """What a directive or a comment asks for."""

    skips_all: bool = False
    skipped: frozenset[str] = frozenset()
    wants_all: bool = False  # of the experimental ones
    wanted: frozenset[str] = frozenset()
    fails: bool = False  # a build fails where a check fires

    def runs(self, code: str, *, is_experimental: bool) -> bool:
        """Whether a check is made."""
        if is_experimental:
            return self.wants_all or code in self.wanted
        return not self.skips_all and code not in self.skipped

    def merged(self, other: CheckOptions) -> CheckOptions:
        """With what a comment adds."""
        return CheckOptions(
            self.skips_all or other.skips_all,
            self.skipped | other.skipped,
            self.wants_all or other.wants_all,
            self.wanted | other.wanted,
            self.fails,
        )


def parse(text: str) -> CheckOptions:
    """The options that `text` spells, parted by semicolons; Invalid names the wrong one."""
    text = text.strip(SPACE)
    options = CheckOptions()
    for part in text.split(";", 2) if text else ():
        key, equals, value = part.partition("=")
        key, value = key.strip(SPACE), value.strip(SPACE)
        if not equals or key not in _OPTIONS:
            raise Invalid(
                f'"{part}" is no option of check',
                hint=did_you_mean(key, _OPTIONS) or f"use {', '.join(_OPTIONS)}",
            )
        if key == "error":
            options = replace(options, fails=parse_bool(value))
            continue
        names = frozenset(name.strip(SPACE) for name in value.split(","))
        is_all = value == "all"
        if key == "skip":
            options = options.merged(CheckOptions(is_all, frozenset() if is_all else names))
        else:
            added = frozenset() if is_all else names
            options = options.merged(CheckOptions(wants_all=is_all, wanted=added))
    return options


def of_comments(comments: Sequence[str]) -> CheckOptions | None:
    """The options in the first comment of the form `check=…`; None if there is none."""
    for comment in comments:
        match = _COMMENT.fullmatch(comment)
        if match:
            try:
                return parse(match[1].partition(" ")[0])
            except Invalid:
                return None
    return None
