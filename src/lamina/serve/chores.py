"""What the server does by itself, beside serving: gc, every so often."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from lamina.errors import Error
from lamina.registry import Registry
from lamina.registry.gc import Report, collect

Log = Callable[[dict[str, object]], None]


class Chores:
    """Runs gc from a thread of its own; a context manager."""

    def __init__(
        self,
        registry: Registry,
        *,
        interval: float,
        upload_expiry: float,
        delete_untagged: bool = False,
        log: Log = lambda line: None,
        freed: Callable[[int], None] = lambda size: None,
    ) -> None:
        self._registry = registry
        self._interval = interval
        self._upload_expiry = int(upload_expiry * 1e9)
        self._delete_untagged = delete_untagged
        self._log = log
        self._freed = freed
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="gc", daemon=True)

    def once(self) -> Report | None:
        """Run gc now; None if it has failed, which the log tells."""
        began = time.monotonic()
        try:
            report = collect(
                self._registry,
                delete_untagged=self._delete_untagged,
                upload_expiry=self._upload_expiry,
            )
        except (Error, OSError) as error:
            self._log({"event": "gc", "error": str(error)})
            return None
        self._freed(report.bytes)
        self._log(
            {
                "event": "gc",
                "freed": report.bytes,
                "blobs": len(report.blobs),
                "manifests": sum(len(found) for found in report.manifests.values()),
                "seconds": round(time.monotonic() - began, 3),
            }
        )
        return report

    def __enter__(self) -> Chores:
        if self._interval:
            self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stopped.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(self._interval):
            self.once()
        self._registry.close()
