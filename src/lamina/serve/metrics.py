"""Counters and histograms in Prometheus' text form (prometheus.io, "Exposition formats")."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Callable, Sequence

Labels = tuple[str, ...]

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0)


class Counter:
    """Numbers that only grow, one for each set of label values."""

    def __init__(self, name: str, help: str, labels: Sequence[str] = ()) -> None:
        self._head = f"# HELP {name} {help}\n# TYPE {name} counter\n"
        self._name = name
        self._labels = tuple(labels)
        self._values: dict[Labels, float] = {}
        self._lock = threading.Lock()

    def add(self, amount: float = 1, *values: str) -> None:
        with self._lock:
            self._values[values] = self._values.get(values, 0) + amount

    def text(self) -> str:
        with self._lock:
            values = sorted(self._values.items())
        if not values and not self._labels:
            values = [((), 0)]
        return self._head + "".join(
            f"{self._name}{_braces(self._labels, labels)} {_number(value)}\n"
            for labels, value in values
        )


class Gauge:
    """A number that is looked up when it is asked for."""

    def __init__(self, name: str, help: str, value: Callable[[], float]) -> None:
        self._head = f"# HELP {name} {help}\n# TYPE {name} gauge\n"
        self._name = name
        self._value = value

    def text(self) -> str:
        return f"{self._head}{self._name} {_number(self._value())}\n"


class Histogram:
    """How often a number was at most so much, for each set of label values."""

    def __init__(
        self,
        name: str,
        help: str,
        labels: Sequence[str] = (),
        bounds: Sequence[float] = _SECONDS,
    ) -> None:
        self._head = f"# HELP {name} {help}\n# TYPE {name} histogram\n"
        self._name = name
        self._labels = tuple(labels)
        self._bounds = tuple(bounds)
        self._counts: dict[Labels, list[int]] = {}
        self._sums: dict[Labels, float] = {}
        self._lock = threading.Lock()

    def observe(self, value: float, *values: str) -> None:
        with self._lock:
            counts = self._counts.setdefault(values, [0] * (len(self._bounds) + 1))
            counts[bisect_left(self._bounds, value)] += 1
            self._sums[values] = self._sums.get(values, 0.0) + value

    def text(self) -> str:
        with self._lock:
            found = sorted((labels, list(counts)) for labels, counts in self._counts.items())
            sums = dict(self._sums)
        return self._head + "".join(
            self._lines(labels, counts, sums[labels]) for labels, counts in found
        )

    def _lines(self, labels: Labels, counts: list[int], total: float) -> str:
        lines, so_far = [], 0
        for bound, count in zip((*self._bounds, None), counts, strict=True):
            so_far += count
            le = "+Inf" if bound is None else _number(bound)
            braces = _braces((*self._labels, "le"), (*labels, le))
            lines.append(f"{self._name}_bucket{braces} {so_far}\n")
        braces = _braces(self._labels, labels)
        lines.append(f"{self._name}_sum{braces} {_number(total)}\n")
        lines.append(f"{self._name}_count{braces} {so_far}\n")
        return "".join(lines)


class Metrics:
    """All that the server counts."""

    def __init__(self) -> None:
        self.requests = Counter(
            "lamina_http_requests_total", "Requests answered.", ("endpoint", "method", "status")
        )
        self.seconds = Histogram(
            "lamina_http_request_seconds", "Time until an answer was sent.", ("endpoint", "method")
        )
        self.received = Counter("lamina_http_received_bytes_total", "Bytes of bodies received.")
        self.sent = Counter("lamina_http_sent_bytes_total", "Bytes of bodies sent.")
        self.events = Counter(
            "lamina_events_total", "Events by what became of them.", ("endpoint", "outcome")
        )
        self.collected = Counter("lamina_gc_freed_bytes_total", "Bytes that gc has freed.")
        self.under_way = 0
        self._gauge = Gauge(
            "lamina_http_requests_in_flight", "Requests under way.", lambda: self.under_way
        )

    def text(self) -> str:
        """Everything, as it is now."""
        parts = (
            self.requests,
            self.seconds,
            self.received,
            self.sent,
            self.events,
            self.collected,
            self._gauge,
        )
        return "".join(part.text() for part in parts)


def _braces(names: Labels, values: Labels) -> str:
    if not names:
        return ""
    inner = ",".join(
        f'{name}="{_escaped(value)}"' for name, value in zip(names, values, strict=True)
    )
    return f"{{{inner}}}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(float(value))
