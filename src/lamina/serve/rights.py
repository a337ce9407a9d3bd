"""Who may do what in which repository."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from functools import lru_cache

from lamina.values import dataclass, field

ANYBODY = "anonymous"  # who has not said who they are; everybody else may do the same
LOGGED_IN = "*"


class Action(StrEnum):
    """What is done, in the words of Docker's token specification."""

    PULL = "pull"
    PUSH = "push"
    DELETE = "delete"


ALL = frozenset(Action)


@dataclass(frozen=True, slots=True)
class Rule:
    """Some may do something in the repositories that the globs fit."""

    who: frozenset[str]  # users, "@group", "*" for all who are logged in, "anonymous"
    repositories: tuple[str, ...]  # globs: "*" within a part of a name, "**" across parts
    actions: frozenset[Action]


@dataclass(frozen=True, slots=True)
class Rights:
    """All rules: what one of them grants is granted."""

    rules: Sequence[Rule] = ()
    groups: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def actions(self, user: str | None, name: str) -> frozenset[Action]:
        """What `user`, None if anonymous, may do in the repository `name`."""
        them = self._them(user)
        granted: frozenset[Action] = frozenset()
        for rule in self.rules:
            if rule.who & them and any(fits(glob, name) for glob in rule.repositories):
                granted |= rule.actions
        return granted

    @property
    def lets_anybody_in(self) -> bool:
        return any(ANYBODY in rule.who for rule in self.rules)

    def _them(self, user: str | None) -> frozenset[str]:
        if user is None:
            return frozenset({ANYBODY})
        groups = {f"@{name}" for name, members in self.groups.items() if user in members}
        # A user may not be called like a group, or like everybody.
        own = set() if user in (ANYBODY, LOGGED_IN) or user.startswith("@") else {user}
        return frozenset({ANYBODY, LOGGED_IN, *own, *groups})


def fits(glob: str, name: str) -> bool:
    """Whether the repository `name` is one of those that `glob` means."""
    return _compiled(glob).fullmatch(name) is not None


@lru_cache(1000)
def _compiled(glob: str) -> re.Pattern[str]:
    pattern = ""
    for part in re.split(r"(\*\*|\*)", glob):
        pattern += {"**": ".*", "*": "[^/]*"}.get(part) or re.escape(part)
    return re.compile(pattern)
