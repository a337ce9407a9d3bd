"""A shell script into its simple commands (POSIX, "Shell Command Language", and bash's habits).

Enough is read for rules about commands: words with their quotes taken off, flags, assignments,
pipes, and everything nested in groups, loops, conditions and substitutions. Nothing is expanded:
an expansion stands in a word as `${VAR}`, whatever it is. A text that is no shell script has no
commands, for nothing certain can be said of it.
"""

from __future__ import annotations

from lamina.lint.shell.reader import Reader
from lamina.lint.shell.script import UNKNOWN, Command, Script, Unreadable, Word

__all__ = ["UNKNOWN", "Command", "Script", "Word", "parse"]


def parse(text: str) -> Script:
    """The script that `text` spells; one without commands if it cannot be read."""
    reader = Reader(text)
    try:
        reader.sequence()
        reader.expect_end()
    except (Unreadable, RecursionError):
        return Script(text, (), (), False)
    commands = tuple([each for each in reader.commands if each is not None])
    return Script(text, commands, tuple(reader.pipes), True)
