"""Moves a container's input and output between it, its log, and whoever is attached.

One thread and one poll loop: a viewer who does not read stops the container's output, as a full
pipe would, and nobody else's conversation with the watcher.
"""

from __future__ import annotations

import os
import select
from collections.abc import Callable

from lamina.run import control
from lamina.run.control import Conversation
from lamina.run.logs import LogWriter
from lamina.run.sink import Sink
from lamina.values import dataclass, field

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from typing import Any

_CHUNK = 64 * 1024
_GONE = select.POLLHUP | select.POLLERR | select.POLLNVAL


@dataclass(slots=True)
class Ends:
    """The watcher's ends of a container's streams."""

    stdin: int | None = None  # to write; the terminal too
    stdout: int | None = None  # to read; the terminal's only one
    stderr: int | None = None
    is_terminal: bool = False


@dataclass(slots=True, eq=False)
class Viewer:
    """Somebody in conversation with the watcher, attached or only waiting."""

    conversation: Conversation
    stdin: int | None = None  # a pipe that carries what they type
    sinks: dict[str, Sink] = field(default_factory=dict)  # by stream
    input_ended: bool = False

    def close(self) -> None:
        self.conversation.close()
        if self.stdin is not None:
            os.close(self.stdin)
            self.stdin = None
        for sink in self.sinks.values():
            sink.close()


