"""Numbers that are counted by key, in this process alone or by several together.

Shared memory has a slot for each process, which is the only one to write there, and all read all:
nobody waits for another, and what a process has counted stays when it is killed.

slot    used (8 bytes)   numbers, one double for each key   keys, a JSON array on each line
"""

from __future__ import annotations

import threading
from collections.abc import Mapping

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from typing import Protocol
else:
    Protocol = object

Key = tuple[str, ...]

_CELLS = 8192  # numbers of a slot: the labels that there are give some 3000 at most
_SLOT = 512 << 10  # bytes
_KEYS = 8 + 8 * _CELLS  # where they begin


class Tally(Protocol):
    """Numbers, each from zero on."""

    def add(self, key: Key, amount: float) -> None: ...

    def clear(self, key: Key) -> None:
        """Let what this process has counted of `key` be zero again."""

    def all(self) -> Mapping[Key, float]:
        """All numbers as they are now, of all processes together."""


class Own:
    """The numbers of one process. Safe for many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers: dict[Key, float] = {}

    def add(self, key: Key, amount: float) -> None:
        with self._lock:
            self._numbers[key] = self._numbers.get(key, 0) + amount

    def clear(self, key: Key) -> None:
        with self._lock:
            self._numbers.pop(key, None)

    def all(self) -> Mapping[Key, float]:
        with self._lock:
            return dict(self._numbers)


class Board:
    """Memory that processes share when they are forked after it was made."""

    def __init__(self, slots: int) -> None:
        import mmap

        self._slots = slots
        self._memory = memoryview(mmap.mmap(-1, slots * _SLOT))

    def slot(self, number: int) -> Slot:
        """The numbers of process `number`, of which there may be one at a time."""
        return Slot(self, number)

    def region(self, number: int) -> memoryview:
        return self._memory[number * _SLOT : (number + 1) * _SLOT]

    def all(self) -> Mapping[Key, float]:
        found: dict[Key, float] = {}
        for number in range(self._slots):
            region = self.region(number)
            numbers = region[8:_KEYS].cast("d")
            for key, value in zip(_keys(region), numbers, strict=False):
                found[key] = found.get(key, 0) + value
        return found


class Slot:
    """The numbers of one process of several. Safe for many threads."""

    def __init__(self, board: Board, number: int) -> None:
        self._board = board
        self._lock = threading.Lock()
        self._region = board.region(number)
        self._used = self._region[:8].cast("Q")
        self._numbers = self._region[8:_KEYS].cast("d")
        # Whoever had the slot before was killed, and its numbers go on.
        self._cells = {key: at for at, key in enumerate(_keys(self._region))}

    def add(self, key: Key, amount: float) -> None:
        with self._lock:
            cell = self._cell(key)
            if cell is not None:
                self._numbers[cell] += amount

    def clear(self, key: Key) -> None:
        with self._lock:
            cell = self._cell(key)
            if cell is not None:
                self._numbers[cell] = 0.0

    def all(self) -> Mapping[Key, float]:
        return self._board.all()

    def _cell(self, key: Key) -> int | None:
        """Where the number of `key` is; None if there is no room for one more."""
        found = self._cells.get(key)
        return found if found is not None else self._new(key)

    def _new(self, key: Key) -> int | None:
        import json

        line = json.dumps(key).encode() + b"\n"
        begin = _KEYS + self._used[0]
        cell = len(self._cells)
        if cell == _CELLS or begin + len(line) > _SLOT:
            return None
        self._region[begin : begin + len(line)] = line
        # Last, for from now on others read it.
        self._used[0] += len(line)
        self._cells[key] = cell
        return cell


def _keys(region: memoryview) -> list[Key]:
    import json

    (used,) = region[:8].cast("Q")
    lines = bytes(region[_KEYS : _KEYS + used]).splitlines()
    return [tuple(json.loads(line)) for line in lines]
