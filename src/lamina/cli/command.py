"""What a command is: its words, flags and arguments, and the function that does it.

How to add a command:

1. In your module, make a `Command` value at top level::

       WAIT = Command(
           usage="CONTAINER [CONTAINER...]",
           flags=(Flag("timeout", kind=Kind.NUMBER, value="seconds"),),
           arguments=(1, None),
           run=wait,
       )

   with ``def wait(args: Args, engine: Engine) -> int`` returning the exit status: it reads the
   arguments, makes one call of the engine, and renders. Results go to stdout, progress to stderr.
   Failures are raised as `lamina.errors.Error`; `cli.failures` turns them into an exit status.
2. Add one row to the table in `cli.commands`, naming it ``"lamina.cli.container_life:WAIT"``.

The module is imported only when the command (or its help) is asked for, so its own imports should
be lazy where they are heavy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum

from lamina.errors import Invalid
from lamina.values import dataclass, field

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from lamina.engine import Engine


class Kind(StrEnum):
    """What a flag takes, which is also the word that help shows for it."""

    BOOL = "bool"  # --x, --x=false
    TEXT = "string"  # --x VALUE; the last one counts
    LIST = "list"  # --x VALUE, repeatable; in order
    NUMBER = "int"  # --x 12


@dataclass(frozen=True, slots=True)
class Flag:
    """One flag, spelled `--name` and perhaps `-s`."""

    name: str
    short: str = ""
    kind: Kind = Kind.TEXT
    help: str = ""
    value: str = ""  # the word for the value in help; the kind's own when empty
    default: str = ""  # what `Args.text` answers when the flag is absent, when not empty
    implied: str | None = None  # what a bare `--name` means, for a flag whose value is optional
    hidden: bool = False


class UsageError(Invalid):
    """The command line is wrong; carries Docker's exit status for that, and whose usage to show."""

    def __init__(self, message: str, *, words: str, usage: str, exit_status: int) -> None:
        super().__init__(message)
        self.words = words
        self.usage = usage
        self.exit_status = exit_status


@dataclass(frozen=True, slots=True)
class Args:
    """A command line that has been read: flags by name, and what is left."""

    words: str  # the command as typed, "image ls"
    usage: str
    values: Mapping[str, tuple[str, ...]]  # given flags only; bools as "true" or "false"
    rest: tuple[str, ...]
    defaults: Mapping[str, str] = field(default_factory=dict)
    line: tuple[str, ...] = ()  # the whole command line, as typed

    def given(self, name: str) -> bool:
        return name in self.values

    def flag(self, name: str) -> bool:
        """Whether a bool is on; the last spelling counts."""
        given = self.values.get(name)
        return (given[-1] if given else self.defaults.get(name)) == "true"

    def text(self, name: str) -> str | None:
        """The last value, or the flag's default, or None."""
        given = self.values.get(name)
        return given[-1] if given else self.defaults.get(name)

    def texts(self, name: str) -> tuple[str, ...]:
        """Every value of a LIST, in the order given."""
        return self.values.get(name, ())

    def number(self, name: str) -> int | None:
        """The value of a NUMBER, checked when it was read."""
        text = self.text(name)
        return None if text is None else int(text)

    def as_typed(self) -> tuple[str, ...]:
        """Words that say the same: every flag with its value, then what is left."""
        flags = [f"--{name}={value}" for name, values in self.values.items() for value in values]
        return (*flags, *self.rest)

    def refuse(self, name: str, reason: str) -> UsageError:
        """The error for a flag whose value cannot be used, to be raised."""
        return self.misused(f'invalid argument "{self.text(name)}" for "--{name}": {reason}')

    def misused(self, message: str) -> UsageError:
        """The error for flags that are wrong in some other way, to be raised."""
        return UsageError(message, words=self.words, usage=self.usage, exit_status=125)


@dataclass(frozen=True, slots=True)
class Command:
    """All about one command but its names and summary, which stand in `cli.commands`."""

    run: Callable[[Args, Engine], int]
    usage: str = ""  # the arguments, as help shows them after the command's words
    flags: tuple[Flag, ...] = ()
    arguments: tuple[int, int | None] = (0, 0)  # fewest and most; None is any number
    interspersed: bool = True  # False: the first argument ends the flags, as in `run`
    failure: int = 1  # exit status of an Error; 125 for the commands that answer for another's
    about: str = ""  # more to say in help, under the summary
