"""The side of somebody who looks on: their terminal, their signals, what they type.

Output does not come through here: the watcher writes to their descriptors itself.
"""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from lamina.errors import Invalid, Unavailable
from lamina.run import control
from lamina.run.control import Conversation
from lamina.run.failures import raised
from lamina.values import dataclass

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from typing import Any

Started = Callable[[list[str]], None]

DETACH_KEYS = b"\x10\x11"  # ctrl-p, ctrl-q
_CHUNK = 32 * 1024
_IMPATIENT = 3  # this many interrupts that change nothing end the command, as in Docker


@dataclass(frozen=True, slots=True)
class View:
    """How somebody looks on: which streams, and by which descriptors of theirs."""

    stdin: int | None = None
    stdout: int | None = None
    stderr: int | None = None
    terminal: bool = False  # the container has one; so `stdin` should be one too
    detach_keys: bytes = DETACH_KEYS
    proxy_signals: bool = True


@dataclass(frozen=True, slots=True)
class Detached:
    """They left with the detach keys; the container goes on."""


def parse_detach_keys(text: str) -> bytes:
    """ "ctrl-p,ctrl-q" as the bytes that a terminal sends; Invalid if it is not such a list."""
    keys = bytearray()
    for key in text.split(","):
        if len(key) == 1 and key.isascii():
            keys += key.encode()
        elif key.lower().startswith("ctrl-") and len(key) == 6 and key[5].lower() in _CONTROLS:
            keys.append(_CONTROLS.index(key[5].lower()))
        else:
            raise Invalid(
                f'"{key}" is not a detach key', hint='write them as "ctrl-p,ctrl-q" or "ctrl-x,x"'
            )
    return bytes(keys)


_CONTROLS = "@abcdefghijklmnopqrstuvwxyz[\\]^_"


class Looking:
    """One conversation with a watcher, from "attach" to the end."""

    def __init__(self, conversation: Conversation, view: View) -> None:
        """Takes the conversation and closes it; the view's descriptors stay the caller's."""
        self._talk = conversation
        self._view = view
        self._typed: int | None = None  # where to write what they type
        self._matched = b""  # the beginning of the detach keys
        self._interrupts = 0

    def attach(self) -> None:
        """Tell the watcher what to show, and where; before the start, for nothing to be lost."""
        view = self._view
        lent = {}
        if view.stdin is not None:
            reading, self._typed = os.pipe()
            lent["stdin"] = reading
        if view.stdout is not None:
            lent["stdout"] = view.stdout
        if view.stderr is not None:
            lent["stderr"] = view.stderr
        packet: dict[str, Any] = {"do": "attach", "streams": list(lent)}
        if view.terminal:
            packet["size"] = self._size()
        sent = control.send(self._talk, packet, tuple(lent.values()))
        if "stdin" in lent:
            os.close(lent["stdin"])
        if not sent:
            self._end_typing()  # what the watcher said before it left is still to be heard

    def until_start(self, started: Started | None = None) -> None:
        """Until it runs; raises what kept it from starting. Whether it ends soon is not asked."""
        try:
            while True:
                heard = control.receive(self._talk)
                if heard is None:
                    raise _abandoned()
                match heard[0]["event"]:
                    case "failed":
                        raise raised(heard[0])
                    case "started":
                        if started is not None:
                            started(heard[0].get("notices", []))
                        return
        finally:
            self.close()

    def until_end(self, started: Started | None = None) -> int | Detached:
        """The exit status; raises what kept the container from starting.

        `started` is called once the container runs, with what was not done as asked.
        """
        try:
            if self._view.stdin is None and not self._view.proxy_signals:
                return self._listen(started)
            with _signals(self._view) as wakeup, _raw(self._view):
                return self._loop(wakeup, started)
        finally:
            self.close()

    def close(self) -> None:
        if self._typed is not None:
            os.close(self._typed)
            self._typed = None
        self._talk.close()

    def _listen(self, started: Started | None) -> int:
        while True:
            ending = self._hear(started)
            if ending is not None:
                return ending

    def _loop(self, wakeup: int, started: Started | None) -> int | Detached:
        poll = select.poll()
        poll.register(self._talk, select.POLLIN)
        poll.register(wakeup, select.POLLIN)
        if self._view.stdin is not None:
            poll.register(self._view.stdin, select.POLLIN)
        while True:
            for fd, _ in poll.poll():
                if fd == wakeup:
                    self._pass_on(os.read(wakeup, 64))
                elif fd == self._view.stdin:
                    try:
                        going = self._type()
                    except _Left:
                        return Detached()
                    if not going:
                        poll.unregister(fd)
                else:
                    ending = self._hear(started)
                    if ending is not None:
                        return ending

    def _hear(self, started: Started | None) -> int | None:
        heard = control.receive(self._talk)
        if heard is None:
            raise _abandoned()
        packet = heard[0]
        match packet["event"]:
            case "started":
                if started is not None:
                    started(packet.get("notices", []))
            case "ended":
                return int(packet["status"])
            case "failed":
                raise raised(packet)
        return None

    def _type(self) -> bool:
        """Hand on what they typed; whether there may be more."""
        assert self._view.stdin is not None
        try:
            data = os.read(self._view.stdin, _CHUNK)
        except OSError:
            data = b""
        if self._view.terminal and data:
            data = self._without_detach_keys(data)
        elif not data:
            data = self._matched
            self._write(data)
            self._end_typing()
            return False
        return self._write(data)

    def _without_detach_keys(self, data: bytes) -> bytes:
        """What to send of `data`; the keys that may begin the sequence are held back."""
        keys = self._view.detach_keys
        held = self._matched + data
        if keys and keys in held:
            self._write(held[: held.index(keys)])
            raise _Left
        most = min(len(keys) - 1, len(held))
        cut = next((n for n in range(most, 0, -1) if held.endswith(keys[:n])), 0)
        self._matched = held[len(held) - cut :]
        return held[: len(held) - cut]

    def _write(self, data: bytes) -> bool:
        if self._typed is None:
            return False
        while data:
            try:
                data = data[os.write(self._typed, data) :]
            except OSError:
                self._end_typing()  # the container's input is closed
                return False
        return True

    def _end_typing(self) -> None:
        if self._typed is not None:
            os.close(self._typed)
            self._typed = None

    def _pass_on(self, numbers: bytes) -> None:
        for number in numbers:
            if number == signal.SIGWINCH:
                self._send_size()
                continue
            if number in (signal.SIGINT, signal.SIGTERM):
                self._interrupts += 1
                if self._interrupts > _IMPATIENT:
                    raise KeyboardInterrupt
            control.send(self._talk, {"do": "signal", "number": number})

    def _send_size(self) -> None:
        size = self._size()
        if size is not None:
            control.send(self._talk, {"do": "resize", "rows": size[0], "columns": size[1]})

    def _size(self) -> tuple[int, int] | None:
        """Rows and columns of their terminal."""
        import termios

        for fd in (self._view.stdout, self._view.stdin):
            try:
                if fd is not None:
                    return termios.tcgetwinsize(fd)
            except termios.error:
                continue
        return None


