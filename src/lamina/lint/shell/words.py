"""The words of a shell script: quotes, escapes and expansions."""

from __future__ import annotations

import re

from lamina.lint.shell.script import UNKNOWN, Command, Unreadable, Word, moved

META = frozenset(" \t\r\n;&|<>()")
_BLANKS = re.compile(r"(?:[ \t\r]|\\\n)*(?:#[^\n]*)?")
_PARAMETER = re.compile(r"\$(?:[A-Za-z_][A-Za-z0-9_]*|[0-9]|[@*#?$!-])")
_PLAIN = re.compile(r"[^\s\\'\"$`;&|<>()?*+@!]+")


class WordReader:
    """Walks a text; `commands` and `pipes` grow where its substitutions hold some."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.depth = 0
        self.commands: list[Command | None] = []
        self.pipes: list[int] = []
        self.no_arithmetic: set[int] = set()

    # -- small steps -----------------------------------------------------------------------

    def peek(self, length: int = 1) -> str:
        return self.text[self.at : self.at + length]

    def blanks(self) -> None:
        """Skips blanks, and a comment where a word may begin."""
        match = _BLANKS.match(self.text, self.at)
        if match:
            self.at = match.end()

    def expect(self, text: str) -> None:
        if not self.text.startswith(text, self.at):
            raise Unreadable
        self.at += len(text)

    def expect_end(self) -> None:
        if self.at < len(self.text):
            raise Unreadable

    def nested(self, closer: str) -> None:
        """Reads the commands of a substitution, and `closer`."""
        raise NotImplementedError

    def inner(self, text: str) -> WordReader:
        """A reader that has read `text`, a script of its own."""
        raise NotImplementedError

    # -- words -----------------------------------------------------------------------------

    def word(self, *, in_test: bool = False) -> Word:
        start = self.at
        out: list[str] = []
        is_plain = True
        while self.at < len(self.text):
            if match := _PLAIN.match(self.text, self.at):
                out.append(match[0])
                self.at = match.end()
                continue
            c = self.text[self.at]
            if c in "<>" and self.peek(2) in ("<(", ">("):
                self.at += 2
                self.nested(")")
                piece = UNKNOWN
            elif c == "(" and in_test and self.at > start:
                piece = self.parenthesis()
            elif c in META:
                break
            elif c in "?*+@!" and self.peek(2)[1:] == "(":
                self.at += 1
                piece = c + self.parenthesis()
            else:
                piece = self.piece(c)
            is_plain = is_plain and piece != UNKNOWN
            out.append(piece)
        if self.at == start:
            raise Unreadable
        return Word("".join(out), start, self.at, is_plain)

    def piece(self, c: str) -> str:
        """The part of a word that begins with `c`."""
        if c == "\\":
            following = self.text[self.at + 1 : self.at + 2]
            self.at += 2 if following else 1
            return "" if following == "\n" else following
        if c == "'":
            end = self.text.find("'", self.at + 1)
            if end < 0:
                raise Unreadable
            start, self.at = self.at + 1, end + 1
            return self.text[start:end]
        if c == '"':
            return self.double_quoted()
        if c == "$":
            return self.dollar()
        if c == "`":
            return self.backticks()
        self.at += 1
        return c

    def parenthesis(self) -> str:
        """A pattern's parenthesis, as it stands."""
        start, level = self.at, 0
        while self.at < len(self.text):
            c = self.text[self.at]
            if c in "'\"$`\\":
                self.piece(c)
                continue
            self.at += 1
            level += (c == "(") - (c == ")")
            if not level:
                return self.text[start : self.at]
        raise Unreadable

    def double_quoted(self) -> str:
        out: list[str] = []
        self.at += 1
        while self.at < len(self.text):
            c = self.text[self.at]
            if c == '"':
                self.at += 1
                return "".join(out)
            if c == "$":
                out.append(self.dollar())
            elif c == "`":
                out.append(self.backticks())
            elif c == "\\":
                following = self.text[self.at + 1 : self.at + 2]
                self.at += 2
                if following != "\n":
                    out.append(following if following in '"$`\\' else c + following)
            else:
                end = self.at + 1
                while end < len(self.text) and self.text[end] not in '"$`\\':
                    end += 1
                out.append(self.text[self.at : end])
                self.at = end
        raise Unreadable

    def dollar(self) -> str:
        """What a `$` begins: an expansion, a quoted text, or itself."""
        if self.peek(3) == "$((" and self.is_arithmetic():
            return UNKNOWN
        following = self.text[self.at + 1 : self.at + 2]
        if following == "(":
            self.at += 2
            self.nested(")")
            return UNKNOWN
        if following == "{":
            self.at += 2
            self.braces()
            return UNKNOWN
        if following == "'":
            return self.escaped_quotes()
        if following == '"':
            self.at += 1
            return self.double_quoted()
        match = _PARAMETER.match(self.text, self.at)
        self.at = match.end() if match else self.at + 1
        return UNKNOWN if match else "$"

    def is_arithmetic(self) -> bool:
        """Consumes `$((…))`; what only begins so is a subshell in a substitution."""
        before = self.at
        if before in self.no_arithmetic:
            return False
        commands, pipes = len(self.commands), len(self.pipes)
        self.at += 1
        try:
            self.arithmetic()
        except Unreadable:
            self.no_arithmetic.add(before)  # not tried again, however deep it is nested
            self.at = before
            del self.commands[commands:], self.pipes[pipes:]
            return False
        return True

    def braces(self) -> None:
        while self.at < len(self.text):
            c = self.text[self.at]
            if c == "}":
                self.at += 1
                return
            if c in '"$`\\' or (c == "'" and self.text.find("'", self.at + 1) > 0):
                self.piece(c)
            else:
                self.at += 1
        raise Unreadable

    def escaped_quotes(self) -> str:
        start = self.at + 2
        self.at = start
        while self.at < len(self.text):
            c = self.text[self.at]
            if c == "'":
                self.at += 1
                return self.text[start : self.at - 1]
            self.at += 2 if c == "\\" else 1
        raise Unreadable

    def backticks(self) -> str:
        start = self.at + 1
        end = start
        while end < len(self.text) and self.text[end] != "`":
            end += 2 if self.text[end] == "\\" else 1
        if end >= len(self.text):
            raise Unreadable
        inner = self.inner(self.text[start:end])
        for each in inner.commands:
            if each is not None:
                self.commands.append(moved(each, start))
        self.pipes += [start + pipe for pipe in inner.pipes]
        self.at = end + 1
        return UNKNOWN

    def arithmetic(self, *, is_for: bool = False) -> None:
        """`((…))`; commands in its substitutions count. Only that of `for` holds semicolons."""
        self.expect("((")
        level = 0
        while self.at < len(self.text):
            c = self.text[self.at]
            if not level and self.peek(2) == "))":
                self.at += 2
                return
            if c in "'\"$`\\":
                self.piece(c)
                continue
            level += (c == "(") - (c == ")")
            if level < 0 or (c == ";" and not is_for):
                break
            self.at += 1
        raise Unreadable
