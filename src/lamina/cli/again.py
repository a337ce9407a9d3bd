"""The answer of a command that would change nothing, given without doing it; `engine.again`."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence

from lamina.cli.settings import root_of
from lamina.engine import again
from lamina.engine.again import Answer, Question
from lamina.errors import Error
from lamina.store import Store

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from lamina.build import Basis
    from lamina.cli.progress import Stream

# What shells set anew for each command, and what stands in the question already.
_SHELLS = frozenset(("_", "OLDPWD", "PWD", "SHLVL"))
_MOST = 1 << 20  # characters that are worth remembering


def opened(environment: Mapping[str, str], root: str | None) -> Store | None:
    """The store in which there may be an answer; None if there was never one."""
    directory = root_of(environment, root)
    if not os.path.exists(f"{directory}/lamina.db"):
        return None
    try:
        return Store.open(directory)
    except (Error, OSError):
        return None  # whoever does the command will say what is wrong


def answer(store: Store, line: Sequence[str], environment: Mapping[str, str]) -> int | None:
    """Say again what the command line has answered; its exit status, or None to do it.

    The store stays open: the connection to its database ends with the process, or serves whoever
    does the command. The last one to be closed would sync the disk.
    """
    found = again.recall(store, _question(line, environment))
    if found is None:
        return None
    sys.stderr.write(found.said)
    sys.stderr.flush()
    sys.stdout.write(found.printed)
    return 0


def keep(
    store: Store,
    line: Sequence[str],
    environment: Mapping[str, str],
    basis: Basis,
    echo: Echo,
    printed: str,
) -> None:
    """Remember what a command line has answered."""
    if (said := echo.text) is not None:
        again.keep(store, _question(line, environment), basis, Answer(said, printed))


class Echo:
    """A stream that remembers the text that was written to it, if that is not much."""

    def __init__(self, out: Stream) -> None:
        self._out = out
        self._text = ""

    @property
    def text(self) -> str | None:
        """All that was written; None if it was too much to be remembered."""
        return self._text if len(self._text) <= _MOST else None

    def write(self, text: str) -> int:
        if len(self._text) <= _MOST:
            self._text += text
        return self._out.write(text)

    def flush(self) -> None:
        self._out.flush()

    def isatty(self) -> bool:
        return self._out.isatty()

    def fileno(self) -> int:
        return self._out.fileno()


def _question(line: Sequence[str], environment: Mapping[str, str]) -> Question:
    from lamina.cli.main import VERSION

    values = [f"{name}={value}" for name, value in environment.items() if name not in _SHELLS]
    about = [VERSION, str(os.geteuid()), _screen(), *sorted(values)]
    return Question("\n".join((os.getcwd(), *line)), "\0".join(about))


def _screen() -> str:
    """What a picture on standard error is drawn for."""
    if not sys.stderr.isatty():
        return ""
    try:
        columns, lines = os.get_terminal_size(sys.stderr.fileno())
    except OSError:
        return "?"
    return f"{columns}x{lines}"
