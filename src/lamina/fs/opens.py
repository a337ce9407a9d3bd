"""Which files of one file system are opened, by whomever, as fanotify(7) tells."""

from __future__ import annotations

import os
import select
import struct
import threading
from collections.abc import Callable

from lamina.fs import syscalls

_EVENT = struct.Struct("=IBBHQii")  # fanotify(7), struct fanotify_event_metadata
_BUFFER = 64 << 10


class Opens:
    """Hears of every file that is opened on the file system of a directory, until it is closed.

    Needs CAP_SYS_ADMIN and Linux 4.20; OSError where the kernel refuses. Directories are not told.
    """

    def __init__(self, directory: str, hear: Callable[[str], None]) -> None:
        """`hear` gets each path, from the root of its mount on, in a thread of its own."""
        flags = syscalls.FAN_CLOEXEC | syscalls.FAN_NONBLOCK | syscalls.FAN_UNLIMITED_QUEUE
        self._hear = hear
        self._fd = syscalls.fanotify_init(flags, os.O_RDONLY | os.O_CLOEXEC)
        try:
            mark = syscalls.FAN_MARK_ADD | syscalls.FAN_MARK_FILESYSTEM
            syscalls.fanotify_mark(self._fd, mark, syscalls.FAN_OPEN, directory)
        except OSError:
            os.close(self._fd)
            raise
        self._ended, self._end = os.pipe()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop, when what happened until now has been heard."""
        os.close(self._end)
        self._thread.join()
        os.close(self._ended)
        os.close(self._fd)

    def _listen(self) -> None:
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        poll.register(self._ended, select.POLLIN)
        is_ended = False
        while not is_ended:
            is_ended = any(fd == self._ended for fd, _ in poll.poll())
            while self._take():
                pass

    def _take(self) -> bool:
        """Hear what waits; whether there was anything."""
        try:
            data = os.read(self._fd, _BUFFER)
        except BlockingIOError:
            return False
        at = 0
        while at + _EVENT.size <= len(data):
            length, _, _, _, _, fd, _ = _EVENT.unpack_from(data, at)
            at += length
            if fd < 0:
                continue
            try:
                self._hear(os.readlink(f"/proc/self/fd/{fd}"))
            finally:
                os.close(fd)
        return True
