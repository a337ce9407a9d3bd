"""What is written down of each request: numbers for the metrics, a line for the log."""

from __future__ import annotations

from collections.abc import Callable

from lamina.serve.answer import Answer
from lamina.serve.metrics import Metrics
from lamina.serve.request import NOBODY, Request

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})


class Ledger:
    """Counts requests in `metrics`, and gives `log` a line for each."""

    def __init__(
        self, metrics: Metrics, log: Callable[[dict[str, object]], None] | None = None
    ) -> None:
        self.metrics = metrics
        self._log = log

    def account(
        self, request: Request, answer: Answer | None, failure: str | None, seconds: float
    ) -> None:
        """Count a request that has ended, and write its line."""
        status = answer.status if answer is not None else 499
        endpoint = request.endpoint
        kind = endpoint.kind if endpoint is not None else "other"
        method = request.method if request.method in _METHODS else "other"
        sent = answer.sent if answer is not None else 0
        self.metrics.requests.add(1, kind, method, str(status))
        self.metrics.seconds.observe(seconds, kind, method)
        if request.received:
            self.metrics.received.add(request.received)
        if sent:
            self.metrics.sent.add(sent)
        if self._log is None:
            return
        line: dict[str, object] = {
            "client": request.client,
            "method": request.method[:20],
            "path": (request.scope.get("raw_path") or b"").decode("latin-1")[:1000],
            "status": status,
            "seconds": round(seconds, 6),
            "received": request.received,
            "sent": sent,
            "id": request.id,
        }
        if request.caller is not NOBODY:
            line["user"] = request.caller.user
        agent = request.header("user-agent")
        if agent is not None:
            line["agent"] = agent[:200]
        if failure is not None:
            line["error"] = failure[:1000]
        self._log(line)
