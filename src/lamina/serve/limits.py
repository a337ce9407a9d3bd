"""How much a client may send, and how often it may ask."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable

from lamina.oci.document import MANIFEST_LIMIT
from lamina.serve.errors import TooMany
from lamina.values import dataclass

_CLIENTS = 100_000  # remembered at most


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes in bytes, times in seconds; a rate of zero is none."""

    blob: int = 1 << 40
    manifest: int = MANIFEST_LIMIT
    request: int = 1 << 40  # the body of one request
    patience: float = 60.0  # that the next piece of a body may take
    rate: float = 0.0  # requests a second, for each client
    burst: int = 100  # requests at once


class Rates:
    """A bucket of requests for each client, which fills at a steady rate."""

    def __init__(
        self, rate: float, burst: int, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # left, since

    def take(self, client: str) -> None:
        """Take one request out of the client's bucket; TooMany if it is empty."""
        if not self._rate:
            return
        now = self._clock()
        left, since = self._buckets.pop(client, (float(self._burst), now))
        left = min(self._burst, left + (now - since) * self._rate)
        enough = left >= 1
        self._buckets[client] = (left - 1 if enough else left, now)
        while len(self._buckets) > _CLIENTS:
            self._buckets.popitem(last=False)
        if not enough:
            raise TooMany(max(1, math.ceil((1 - left) / self._rate)))
