"""The pipes between a container and its watcher, before it is known who is attached."""

from __future__ import annotations

import os

from lamina.runtime.container import Stdio

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from lamina.run.pump import Ends
    from lamina.runtime.container import Process


class Streams:
    """Pipes for a command without a terminal; with one, the runtime makes the terminal."""

    def __init__(self, *, terminal: bool, stdin: bool) -> None:
        self._terminal = terminal
        self._theirs: dict[str, int] = {}
        self._ours: dict[str, int] = {}
        if terminal:
            self._wants_stdin = stdin
            return
        if stdin:
            self._theirs["stdin"], self._ours["stdin"] = os.pipe()
        for name in ("stdout", "stderr"):
            self._ours[name], self._theirs[name] = os.pipe()

    def stdio(self) -> Stdio:
        """What the runtime hands to the command."""
        return Stdio(**self._theirs)

    def started(self, process: Process) -> Ends:
        """The watcher's ends, now the caller's; the command's are closed here."""
        from lamina.run.pump import Ends

        self._close(self._theirs)
        if self._terminal and process.terminal is not None:
            master = process.terminal  # closed by the process's `close`
            stdin = os.dup(master) if self._wants_stdin else None
            return Ends(stdin, os.dup(master), None, is_terminal=True)
        ends = Ends(self._ours.get("stdin"), self._ours["stdout"], self._ours["stderr"])
        self._ours = {}
        return ends

    def close(self) -> None:
        """Close what nobody took."""
        self._close(self._theirs)
        self._close(self._ours)

    @staticmethod
    def _close(fds: dict[str, int]) -> None:
        while fds:
            os.close(fds.popitem()[1])
