"""What took long to find out, kept for the next page of the same; within bounds of memory."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")

KEPT = 8
WEIGHT = 400_000  # rows of all that is kept


class Memo(Generic[T]):
    """The latest. Safe for many threads; one thing is made at a time, so memory has a bound."""

    def __init__(self, *, kept: int = KEPT, weight: int = WEIGHT) -> None:
        self._count = kept
        self._limit = weight
        self._held: OrderedDict[Hashable, tuple[T, int]] = OrderedDict()
        self._lock = threading.Lock()
        self._making = threading.Lock()

    def of(self, key: Hashable, make: Callable[[], T], weigh: Callable[[T], int]) -> T:
        """What goes by `key`, made now if it is not kept; what is too heavy is not kept."""
        known = self._known(key)
        if known is not None:
            return known[0]
        with self._making:
            known = self._known(key)  # made by somebody while we waited
            if known is not None:
                return known[0]
            made = make()
            self._hold(key, made, weigh(made))
            return made

    def _known(self, key: Hashable) -> tuple[T, int] | None:
        with self._lock:
            found = self._held.get(key)
            if found is not None:
                self._held.move_to_end(key)
            return found

    def _hold(self, key: Hashable, made: T, weight: int) -> None:
        if weight > self._limit:
            return
        with self._lock:
            self._held[key] = (made, weight)
            total = sum(one for _, one in self._held.values())
            while len(self._held) > self._count or total > self._limit:
                total -= self._held.popitem(last=False)[1][1]
