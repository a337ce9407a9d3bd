"""Counters and histograms in Prometheus' text form (prometheus.io, "Exposition formats")."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from lamina.serve.tally import Own, Tally

Labels = tuple[str, ...]

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0)


class Counter:
    """Numbers that only grow, one for each set of label values."""

    def __init__(
        self, name: str, help: str, labels: Sequence[str] = (), *, tally: Tally | None = None
    ) -> None:
        self._head = f"# HELP {name} {help}\n# TYPE {name} counter\n"
        self._name = name
        self._labels = tuple(labels)
        self._tally = tally or Own()

    def add(self, amount: float = 1, *values: str) -> None:
        self._tally.add((self._name, *values), amount)

    def text(self) -> str:
        found = self._tally.all().items()
        values = sorted((key[1:], value) for key, value in found if key[0] == self._name)
        if not values and not self._labels:
            values = [((), 0)]
        return self._head + "".join(
            f"{self._name}{_braces(self._labels, labels)} {_number(value)}\n"
            for labels, value in values
        )


class Gauge:
    """A number that goes up and down."""

    def __init__(self, name: str, help: str, *, tally: Tally | None = None) -> None:
        self._head = f"# HELP {name} {help}\n# TYPE {name} gauge\n"
        self._name = name
        self._key = (name,)
        self._tally = tally or Own()
        self._tally.clear(self._key)

    def add(self, amount: float) -> None:
        self._tally.add(self._key, amount)

    def text(self) -> str:
        return f"{self._head}{self._name} {_number(self._tally.all().get(self._key, 0))}\n"


class Histogram:
    """How often a number was at most so much, for each set of label values."""

    def __init__(
        self,
        name: str,
        help: str,
        labels: Sequence[str] = (),
        bounds: Sequence[float] = _SECONDS,
        *,
        tally: Tally | None = None,
    ) -> None:
        self._head = f"# HELP {name} {help}\n# TYPE {name} histogram\n"
        self._name = name
        self._labels = tuple(labels)
        self._bounds = tuple(bounds)
        self._steps = tuple(str(at) for at in range(len(bounds) + 1))
        self._tally = tally or Own()

    def observe(self, value: float, *values: str) -> None:
        step = self._steps[bisect_left(self._bounds, value)]
        self._tally.add((self._name, step, *values), 1)
        self._tally.add((self._name, "sum", *values), value)

    def text(self) -> str:
        found = self._tally.all()
        sums = {key[2:]: value for key, value in found.items() if key[:2] == (self._name, "sum")}
        return self._head + "".join(
            self._lines(
                labels,
                [int(found.get((self._name, step, *labels), 0)) for step in self._steps],
                sums[labels],
            )
            for labels in sorted(sums)
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
    """All that the server counts; with a `tally` of several processes, what all of them do."""

    def __init__(self, tally: Tally | None = None) -> None:
        tally = tally or Own()
        self.requests = Counter(
            "lamina_http_requests_total",
            "Requests answered.",
            ("endpoint", "method", "status"),
            tally=tally,
        )
        self.seconds = Histogram(
            "lamina_http_request_seconds",
            "Time until an answer was sent.",
            ("endpoint", "method"),
            tally=tally,
        )
        self.received = Counter(
            "lamina_http_received_bytes_total", "Bytes of bodies received.", tally=tally
        )
        self.sent = Counter("lamina_http_sent_bytes_total", "Bytes of bodies sent.", tally=tally)
        self.events = Counter(
            "lamina_events_total",
            "Events by what became of them.",
            ("endpoint", "outcome"),
            tally=tally,
        )
        self.collected = Counter(
            "lamina_gc_freed_bytes_total", "Bytes that gc has freed.", tally=tally
        )
        self.under_way = Gauge("lamina_http_requests_in_flight", "Requests under way.", tally=tally)

    def text(self) -> str:
        """Everything, as it is now."""
        parts = (
            self.requests,
            self.seconds,
            self.received,
            self.sent,
            self.events,
            self.collected,
            self.under_way,
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