class Pump:
    """Runs until the process has ended and its output is read; `tell` then says so to viewers."""

    def __init__(self, *, log: LogWriter | None, stdin_once: bool) -> None:
        """`stdin_once`: the container's input ends with its first viewer's. Owns the log."""
        self.size: tuple[int, int] | None = None  # rows and columns of the first viewer's terminal
        self._ends = Ends()
        self._listener: Conversation | None = None
        self._log = log
        self._signal: Callable[[int], None] = lambda number: None
        self._stdin_once = stdin_once
        self._viewers: list[Viewer] = []
        self._input: Sink | None = None

    def begin(
        self, ends: Ends, *, listener: Conversation | None, signal: Callable[[int], None]
    ) -> None:
        """Take the streams of a process that runs now, and the listener, and own them.

        `signal` sends one to the process.
        """
        self._ends, self._listener, self._signal = ends, listener, signal
        if ends.stdin is not None:
            self._input = Sink(ends.stdin, own=True)
            ends.stdin = None
        for fd in (ends.stdout, ends.stderr):
            if fd is not None:
                os.set_blocking(fd, False)
        if self.size is not None:
            self.resize(*self.size)
        if any(viewer.input_ended for viewer in self._viewers):
            self._end_of_input()

    def admit(self, conversation: Conversation) -> Viewer:
        """One more viewer, who may have packets waiting already; the pump closes it."""
        viewer = Viewer(conversation)
        self._viewers.append(viewer)
        return viewer

    def hear(self, viewer: Viewer) -> None:
        """Take one packet of a viewer; at its end the viewer is let go."""
        try:
            heard = control.receive(viewer.conversation)
        except ValueError:
            heard = None  # not our language
        if heard is None:
            self._dismiss(viewer)
            return
        packet, fds = heard
        match packet.get("do"):
            case "attach":
                self._attach(viewer, packet.get("streams", ()), fds)
                if packet.get("size"):
                    self.size = (int(packet["size"][0]), int(packet["size"][1]))
            case "resize":
                self.resize(int(packet.get("rows", 0)), int(packet.get("columns", 0)))
            case "signal":
                self._signal(int(packet["number"]))

    def _attach(self, viewer: Viewer, streams: list[str], fds: list[int]) -> None:
        for stream, fd in zip(streams, fds, strict=False):
            if stream == "stdin":
                viewer.stdin = fd
            else:
                viewer.sinks[stream] = Sink(fd)

    def resize(self, rows: int, columns: int) -> None:
        """Tell the terminal its size; the kernel sends SIGWINCH to those who use it."""
        if self._ends.is_terminal and self._ends.stdout is not None and rows and columns:
            import termios

            try:
                termios.tcsetwinsize(self._ends.stdout, (rows, columns))
            except OSError:
                pass  # the last process that had it open has ended

    def _dismiss(self, viewer: Viewer) -> None:
        if viewer in self._viewers:
            self._viewers.remove(viewer)
        had_stdin = viewer.stdin is not None
        viewer.close()
        if had_stdin:
            self._end_of_input()

    def _end_of_input(self) -> None:
        if self._stdin_once and not self._ends.is_terminal and self._input is not None:
            self._input.close_when_written()

    def run(self, pidfd: int) -> None:
        """Until `pidfd` says that the process ended; then what it left in its pipes is read too."""
        while True:
            ready = self._wait(pidfd)
            for fd, events in ready.items():
                self._serve(fd, events)
            if pidfd in ready:
                break
        while self._flush_out():
            for fd, events in self._wait(None).items():
                self._serve(fd, events)

    def _flush_out(self) -> bool:
        """Read what the ended process left; whether viewers have yet to take some of it."""
        while not self._is_blocked():
            if not any([self._read("stdout"), self._read("stderr")]):
                break
        return self._is_blocked()

    def _is_blocked(self) -> bool:
        return any(sink.is_full for viewer in self._viewers for sink in viewer.sinks.values())

    def _wait(self, pidfd: int | None) -> dict[int, int]:
        poll = select.poll()
        if pidfd is not None:
            poll.register(pidfd, select.POLLIN)
            if not self._is_blocked():
                for fd in (self._ends.stdout, self._ends.stderr):
                    if fd is not None:
                        poll.register(fd, select.POLLIN)
        if self._listener is not None:
            poll.register(self._listener, select.POLLIN)
        if self._input is not None and not self._input.closed and self._input.is_full:
            poll.register(self._input.fd, select.POLLOUT)
        for viewer in self._viewers:
            poll.register(viewer.conversation, select.POLLIN)
            if viewer.stdin is not None and not (self._input and self._input.is_full):
                poll.register(viewer.stdin, select.POLLIN)
            for sink in viewer.sinks.values():
                if sink.is_full:
                    poll.register(sink.fd, select.POLLOUT)
        return dict(poll.poll())

    def _serve(self, fd: int, events: int) -> None:
        if fd == self._ends.stdout:
            self._read("stdout")
        elif fd == self._ends.stderr:
            self._read("stderr")
        elif self._listener is not None and fd == self._listener.fileno():
            self.admit(self._listener.accept())
        elif self._input is not None and not self._input.closed and fd == self._input.fd:
            self._input.flush()
        else:
            self._serve_viewer(fd)

    def _serve_viewer(self, fd: int) -> None:
        for viewer in list(self._viewers):
            if fd == viewer.conversation.fileno():
                self.hear(viewer)
                return
            if fd == viewer.stdin:
                self._read_input(viewer)
                return
            for sink in viewer.sinks.values():
                if not sink.closed and fd == sink.fd:
                    sink.flush()
                    return

    def _read_input(self, viewer: Viewer) -> None:
        assert viewer.stdin is not None
        try:
            data = os.read(viewer.stdin, _CHUNK)
        except OSError:
            data = b""
        if data:
            if self._input is not None:
                self._input.write(data)
            return
        os.close(viewer.stdin)
        viewer.stdin = None
        viewer.input_ended = True
        self._end_of_input()

    def _read(self, stream: str) -> bool:
        """Read one piece of a stream; whether there was one."""
        fd: int | None = getattr(self._ends, stream)
        if fd is None:
            return False
        try:
            data = os.read(fd, _CHUNK)
        except BlockingIOError:
            return False
        except OSError:
            data = b""  # EIO is a terminal's way to say that nobody has it open
        if not data:
            self._forget(stream, fd)
            return False
        if self._log is not None:
            self._log.write(stream, data)
        for viewer in self._viewers:
            if stream in viewer.sinks:
                viewer.sinks[stream].write(data)
        return True

    def _forget(self, stream: str, fd: int) -> None:
        os.close(fd)
        setattr(self._ends, stream, None)

    def close(self) -> None:
        """Close the streams and the log; viewers stay, to be told."""
        for stream in ("stdout", "stderr"):
            fd = getattr(self._ends, stream)
            if fd is not None:
                self._forget(stream, fd)
        if self._input is not None:
            self._input.close()
        if self._log is not None:
            self._log.close()
            self._log = None

    def tell(self, packet: dict[str, Any]) -> None:
        """Send every viewer a packet, those who have only just come too."""
        self._admit_late()
        for viewer in self._viewers:
            control.send(viewer.conversation, packet)

    def _admit_late(self) -> None:
        if self._listener is None:
            return
        self._listener.setblocking(False)
        while True:
            try:
                self.admit(self._listener.accept())
            except OSError:
                break
        self._listener.setblocking(True)

    def let_go(self) -> None:
        """End every conversation; whoever came too late to hear finds the socket gone."""
        for viewer in self._viewers:
            viewer.close()
        self._viewers.clear()
        if self._listener is not None:
            self._listener.close()
