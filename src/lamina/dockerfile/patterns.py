"""The patterns of `${name#pattern}` and its like, as regular expressions."""

from __future__ import annotations

from lamina.errors import Invalid
from lamina.late import re

_REGEX_MARKS = frozenset("[]{}.+()|^$")


class WordError(Invalid):
    """A word that cannot be expanded."""


def pattern_to_regex(pattern: str, *, greedy: bool, anchored: bool) -> str:
    """The regular expression of a shell pattern without brackets; WordError for other escapes."""
    star = ".*" if greedy else ".*?"
    out = ["^"] if anchored else []
    at = 0
    while at < len(pattern):
        c = pattern[at]
        at += 1
        if c == "*":
            out.append(star)
        elif c == "?":
            out.append(".")
        elif c == "\\":
            following = pattern[at : at + 1]
            if following and following in "}/":
                continue
            if not following or following not in "*?\\":
                raise WordError(f'"\\{following}" is no escape in the pattern "{pattern}"')
            out.append("\\" + following)
            at += 1
        else:
            out.append("\\" + c if c in _REGEX_MARKS else c)
    return "".join(out)


def reverse_pattern(pattern: str) -> str:
    """`pattern` from its end to its start, each escape still before what it escapes."""
    tokens = re.findall(r"\\.|.", pattern, re.DOTALL)
    return "".join(reversed(tokens))
