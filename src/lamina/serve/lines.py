"""A log as lines of JSON."""

from __future__ import annotations

import os
import time
from json import JSONEncoder

from lamina.serve.http.waits import here

_TOGETHER = 4096  # bytes that nobody writes into the middle of (pipe(7), "PIPE_BUF")


class Lines:
    """Writes to a descriptor, each line with the time. Safe for many threads.

    What is told in one turn of the event loop is written together at the end of that.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._encode = JSONEncoder().encode
        self._waiting: list[bytes] = []  # of the event loop only
        self._second = 0
        self._stamp = ""  # of that second

    def __call__(self, line: dict[str, object]) -> None:
        now = time.time()
        second = int(now)
        if second != self._second:
            stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
            self._second, self._stamp = second, stamp
        else:
            stamp = self._stamp
        text = self._encode({"time": f"{stamp}.{int((now - second) * 1000):03}Z", **line})
        data = text.encode() + b"\n"
        loop = getattr(here, "loop", None)
        if loop is None:
            self._write(data)
            return
        if not self._waiting:
            loop.call_soon(self._write_waiting)
        self._waiting.append(data)

    def _write_waiting(self) -> None:
        together: list[bytes] = []
        size = 0
        for line in self._waiting:
            if size + len(line) > _TOGETHER:
                self._write(b"".join(together))
                together, size = [], 0
            together.append(line)
            size += len(line)
        self._waiting.clear()
        self._write(b"".join(together))

    def _write(self, data: bytes) -> None:
        try:
            os.write(self._fd, data)
        except OSError:
            pass  # nobody reads the log any more, and serving goes on
