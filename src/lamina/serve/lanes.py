"""Which large files are read here, and which by the server's core.

Read here, a MiB at a time, a file arrives a third sooner than by `pathsend`; but each client that
is slower than the disk holds some ten MiB then, so only a few at once are sent so.
"""

from __future__ import annotations

from collections.abc import Callable

LANES = 4
LARGE = 8 << 20  # bytes; below, the start counts for more


class Lanes:
    """Places for files that are read here. All calls come from one thread."""

    def __init__(self, free: int = LANES, idle: Callable[[], None] = lambda: None) -> None:
        """`idle` is called when the last place has been left."""
        self.free = self._all = free
        self._idle = idle

    def enter(self, size: int) -> bool:
        """Take a place for a file of `size` bytes, to be left later, if there is one for it."""
        if size < LARGE or not self.free:
            return False
        self.free -= 1
        return True

    def leave(self) -> None:
        self.free += 1
        if self.free == self._all:
            self._idle()
