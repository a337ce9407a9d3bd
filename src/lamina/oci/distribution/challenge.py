"""Challenges: how a registry says what proves who one is (RFC 9110, section 11; RFC 6750)."""

from __future__ import annotations

from collections.abc import Mapping

from lamina.errors import Invalid
from lamina.values import dataclass

_TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
_SPACE = " \t"


class BadChallenge(Invalid):
    """A WWW-Authenticate header is malformed."""


@dataclass(frozen=True, slots=True)
class Challenge:
    """One way to prove who one is: `bearer` with a realm to ask for tokens, or `basic`."""

    scheme: str  # lower case
    parameters: Mapping[str, str]  # names in lower case


def parse_challenges(header: str) -> list[Challenge]:
    """The challenges of a WWW-Authenticate header, in order (RFC 9110, section 11.6.1).

    As some registries have it, any word may be quoted, and values may hold "/" and "=" unquoted.
    BadChallenge if a quote stays open, or a word stands where none may.
    """
    return _Parser(header).challenges()


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def challenges(self) -> list[Challenge]:
        found: list[Challenge] = []
        while self._skip(_SPACE + ","):
            scheme = self._word()
            parameters: dict[str, str] = {}
            self._skip(_SPACE)
            while self._peek() and self._peek() != ",":
                name, value = self._parameter()
                parameters[name] = value
                if not self._continues():
                    break
            found.append(Challenge(scheme.lower(), parameters))
        return found

    def _continues(self) -> bool:
        """Whether another parameter of the same challenge follows, rather than a scheme."""
        self._skip(_SPACE)
        if not self._peek():
            return False
        if self._peek() != ",":
            raise self._bad(f'expected "," before "{self._text[self._at : self._at + 20]}"')
        self._skip(_SPACE + ",")
        before = self._at
        if not self._peek():
            return False
        self._word()
        self._skip(_SPACE)
        follows = self._peek() == "="
        self._at = before
        return follows

    def _parameter(self) -> tuple[str, str]:
        name = self._word()
        self._skip(_SPACE)
        if self._peek() != "=":
            raise self._bad(f'expected "=" after "{name}"')
        self._at += 1
        self._skip(_SPACE)
        return name.lower(), self._word(extra="/=:?@")

    def _word(self, extra: str = "") -> str:
        if self._peek() == '"':
            return self._quoted()
        start = self._at
        while self._peek() and (self._peek() in _TOKEN or self._peek() in extra):
            self._at += 1
        if start == self._at:
            raise self._bad(f'expected a word at "{self._text[start : start + 20]}"')
        return self._text[start : self._at]

    def _quoted(self) -> str:
        self._at += 1
        out: list[str] = []
        while (character := self._peek()) != '"':
            if character == "\\":
                self._at += 1
                character = self._peek()
            if not character:
                raise self._bad("a quote stays open")
            out.append(character)
            self._at += 1
        self._at += 1
        return "".join(out)

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _skip(self, characters: str) -> bool:
        """Go past any of `characters`; whether something is left."""
        while self._peek() and self._peek() in characters:
            self._at += 1
        return bool(self._peek())

    def _bad(self, why: str) -> BadChallenge:
        return BadChallenge(f'"{self._text[:200]}" is not a challenge: {why}')
