"""Questions that rules ask of a command."""

from __future__ import annotations

from collections.abc import Collection

from lamina.lint.shell import Command, Word


def texts(command: Command) -> list[str]:
    """Its arguments, without their places."""
    return [word.text for word in command.words[1:]]


def flags_of(word: Word) -> list[str]:
    """The flags in one argument: `--name=x` is "name", `-ab` is "a" and "b"."""
    text = word.text
    if text in ("-", "--"):
        return []
    if text.startswith("--"):
        return [text[2:].partition("=")[0]]
    return list(text[1:]) if text.startswith("-") else []


def flags(command: Command) -> set[str]:
    """Every flag of a command."""
    return {flag for word in command.words[1:] for flag in flags_of(word)}


def has_flag(command: Command, *names: str) -> bool:
    """Whether any of `names`, without their dashes, is given."""
    return not flags(command).isdisjoint(names)


def count_flag(command: Command, name: str) -> int:
    """How many times a flag is given."""
    return sum(flags_of(word).count(name) for word in command.words[1:])


def operands(command: Command, with_value: Collection[str] = ()) -> list[Word]:
    """The arguments that are no flags, and no value of a flag among `with_value`."""
    found: list[Word] = []
    skips = False
    for word in command.words[1:]:
        names = flags_of(word)
        if names:
            skips = "=" not in word.text and any(name in with_value for name in names)
        elif skips:
            skips = False
        else:
            found.append(word)
    return found


def has(command: Command, names: Collection[str] | str, *arguments: str) -> bool:
    """Whether it is one of `names`, and any of `arguments` is among its own."""
    known = (names,) if isinstance(names, str) else names
    return command.name in known and any(w.text in arguments for w in command.words[1:])


def has_run(command: Command, *run: str) -> bool:
    """Whether `run` stands among its arguments, one behind the other."""
    words = texts(command)
    size = len(run)
    return any(tuple(words[at : at + size]) == run for at in range(len(words) - size + 1))


def value_of(command: Command, *names: str) -> list[str]:
    """The values given to any of the flags `names`, as `-u 1`, `--uid 1` or `--uid=1`."""
    found: list[str] = []
    words = command.words[1:]
    for at, word in enumerate(words):
        if not any(flag in names for flag in flags_of(word)):
            continue
        _, equals, value = word.text.partition("=")
        if equals and word.text.startswith("--"):
            found.append(value)
        elif at + 1 < len(words):
            found.append(words[at + 1].text)
    return found