def _abandoned() -> Unavailable:
    return Unavailable(
        "the process that watched the container was killed", hint='see "lamina ps -a"'
    )


class _Left(Exception):
    """The detach keys were typed."""


@contextmanager
def _signals(view: View) -> Iterator[int]:
    """Within it, signals come out of the descriptor as bytes instead of happening."""
    wakeup, written = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    before: dict[int, Any] = {}
    caught: set[int] = set()
    if view.proxy_signals:
        caught.update(range(1, signal.NSIG))
        caught.difference_update(_kept())
    if view.terminal:
        caught.add(signal.SIGWINCH)
    elif view.proxy_signals:
        caught.discard(signal.SIGWINCH)
    old = None
    try:
        old = signal.set_wakeup_fd(written, warn_on_full_buffer=False)
        for number in caught:
            try:
                before[number] = signal.signal(number, _nothing)
            except OSError:
                continue  # the C library keeps two for itself
        yield wakeup
    except ValueError:
        yield wakeup  # only the main thread hears signals; a library call may be in another
    finally:
        for number, handler in before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)
        if old is not None:
            signal.set_wakeup_fd(old)
        os.close(wakeup)
        os.close(written)


def _kept() -> tuple[int, ...]:
    """What is this process's own: its children, its stopping, its faults; and what none catches."""
    return (
        *(signal.SIGCHLD, signal.SIGPIPE, signal.SIGURG, signal.SIGKILL, signal.SIGSTOP),
        *(signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU, signal.SIGCONT),
        *(signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGTRAP),
        signal.SIGSYS,
        *(32, 33),  # the C library's
    )


def _nothing(number: int, frame: object) -> None:
    """A handler, so that the wake-up descriptor gets the number; SIG_IGN would be inherited."""


@contextmanager
def _raw(view: View) -> Iterator[None]:
    """Within it, their terminal hands on every key at once and echoes none."""
    if not view.terminal or view.stdin is None or not os.isatty(view.stdin):
        yield
        return
    import termios
    import tty

    before = termios.tcgetattr(view.stdin)
    tty.setraw(view.stdin, termios.TCSANOW)  # what was typed already is not thrown away
    try:
        yield
    finally:
        termios.tcsetattr(view.stdin, termios.TCSADRAIN, before)
