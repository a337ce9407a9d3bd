"""Lists, pipelines and commands of a shell script."""

from __future__ import annotations

import re
from collections.abc import Callable

from lamina.lint.shell.script import UNKNOWN, Command, Unreadable, Word
from lamina.lint.shell.words import META, WordReader

_DEPTH = 60  # groups inside one another
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\[[^\]\n]*\])?\+?=")
_REDIRECT = re.compile(
    r"(?:[0-9]+|\{[A-Za-z_][A-Za-z0-9_]*\})?(<<<|<<-?|<&|>&|<>|>>|>\||<(?!\()|>(?!\())|&>>?"
)
_RESERVED = re.compile(r"(?:[a-z]+|\{|\}|!|\[\[?)(?=[\s;&|<>()]|$)")
_FUNCTION = re.compile(r"[^\s\\'\"$`;&|<>()=]+[ \t]*\([ \t]*\)")
_CLOSERS = frozenset(("then", "elif", "else", "fi", "do", "done", "esac", "}"))
_WRAPPERS = frozenset(("builtin", "busybox", "command"))


class Reader(WordReader):
    """Reads a whole script, from its first list on."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.documents: list[tuple[str, bool]] = []  # heredocs whose bodies follow the line
        self.after = ""
        self.was_compound = False  # the last command; a reserved word may then follow at once

    def inner(self, text: str) -> WordReader:
        reader = Reader(text)
        reader.depth = self.depth
        reader.sequence()
        reader.expect_end()
        return reader

    def newline(self) -> None:
        """Consumes the newline that is next, and the bodies of heredocs behind it."""
        self.at += 1
        documents, self.documents = self.documents, []
        for name, chomps in documents:
            while self.at < len(self.text):
                end = self.text.find("\n", self.at)
                end = len(self.text) if end < 0 else end
                line = self.text[self.at : end]
                self.at = min(end + 1, len(self.text))
                if (line.lstrip("\t") if chomps else line) == name:
                    break

    def reserved(self) -> str:
        """The reserved word that is next, or empty."""
        match = _RESERVED.match(self.text, self.at)
        return match[0] if match else ""

    def expect_reserved(self, word: str) -> None:
        self.newlines()
        if self.reserved() != word:
            raise Unreadable
        self.at += len(word)

    def newlines(self) -> None:
        self.blanks()
        while self.peek() == "\n":
            self.newline()
            self.blanks()

    # -- lists and pipelines ---------------------------------------------------------------

    def sequence(self) -> None:
        """Commands up to what closes them, which is left."""
        self.depth += 1
        if self.depth > _DEPTH:
            raise Unreadable
        while True:
            self.newlines()
            c = self.peek()
            if not c or c == ")" or self.peek(2) == ";;" or self.reserved() in _CLOSERS:
                break
            self.pipeline()
            self.blanks()
            self.separator()
        self.depth -= 1

    def separator(self) -> None:
        """Consumes the operator after a pipeline."""
        c = self.peek()
        if self.peek(2) in ("&&", "||"):
            self.after = self.peek(2)
            self.at += 2
            self.newlines()
            if not self.peek() or self.peek() in ");":
                raise Unreadable
        elif c == ";" and self.peek(2) not in (";;", ";&"):
            self.after = ";"
            self.at += 1
        elif c == "&":
            self.after = c
            self.at += 1
        elif c == "\n":
            self.after = ";"
        elif c and c != ")" and self.peek(2) not in (";;", ";&") and not self.may_close():
            raise Unreadable

    def may_close(self) -> bool:
        """Whether a reserved word closes a group straight behind a compound command."""
        return self.was_compound and self.reserved() in _CLOSERS

    def pipeline(self) -> None:
        while self.reserved() in ("!", "time"):
            self.at += len(self.reserved())
            self.blanks()
            if self.peek(2) == "-p":
                self.at += 2
                self.blanks()
        self.command()
        self.blanks()
        while self.peek() == "|" and self.peek(2) != "||":
            self.pipes.append(self.at)
            self.after = "|"
            self.at += 2 if self.peek(2) == "|&" else 1
            self.newlines()
            self.command()
            self.blanks()

    # -- commands --------------------------------------------------------------------------

    def command(self) -> None:
        """One command, simple or compound."""
        self.was_compound = self.compound()
        if not self.was_compound:
            self.simple()

    def compound(self) -> bool:
        """Consumes a compound command, if one is next."""
        word = self.reserved()
        function = _FUNCTION.match(self.text, self.at)
        if self.peek(2) == "((":
            self.arithmetic()
        elif self.peek() == "(":
            self.at += 1
            self.nested(")")
        elif word in _COMPOUNDS:
            self.at += len(word)
            _COMPOUNDS[word](self)
        elif word in _CLOSERS:
            raise Unreadable
        elif function:
            self.at = function.end()
            self.newlines()
            self.command()
        else:
            return False
        self.redirects()
        return True

    def nested(self, closer: str) -> None:
        """Commands in a group or substitution; the operator before it counts on behind it."""
        outer, self.after = self.after, ""
        self.sequence()
        self.expect(closer)
        self.after = outer

    def redirects(self) -> None:
        """Consumes what redirects a compound command."""
        self.blanks()
        while match := _REDIRECT.match(self.text, self.at):
            self.redirect(match)
            self.blanks()

    def redirect(self, match: re.Match[str]) -> Word:
        self.at = match.end()
        self.blanks()
        target = self.word()
        if match[1] in ("<<", "<<-"):
            self.documents.append((target.text, match[1] == "<<-"))
        return target

    def simple(self) -> None:
        start, after = self.at, self.after
        place = len(self.commands)
        self.commands.append(None)  # what is nested in its words comes behind it
        words: list[Word] = []
        assignments: list[tuple[str, str]] = []
        targets: list[Word] = []
        end = start
        while True:
            self.blanks()
            if match := _REDIRECT.match(self.text, self.at):
                targets.append(self.redirect(match))
            elif not (c := self.peek()) or c in ";&|)\n":
                break
            elif not words and (match := _ASSIGNMENT.match(self.text, self.at)):
                assignments.append(self.assignment(match))
            else:
                words.append(self.word())
            end = self.at
        if not words and not assignments and not targets:
            raise Unreadable
        name = _executed(words)
        if name is not None:
            self.commands[place] = Command(
                name, tuple(words), tuple(assignments), tuple(targets),
                start, end, after, self.depth - 1,
            )  # fmt: skip

    def assignment(self, match: re.Match[str]) -> tuple[str, str]:
        name = match[0].rstrip("=").rstrip("+").partition("[")[0]
        self.at = match.end()
        c = self.peek()
        if c == "(":
            self.at += 1
            self.array()
            return name, UNKNOWN
        if not c or c in META:
            return name, ""
        return name, self.word().text

    def array(self) -> None:
        while True:
            self.newlines()
            if self.peek() == ")":
                self.at += 1
                return
            self.word()

    # -- compound commands -----------------------------------------------------------------

    def brace_group(self) -> None:
        self.sequence_to("}")

    def sequence_to(self, word: str) -> None:
        outer, self.after = self.after, ""
        self.sequence()
        self.expect_reserved(word)
        self.after = outer

    def if_(self) -> None:
        self.sequence_to("then")
        while True:
            self.sequence()
            word = self.reserved()
            if word not in ("elif", "else", "fi"):
                raise Unreadable
            self.at += len(word)
            if word == "fi":
                return
            if word == "elif":
                self.sequence_to("then")

    def while_(self) -> None:
        self.sequence_to("do")
        self.sequence_to("done")

    def for_(self) -> None:
        self.blanks()
        if self.peek(2) == "((":
            self.arithmetic(is_for=True)
        else:
            self.word()
            self.newlines()
            if self.reserved() == "in":
                self.at += 2
                self.blanks()
                while (c := self.peek()) and c not in ";\n":
                    self.word()
                    self.blanks()
        self.blanks()
        if self.peek() == ";":
            self.at += 1
        self.newlines()
        word = self.reserved()
        if word == "{":
            self.at += 1
            self.brace_group()
        else:
            self.expect_reserved("do")
            self.sequence_to("done")

    def case_(self) -> None:
        self.blanks()
        self.word()
        self.expect_reserved("in")
        outer = self.after
        while True:
            self.newlines()
            if self.reserved() == "esac":
                self.at += 4
                self.after = outer
                return
            self.patterns()
            self.after = ""
            self.sequence()
            if self.peek(2) in (";;", ";&"):
                self.at += 3 if self.peek(3) == ";;&" else 2

    def patterns(self) -> None:
        if self.peek() == "(":
            self.at += 1
        while True:
            self.blanks()
            self.word()
            self.blanks()
            c = self.peek()
            self.at += 1
            if c == ")":
                return
            if c != "|":
                raise Unreadable

    def function(self) -> None:
        self.blanks()
        self.word()
        self.blanks()
        if self.peek() == "(":
            self.at += 1
            self.blanks()
            self.expect(")")
        self.newlines()
        self.command()

    def test(self, closer: str) -> None:
        """A condition in brackets: no command, but its substitutions hold some."""
        while True:
            self.newlines()
            if self.text.startswith(closer, self.at) and self.ends(self.at + len(closer)):
                self.at += len(closer)
                return
            c = self.peek()
            if not c or (closer == "]" and c in ";&|\n"):
                raise Unreadable
            if c in "<>()&|;":
                self.at += 1
            else:
                self.word(in_test=closer == "]]")

    def ends(self, at: int) -> bool:
        return at >= len(self.text) or self.text[at] in META


_COMPOUNDS: dict[str, Callable[[Reader], None]] = {
    "if": Reader.if_,
    "while": Reader.while_,
    "until": Reader.while_,
    "for": Reader.for_,
    "select": Reader.for_,
    "case": Reader.case_,
    "function": Reader.function,
    "{": Reader.brace_group,
    "[[": lambda reader: reader.test("]]"),
    "[": lambda reader: reader.test("]"),
}


def _executed(words: list[Word]) -> str | None:
    """The name of what is executed; None if that is only known when it runs."""
    if not words or not words[0].is_plain:
        return None
    name = words[0].text
    rest = [word for word in words[1:] if not word.text.startswith("-")]
    if name == "exec" and rest:
        return rest[0].text if rest[0].is_plain else None
    if name in _WRAPPERS and len(words) > 1 and not words[1].text.startswith("-"):
        return words[1].text if words[1].is_plain else None
    return name
