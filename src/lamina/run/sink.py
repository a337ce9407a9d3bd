"""A descriptor of somebody else's that is written without ever blocking."""

from __future__ import annotations

import _socket as socket  # see `control`
import os
import stat

_SURE = 4096  # bytes that a pipe takes at once when it polls as writable (pipe(7), PIPE_BUF)


class Sink:
    """Holds what could not be written yet. Owns its descriptor.

    The flag O_NONBLOCK belongs to the open file, which other processes share: a pipe or a
    terminal is opened once more for a flag of its own, and a socket has a flag for each write.
    """

    __slots__ = ("_ending", "_pending", "_polite", "_socket", "closed", "fd")

    def __init__(self, fd: int, *, own: bool = False) -> None:
        """`own`: the open file is nobody else's, and its flags may be changed."""
        self._pending = b""
        self._socket: socket.socket | None = None
        self._polite = True
        self._ending = False
        self.closed = False
        self.fd = fd
        if own:
            os.set_blocking(fd, False)
            return
        mode = os.fstat(fd).st_mode
        if stat.S_ISSOCK(mode):
            self._socket = socket.socket(fileno=fd)
        elif stat.S_ISFIFO(mode) or stat.S_ISCHR(mode):
            self._reopen()

    def _reopen(self) -> None:
        flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
        try:
            fresh = os.open(f"/proc/self/fd/{self.fd}", flags)
        except OSError:
            self._polite = False
            return
        os.close(self.fd)
        self.fd = fresh

    @property
    def is_full(self) -> bool:
        """Whether something waits to be written."""
        return bool(self._pending)

    def write(self, data: bytes) -> None:
        """Take all of `data`, and write what can be written now; a closed sink swallows it."""
        if self.closed:
            return
        self._pending += data
        self.flush()

    def flush(self) -> None:
        """Write what can be written now; a reader who left closes the sink."""
        while self._pending and not self.closed:
            try:
                if self._socket is not None:
                    written = self._socket.send(
                        self._pending, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL
                    )
                elif self._polite:
                    written = os.write(self.fd, self._pending)
                elif not _is_writable(self.fd):
                    return
                else:
                    written = os.write(self.fd, self._pending[:_SURE])
            except BlockingIOError:
                return
            except OSError:
                self.close()
                return
            self._pending = self._pending[written:]
        if self._ending:
            self.close()

    def close_when_written(self) -> None:
        """Close once what waits is written, which may be now."""
        self._ending = True
        self.flush()

    def close(self) -> None:
        """Close the descriptor and forget what waits; fine to do twice."""
        if not self.closed:
            self.closed = True
            self._pending = b""
            if self._socket is not None:
                self._socket.close()
            else:
                os.close(self.fd)


def _is_writable(fd: int) -> bool:
    import select

    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    return bool(poll.poll(0))
