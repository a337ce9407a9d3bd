"""Telling others what was pushed, pulled and deleted, in Docker's notification envelope.

Nothing waits for it: a full queue drops the newest event, and a listener that does not answer is
asked again a few times, each time later.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from functools import cache

from lamina.values import dataclass, field

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    import queue
    from typing import Any

MEDIA_TYPE = "application/vnd.docker.distribution.events.v2+json"
_BATCH = 100  # events of one envelope
_LONGEST_PAUSE = 60.0  # seconds between two tries


@dataclass(frozen=True, slots=True)
class Listener:
    """Who wants to hear."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)  # secret
    actions: frozenset[str] = frozenset()  # empty: all
    timeout: float = 5.0  # seconds
    tries: int = 5
    queue: int = 10_000  # events that wait at most


def event(
    action: str,
    *,
    target: Mapping[str, object],
    request: Mapping[str, object],
    actor: str | None,
    source: str,
) -> dict[str, object]:
    """One event of the envelope."""
    import uuid
    from datetime import UTC, datetime

    return {
        "id": str(uuid.uuid4()),
        "timestamp": datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "action": action,
        "target": dict(target),
        "request": dict(request),
        "actor": {"name": actor} if actor else {},
        "source": {"addr": source, "instanceID": _instance()},
    }


@cache
def _instance() -> str:
    import uuid

    return str(uuid.uuid4())


class Webhook:
    """Brings events to one listener, from a thread of its own."""

    def __init__(
        self, listener: Listener, *, count: Callable[[str, str], None] = lambda url, outcome: None
    ) -> None:
        import queue

        self.listener = listener
        self._count = count
        self._full, self._empty = queue.Full, queue.Empty
        self._queue: queue.Queue[dict[str, object] | None] = queue.Queue(listener.queue)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="webhook", daemon=True)
        self._thread.start()

    def put(self, found: dict[str, object]) -> None:
        """Bring `found` some time; never waits."""
        if self.listener.actions and found["action"] not in self.listener.actions:
            return
        try:
            self._queue.put_nowait(found)
        except self._full:
            self._count(self.listener.url, "dropped")

    def close(self, timeout: float = 5.0) -> None:
        """Bring what waits, but no longer than `timeout` seconds."""
        try:
            self._queue.put(None, timeout=timeout)
        except self._full:
            pass
        self._thread.join(timeout)
        self._stopped.set()

    def _run(self) -> None:
        import urllib3

        pool = urllib3.PoolManager(num_pools=1, maxsize=1, retries=False)
        ended = False
        while not ended:
            batch = [self._queue.get()]
            while len(batch) < _BATCH:
                try:
                    batch.append(self._queue.get_nowait())
                except self._empty:
                    break
            ended = None in batch
            found = [each for each in batch if each is not None]
            if found:
                outcome = "delivered" if self._deliver(pool, found) else "failed"
                for _ in found:
                    self._count(self.listener.url, outcome)
        pool.clear()

    def _deliver(self, pool: Any, found: list[dict[str, object]]) -> bool:
        """Whether the listener has taken them, at last."""
        from urllib3.exceptions import HTTPError

        body = json.dumps({"events": found}).encode()
        headers = {"Content-Type": MEDIA_TYPE, **self.listener.headers}
        pause = 0.5
        for number in range(self.listener.tries):
            if number and self._stopped.wait(pause):
                return False
            pause = min(pause * 2, _LONGEST_PAUSE)
            try:
                answer = pool.request(
                    "POST",
                    self.listener.url,
                    body=body,
                    headers=headers,
                    timeout=self.listener.timeout,
                    redirect=False,
                )
            except (HTTPError, OSError):
                continue
            if 200 <= answer.status < 400:
                return True
        return False
