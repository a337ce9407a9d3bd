"""How transfers are shown: bars on a terminal, lines elsewhere, raw JSON, or nothing.

All are readers of the same events, which come from many threads. They go to stderr, for stdout is
for the result.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Protocol, TextIO

from lamina.cli.units import human_size
from lamina.errors import Invalid
from lamina.oci import media_type as types
from lamina.transfer.copy import Event, Outcome
from lamina.values import dataclass

if TYPE_CHECKING:
    from lamina.cli.command import Args
    from lamina.oci.digest import Digest

_DOCUMENTS = types.CONFIGS | types.MANIFESTS | types.INDEXES
_INTERVAL = 0.1  # seconds between two pictures
_ENDS = frozenset({Outcome.DONE, Outcome.PRESENT, Outcome.MOUNTED, Outcome.UNPACKED})
_PULL = {
    Outcome.WAITING: "Pulling fs layer",
    Outcome.MOVING: "Downloading",
    Outcome.DONE: "Download complete",
    Outcome.PRESENT: "Already exists",
    Outcome.UNPACKING: "Extracting",
    Outcome.UNPACKED: "Pull complete",
}
_PUSH = {
    Outcome.WAITING: "Waiting",
    Outcome.MOVING: "Pushing",
    Outcome.DONE: "Pushed",
    Outcome.PRESENT: "Layer already exists",
    Outcome.MOUNTED: "Mounted from another repository",
}
WORDS = {
    "pull": _PULL,
    "push": _PUSH,
    "copy": {**_PUSH, Outcome.MOVING: "Copying", Outcome.DONE: "Copied"},
}


class Shown(Protocol):
    """A reader of a transfer's events; `close` ends the picture."""

    def listen(self, event: Event) -> None: ...

    def close(self) -> None: ...


def choose(args: Args, what: str, environment: Mapping[str, str] = os.environ) -> Shown:
    """The reader that --progress and --quiet ask for."""
    out = sys.stderr
    name = args.text("progress") or environment.get("BUILDKIT_PROGRESS") or "auto"
    if args.flag("quiet"):
        name = "quiet"
    if name == "auto":
        name = "tty" if out.isatty() and environment.get("TERM") != "dumb" else "plain"
    match name:
        case "plain":
            return Lines(out, WORDS[what])
        case "tty":
            return Bars(out, WORDS[what])
        case "rawjson":
            return RawJson(out)
        case "quiet" | "none":
            return Quiet()
    raise Invalid(f'progress "{name}" is not known', hint="use auto, plain, tty, rawjson or quiet")


def _is_layer(event: Event) -> bool:
    """Whether a person wants to see it: documents come and go in no time."""
    return event.descriptor.media_type not in _DOCUMENTS


class Quiet:
    """Shows nothing."""

    def listen(self, event: Event) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


class Lines:
    """One line for each change, as Docker prints them where there is no terminal."""

    def __init__(self, out: TextIO, words: Mapping[Outcome, str]) -> None:
        self._out = out
        self._words = words
        self._last: dict[Digest, Outcome] = {}
        self._lock = threading.Lock()

    def listen(self, event: Event) -> None:
        digest = event.descriptor.digest
        with self._lock:
            if event.note:
                self._print(digest, f"Retrying: {event.note}")
            if not _is_layer(event) or self._last.get(digest) is event.outcome:
                return
            self._last[digest] = event.outcome
            if event.outcome in (Outcome.MOVING, Outcome.UNPACKING):
                return
            self._print(digest, self._words.get(event.outcome, str(event.outcome)))

    def _print(self, digest: Digest, text: str) -> None:
        self._out.write(f"{digest.short}: {text}\n")
        self._out.flush()

    def close(self) -> None:
        """Nothing is open."""


@dataclass(slots=True)
class _Row:
    size: int
    outcome: Outcome = Outcome.WAITING
    done: int = 0


class Bars:
    """A bar for each layer, drawn over and over."""

    def __init__(self, out: TextIO, words: Mapping[Outcome, str]) -> None:
        self._out = out
        self._words = words
        self._rows: dict[Digest, _Row] = {}
        self._lock = threading.Lock()
        self._drawn = 0  # lines of the last picture
        self._began = time.monotonic()
        self._stop = threading.Event()
        self._painter = threading.Thread(target=self._paint, daemon=True)
        self._painter.start()

    def listen(self, event: Event) -> None:
        if not _is_layer(event):
            return
        with self._lock:
            row = self._rows.setdefault(event.descriptor.digest, _Row(event.descriptor.size))
            row.outcome, row.done = event.outcome, event.done

    def _paint(self) -> None:
        while not self._stop.wait(_INTERVAL):
            self._draw()

    def _draw(self, *, last: bool = False) -> None:
        columns, height = self._size()
        with self._lock:
            lines = [self._line(digest, row, columns) for digest, row in self._rows.items()]
        if not last and len(lines) > height - 1:
            lines = lines[-(height - 1) :]
        up = f"\x1b[{self._drawn}A" if self._drawn else ""
        text = "".join(f"\x1b[2K{line}\n" for line in lines)
        self._out.write(f"{up}\r{text}\x1b[J")
        self._out.flush()
        self._drawn = len(lines)

    def _line(self, digest: Digest, row: _Row, columns: int) -> str:
        text = f"{digest.short}: {self._words.get(row.outcome, str(row.outcome))}"
        if row.outcome in (Outcome.MOVING, Outcome.UNPACKING) and row.size:
            share = min(1.0, row.done / row.size)
            amount = f" {human_size(row.done, 4)}/{human_size(row.size, 4)}"
            width = max(0, min(50, columns - len(text) - len(amount) - 4))
            full = int(width * share)
            if width > 4:
                text += " [" + "=" * full + ">"[: full < width] + " " * (width - full - 1) + "]"
            text += amount
        return text[:columns]

    def _size(self) -> tuple[int, int]:
        try:
            size = os.get_terminal_size(self._out.fileno())
        except (OSError, ValueError):
            return 80, 24
        return size.columns or 80, size.lines or 24

    def close(self) -> None:
        """Draw the last picture and leave it standing."""
        self._stop.set()
        self._painter.join()
        self._draw(last=True)


class RawJson:
    """One JSON object a line, each a moment of one blob."""

    def __init__(self, out: TextIO, clock: Callable[[], float] = time.time) -> None:
        self._out = out
        self._clock = clock
        self._last: dict[Digest, tuple[Outcome, float]] = {}
        self._lock = threading.Lock()

    def listen(self, event: Event) -> None:
        import json

        digest, now = event.descriptor.digest, self._clock()
        with self._lock:
            before = self._last.get(digest)
            same = before is not None and before[0] is event.outcome
            if same and before is not None and now - before[1] < _INTERVAL:
                return
            self._last[digest] = (event.outcome, now)
            line: dict[str, object] = {
                "digest": str(digest),
                "mediaType": event.descriptor.media_type,
                "status": str(event.outcome),
                "current": event.done,
                "total": event.descriptor.size,
                "time": round(now, 3),
            }
            if event.note:
                line["note"] = event.note
            self._out.write(json.dumps(line) + "\n")
            self._out.flush()

    def close(self) -> None:
        """Nothing is open."""
