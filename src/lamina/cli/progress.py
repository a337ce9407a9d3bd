"""How a build is shown: plain lines, a live tree on a terminal, raw JSON, or nothing.

All are readers of the same events. Everything goes to stderr, for stdout is for the result.
"""

from __future__ import annotations

import sys

from lamina.build.events import Event, Finished, Missed, Note, Output, Started
from lamina.errors import Invalid

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Protocol
else:
    Protocol = object


class Progress(Protocol):
    """A reader of a build's events; `close` ends the picture."""

    def listen(self, event: Event) -> None: ...

    def close(self) -> None: ...


class Stream(Protocol):
    """Where a picture is drawn: standard error, or somebody before it."""

    def write(self, text: str, /) -> int: ...
    def flush(self) -> None: ...
    def isatty(self) -> bool: ...
    def fileno(self) -> int: ...


def choose(name: str, environment: Mapping[str, str], out: Stream | None = None) -> Progress:
    """The reader called `name`: auto, plain, tty, rawjson, quiet or none."""
    out = out or sys.stderr
    if name == "auto":
        name = "tty" if out.isatty() and environment.get("TERM") != "dumb" else "plain"
    match name:
        case "plain":
            return Plain(out)
        case "tty":
            from lamina.cli.live import Live

            if not out.isatty():
                raise Invalid(
                    "--progress=tty needs a terminal on stderr", hint="use --progress=plain"
                )
            lines = environment.get("BUILDKIT_TTY_LOG_LINES", "6")
            return Live(
                out,
                log_lines=int(lines) if lines.isdigit() else 6,
                color="NO_COLOR" not in environment,
            )
        case "rawjson":
            return RawJson(out)
        case "quiet" | "none":
            return Quiet()
    raise Invalid(f'progress "{name}" is not known', hint="use auto, plain, tty, rawjson or quiet")


class Quiet:
    """Shows nothing."""

    def listen(self, event: Event) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


class Plain:
    """One line for each thing that happens, as `docker build --progress=plain` prints them.

    #5 [2/3] RUN make
    #5 not cached: src/main.c changed
    #5 0.512 gcc -c main.c
    #5 DONE 1.2s
    """

    def __init__(self, out: Stream) -> None:
        self.out = out
        self.numbers: dict[str, int] = {}
        self.began: dict[str, float] = {}
        self.reasons: dict[str, str] = {}
        self.partial: dict[tuple[str, str], bytes] = {}
        self.last: int | None = None

    def listen(self, event: Event) -> None:
        match event:
            case Started():
                self._start(event)
            case Missed():
                self.reasons[event.vertex] = event.reason
            case Output():
                self._output(event)
            case Note():
                number = self.numbers.get(event.vertex or "")
                self._print(number, f"note: {event.text}")
            case Finished():
                self._finish(event)

    def _start(self, event: Started) -> None:
        number = self.numbers.setdefault(event.vertex, len(self.numbers) + 1)
        self.began[event.vertex] = event.time
        self._print(number, event.label)
        reason = self.reasons.pop(event.vertex, None)
        if reason is not None:
            self._print(number, f"not cached: {reason}")

    def _output(self, event: Output) -> None:
        key = (event.vertex, event.stream)
        *lines, rest = (self.partial.get(key, b"") + event.data).split(b"\n")
        self.partial[key] = rest
        for line in lines:
            self._line(event.vertex, line, event.time)

    def _line(self, vertex: str, line: bytes, time: float) -> None:
        elapsed = time - self.began.get(vertex, time)
        text = line.rstrip(b"\r").decode("utf-8", "replace")
        self._print(self.numbers.get(vertex), f"{elapsed:.3f} {text}")

    def _finish(self, event: Finished) -> None:
        number = self.numbers.get(event.vertex)
        for key in [key for key in self.partial if key[0] == event.vertex]:
            if line := self.partial.pop(key):
                self._line(event.vertex, line, event.time)
        if event.cached:
            self._print(number, "CACHED")
        elif event.error is not None:
            word = "CANCELED" if event.error == "canceled" else f"ERROR: {event.error}"
            self._print(number, word)
        else:
            seconds = event.time - self.began.get(event.vertex, event.time)
            detail = f" ({event.detail})" if event.detail else ""
            self._print(number, f"DONE {seconds:.1f}s{detail}")

    def _print(self, number: int | None, text: str) -> None:
        """A line; an empty one before it where another vertex begins to speak."""
        if self.last is not None and number != self.last:
            self.out.write("\n")
        self.last = number
        prefix = f"#{number} " if number is not None else ""
        self.out.write(f"{prefix}{text}\n")
        self.out.flush()

    def close(self) -> None:
        """End with an empty line, as what follows is another matter."""
        if self.last is not None:
            self.out.write("\n")


class RawJson:
    """One JSON object a line, shaped as BuildKit's SolveStatus."""

    def __init__(self, out: Stream) -> None:
        self.out = out
        self.started: dict[str, Started] = {}

    def listen(self, event: Event) -> None:
        import base64

        match event:
            case Started():
                self.started[event.vertex] = event
                self._print({"vertexes": [self._vertex(event)]})
            case Output():
                log = {
                    "vertex": self._digest(event.vertex),
                    "stream": 1 if event.stream == "stdout" else 2,
                    "data": base64.b64encode(event.data).decode(),
                    "timestamp": _time(event.time),
                }
                self._print({"logs": [log]})
            case Missed() | Note():
                text = event.reason if isinstance(event, Missed) else event.text
                short = base64.b64encode(text.encode("utf-8", "surrogateescape")).decode()
                vertex = self._digest(event.vertex or "")
                self._print({"warnings": [{"vertex": vertex, "level": 1, "short": short}]})
            case Finished():
                done = self._vertex(self.started.get(event.vertex), event)
                self._print({"vertexes": [done]})

    def _digest(self, vertex: str) -> str:
        from lamina.oci.digest import Digest

        started = self.started.get(vertex)
        label = started.label if started is not None else ""
        return Digest.of(f"{vertex}\n{label}".encode("utf-8", "surrogateescape"))

    def _vertex(self, started: Started | None, finished: Finished | None = None) -> object:
        vertex: dict[str, object] = {}
        if started is not None:
            vertex["digest"] = self._digest(started.vertex)
            vertex["name"] = started.label
            vertex["started"] = _time(started.time)
        if finished is not None:
            vertex["completed"] = _time(finished.time)
            if finished.cached:
                vertex["cached"] = True
            if finished.error is not None:
                vertex["error"] = finished.error
        return vertex

    def _print(self, document: object) -> None:
        import json

        self.out.write(json.dumps(document) + "\n")
        self.out.flush()

    def close(self) -> None:
        """Nothing is open."""


def _time(seconds: float) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
