"""Words of a Dockerfile: quotes, escapes and variables, as BuildKit's shell lexer reads them.

    $name ${name}        the value, or nothing
    ${name:-w} ${name-w}    w where unset (or, with the colon, empty)
    ${name:+w} ${name+w}    w where set (and, with the colon, not empty)
    ${name:?w} ${name?w}    a fault saying w where unset (or, with the colon, empty)
    ${name#p} ${name##p}    the value without its shortest, longest beginning that matches p
    ${name%p} ${name%%p}    the same, for its end
    ${name/p/r} ${name//p/r}    the first, every match of p replaced by r

A pattern knows `*`, `?` and an escape before either (BuildKit, "Dockerfile reference",
"Environment replacement").
"""

from __future__ import annotations

from collections.abc import Mapping

from lamina.dockerfile.patterns import WordError, pattern_to_regex, reverse_pattern
from lamina.dockerfile.text import SPACE
from lamina.late import re
from lamina.values import dataclass

__all__ = ["Expansion", "WordError", "examine", "expand", "expand_to_words", "used_names"]

_MEANINGFUL = frozenset("'\"$\\`<")
_SPECIAL_NAMES = frozenset("@*#?-$!0")


@dataclass(frozen=True, slots=True)
class Expansion:
    """What became of a word."""

    text: str
    words: tuple[str, ...]  # cut at unquoted blanks, after the values were put in
    found: frozenset[str]  # names that were mentioned and are set
    missing: frozenset[str]  # names that were mentioned and are not; none where they are kept


def expand(
    word: str,
    env: Mapping[str, str],
    *,
    escape: str = "\\",
    keep_quotes: bool = False,
    keep_escapes: bool = False,
    keep_unset: bool = False,
    skip_quotes: bool = False,
) -> str:
    """`word` with its variables replaced and its quotes and escapes taken off.

    `keep_unset` leaves a variable that `env` lacks as written; `skip_quotes` gives quotes no
    meaning, as in a heredoc. WordError if a quote or a brace is open, the modifier unknown, or a
    required variable missing.
    """
    if _MEANINGFUL.isdisjoint(word):
        return word
    reader = _Reader(word, env, escape, keep_quotes, keep_escapes, keep_unset, skip_quotes)
    return reader.run()[0]


def expand_to_words(
    word: str,
    env: Mapping[str, str],
    *,
    escape: str = "\\",
    keep_quotes: bool = False,
    keep_escapes: bool = False,
    keep_unset: bool = False,
) -> list[str]:
    """As `expand`, then cut at unquoted blanks; empty words vanish, even quoted ones.

    As in BuildKit since 2025, a substitution with a modifier drops what its word held so far:
    `8${X:-0}` gives the word `0`, where `expand` gives the text `80`.
    """
    return _Reader(word, env, escape, keep_quotes, keep_escapes, keep_unset, False).run()[1]


def examine(
    word: str,
    env: Mapping[str, str],
    *,
    escape: str = "\\",
    keep_quotes: bool = False,
    keep_escapes: bool = False,
    keep_unset: bool = False,
    skip_quotes: bool = False,
) -> Expansion:
    """As `expand`, with its words and the names that it met."""
    reader = _Reader(word, env, escape, keep_quotes, keep_escapes, keep_unset, skip_quotes)
    text, words = reader.run()
    return Expansion(text, tuple(words), frozenset(reader.found), frozenset(reader.missing))


def used_names(word: str, *, escape: str = "\\") -> set[str]:
    """The names of the variables that `word` mentions; also those inside modifiers."""
    if "$" not in word:
        return set()
    reader = _Reader(word, {}, escape, False, False, True, False)
    reader.run()
    return reader.mentioned


class _Words:
    """Collects words while the text goes by."""

    __slots__ = ("done", "inside", "word")

    def __init__(self) -> None:
        self.done: list[str] = []
        self.word = ""
        self.inside = False

    def add(self, text: str) -> None:
        """Adds unquoted text: its blanks part words."""
        for c in text:
            if c not in SPACE:
                self.word += c
                self.inside = True
            elif self.inside and self.word:
                self.done.append(self.word)
                self.word = ""
                self.inside = False

    def add_raw(self, text: str) -> None:
        self.word += text
        self.inside = True

    def finish(self) -> list[str]:
        if self.word:
            self.done.append(self.word)
        return self.done


