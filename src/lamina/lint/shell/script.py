"""What a shell script executes, as values."""

from __future__ import annotations

from lamina.values import dataclass

UNKNOWN = "${VAR}"  # what an expansion leaves in a word


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a command, and where it stands in the script."""

    text: str  # quotes and escapes taken off
    start: int
    end: int
    is_plain: bool = True  # nothing in it is expanded


@dataclass(frozen=True, slots=True)
class Command:
    """One simple command."""

    name: str  # of what is executed, also behind `exec` and `command`
    words: tuple[Word, ...]  # the first is the name as written
    assignments: tuple[tuple[str, str], ...]  # before the name
    targets: tuple[Word, ...]  # what it is redirected to and from
    start: int
    end: int
    after: str  # the operator before it: "", ";", "&&", "||", "|" or "&"
    depth: int  # how many groups or substitutions it stands in

    @property
    def arguments(self) -> tuple[Word, ...]:
        return self.words[1:]


@dataclass(frozen=True, slots=True)
class Script:
    """What a text executes, in the order of the text."""

    text: str
    commands: tuple[Command, ...]
    pipes: tuple[int, ...]  # offsets
    is_read: bool


class Unreadable(Exception):
    """The text is no shell script, or too deep a one."""


def moved(command: Command, by: int) -> Command:
    """`command` as it stands in a text that has `by` characters before its own."""

    def shifted(words: tuple[Word, ...]) -> tuple[Word, ...]:
        return tuple([Word(w.text, w.start + by, w.end + by, w.is_plain) for w in words])

    return Command(
        command.name, shifted(command.words), command.assignments, shifted(command.targets),
        command.start + by, command.end + by, command.after, command.depth,
    )  # fmt: skip