class _Reader:
    """One pass over one word, with one character of look-ahead."""

    def __init__(
        self,
        word: str,
        env: Mapping[str, str],
        escape: str,
        keep_quotes: bool,
        keep_escapes: bool,
        keep_unset: bool,
        skip_quotes: bool,
    ) -> None:
        self.source = word
        self.at = 0
        self.env = env
        self.escape = escape
        self.keep_quotes = keep_quotes
        self.keep_escapes = keep_escapes
        self.keep_unset = keep_unset
        self.skip_quotes = skip_quotes
        self.mentioned: set[str] = set()
        self.found: set[str] = set()
        self.missing: set[str] = set()
        self.modifiers = 0  # how many arguments of modifiers were read

    def run(self) -> tuple[str, list[str]]:
        try:
            return self._until("", self.keep_escapes)
        except RecursionError:
            raise self._fault("too many substitutions inside one another") from None

    def _fault(self, what: str) -> WordError:
        return WordError(f'cannot expand "{self.source}": {what}')

    def _peek(self) -> str:
        return self.source[self.at : self.at + 1]

    def _next(self) -> str:
        c = self.source[self.at : self.at + 1]
        self.at += 1
        return c

    def _until(self, stop: str, keep_escapes: bool) -> tuple[str, list[str]]:
        """Text and words up to `stop`, which is consumed, or up to the end where it is empty."""
        outer, self.keep_escapes = self.keep_escapes, keep_escapes
        try:
            return self._read_until(stop)
        finally:
            self.keep_escapes = outer

    def _read_until(self, stop: str) -> tuple[str, list[str]]:
        out: list[str] = []
        words = _Words()
        while c := self._peek():
            if c == stop:
                self.at += 1
                return "".join(out), words.finish()
            modifiers = self.modifiers
            if c == "$":
                piece = self._dollar()
                if self.modifiers != modifiers:
                    words.word = ""
                words.add(piece)
            elif c in "'\"" and not self.skip_quotes:
                piece = self._single_quoted() if c == "'" else self._double_quoted()
                if self.modifiers != modifiers:
                    words.word = ""
                words.add_raw(piece)
            elif c == "<":
                piece = self._perhaps_heredoc()
                words.add_raw(piece)
            elif c == self.escape:
                self.at += 1
                piece = c if self.keep_escapes else ""
                if not (following := self._next()):
                    if piece:
                        words.add_raw(piece)
                        out.append(piece)
                    break
                piece += following
                words.add_raw(piece)
            else:
                piece = self._next()
                words.add(piece)
            out.append(piece)
        if stop:
            raise self._fault(f'"{stop}" is missing')
        return "".join(out), words.finish()

    def _perhaps_heredoc(self) -> str:
        # Blanks between << and the delimiter belong to one word: RUN << EOF.
        self.at += 1
        if self._peek() != "<":
            return "<"
        start = self.at - 1
        self.at += 1
        if self._peek() == "-" and self.source[self.at + 1 : self.at + 2] in (" ", "\t"):
            self.at += 1
        while (c := self._peek()) and c in " \t":
            self.at += 1
        return self.source[start : self.at]

    def _single_quoted(self) -> str:
        end = self.source.find("'", self.at + 1)
        if end < 0:
            raise self._fault("a single quote is not closed")
        start, self.at = self.at, end + 1
        return self.source[start : end + 1] if self.keep_quotes else self.source[start + 1 : end]

    def _double_quoted(self) -> str:
        out: list[str] = []
        quote = '"' if self.keep_quotes else ""
        self.at += 1
        while c := self._peek():
            if c == '"':
                self.at += 1
                return quote + "".join(out) + quote
            if c == "$":
                out.append(self._dollar())
                continue
            self.at += 1
            if c == self.escape:
                if self.keep_escapes:
                    out.append(c)
                following = self._peek()
                if not following:
                    continue
                if following in ('"', "$", self.escape):
                    c = self._next()
            out.append(c)
        raise self._fault("a double quote is not closed")

    def _dollar(self) -> str:
        self.at += 1
        if self._peek() != "{":
            name = self._name()
            if not name:
                return "$"
            value = self._value(name)
            return f"${name}" if value is None and self.keep_unset else value or ""
        self.at += 1
        following = self._peek()
        if not following:
            raise self._fault('"}" is missing')
        if following in "{}:":
            raise self._fault(f'"${{{following}" is no substitution')
        name = self._name()
        mark = self._next()
        if mark == "}":
            value = self._value(name)
            return f"${{{name}}}" if value is None and self.keep_unset else value or ""
        if mark == "/":
            return self._replaced(name)
        colon = mark == ":"
        if colon:
            mark = self._next()
        if not mark or mark not in ("+-?" if colon else "+-?#%"):
            shown = ":" * colon + mark
            raise self._fault(
                f'"{shown}" is no modifier after "{name}"' if shown else '"}" is missing'
            )
        return self._modified(name, mark, colon)

    def _argument(self, stop: str, keep_escapes: bool) -> str:
        self.modifiers += 1
        try:
            return self._until(stop, keep_escapes)[0]
        except WordError:
            if self.at >= len(self.source):
                raise self._fault(f'"{stop}" is missing after "${{"') from None
            raise

    def _modified(self, name: str, mark: str, colon: bool) -> str:
        word = self._argument("}", mark in "#%")
        value = self._value(name)
        if value is None and self.keep_unset:
            return f"${{{name}{':' * colon}{mark}{word}}}"
        has_none = value is None or (colon and not value)
        if mark == "-":
            return word if has_none else value or ""
        if mark == "+":
            return "" if has_none else word
        if mark == "?":
            if has_none:
                state = "unset" if value is None else "empty"
                raise self._fault(f"{name}: {word or f'must not be {state}'}")
            return value or ""
        longest = word.startswith(mark)
        pattern = word[1:] if longest else word
        trim = self._without_end if mark == "%" else self._without_start
        return trim(pattern, value or "", longest)

    def _replaced(self, name: str) -> str:
        every = self._peek() == "/"
        if every:
            self.at += 1
        pattern = self._argument("/", True)
        replacement = self._argument("}", True)
        value = self._value(name)
        if value is None and self.keep_unset:
            return f"${{{name}/{pattern}/{replacement}}}"
        matcher = self._compiled(pattern, greedy=True, anchored=False)
        out: list[str] = []
        done = 0
        for match in matcher.finditer(value or ""):
            if match.end() == match.start() == done and done:
                continue  # an empty match that touches the one before does not count
            out += ((value or "")[done : match.start()], replacement)
            done = match.end()
            if not every:
                break
        return "".join(out) + (value or "")[done:]

    def _compiled(self, pattern: str, *, greedy: bool, anchored: bool) -> re.Pattern[str]:
        try:
            return re.compile(pattern_to_regex(pattern, greedy=greedy, anchored=anchored))
        except WordError as error:
            raise self._fault(error.message) from None

    def _without_start(self, pattern: str, value: str, longest: bool) -> str:
        match = self._compiled(pattern, greedy=longest, anchored=True).match(value)
        return value[match.end() :] if match else value

    def _without_end(self, pattern: str, value: str, longest: bool) -> str:
        # Only a search from the left can find the shortest match, so both are turned round.
        return self._without_start(reverse_pattern(pattern), value[::-1], longest)[::-1]

    def _name(self) -> str:
        """A name; a number; or one special parameter; empty where none stands here."""
        start = self.at
        first = self._peek()
        if not first:
            return ""
        if first.isdecimal():
            while (c := self._peek()) and c.isdecimal():
                self.at += 1
        elif first in _SPECIAL_NAMES:
            self.at += 1
        else:
            while (c := self._peek()) and (c.isalpha() or c.isdecimal() or c == "_"):
                self.at += 1
        return self.source[start : self.at]

    def _value(self, name: str) -> str | None:
        value = self.env.get(name)
        self.mentioned.add(name)
        if value is not None:
            self.found.add(name)
        elif not self.keep_unset:
            self.missing.add(name)
        return value
