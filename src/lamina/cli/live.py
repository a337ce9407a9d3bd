"""The live tree of a build on a terminal: steps, timers, and the last lines of what runs."""

from __future__ import annotations

import os
import threading
import time
from collections import deque

from lamina.build.events import Event, Finished, Missed, Note, Output, Started
from lamina.values import dataclass, field

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from lamina.cli.progress import Stream

_INTERVAL = 0.1  # seconds between two pictures
_BLUE, _RED, _CYAN, _DIM, _PLAIN = "\x1b[34m", "\x1b[31m", "\x1b[36m", "\x1b[2m", "\x1b[0m"


@dataclass(slots=True)
class _Row:
    label: str
    began: float
    reason: str | None = None
    finished: Finished | None = None
    partial: bytes = b""
    lines: deque[str] = field(default_factory=deque)


class Live:
    """Draws the unfinished steps over and over below the finished ones."""

    def __init__(self, out: Stream, *, log_lines: int, color: bool) -> None:
        self.out = out
        self.log_lines = log_lines
        self.color = color
        self.rows: dict[str, _Row] = {}
        self.reasons: dict[str, str] = {}
        self.notes: list[str] = []
        self.began = time.time()
        self.drawn = 0  # lines of the last picture
        self.lock = threading.Lock()
        self.stop = threading.Event()
        self.painter = threading.Thread(target=self._paint, daemon=True)
        self.painter.start()

    def listen(self, event: Event) -> None:
        with self.lock:
            match event:
                case Started():
                    row = _Row(event.label, event.time, self.reasons.pop(event.vertex, None))
                    self.rows[event.vertex] = row
                case Missed():
                    self.reasons[event.vertex] = event.reason
                case Output():
                    self._output(self.rows[event.vertex], event.data)
                case Note():
                    self.notes.append(event.text)
                case Finished():
                    row = self.rows.setdefault(event.vertex, _Row("", event.time))
                    row.finished = event

    def _output(self, row: _Row, data: bytes) -> None:
        *lines, row.partial = (row.partial + data).split(b"\n")
        for line in lines:
            # What a carriage return overwrites is not seen on a terminal either.
            shown = line.rstrip(b"\r").rpartition(b"\r")[2].decode("utf-8", "replace")
            row.lines.append("".join(c if c.isprintable() else " " for c in shown))
        while len(row.lines) > self.log_lines:
            row.lines.popleft()

    def _paint(self) -> None:
        while not self.stop.wait(_INTERVAL):
            self._draw()

    def _draw(self, *, last: bool = False) -> None:
        with self.lock:
            columns, height = self._size()
            picture = self._picture(columns)
            if not last and len(picture) > height - 1:
                picture = [picture[0], *picture[-(height - 2) :]]
            up = f"\x1b[{self.drawn}A" if self.drawn else ""
            text = "".join(f"\x1b[2K{line}\n" for line in picture)
            self.out.write(f"{up}\r{text}\x1b[J")
            self.out.flush()
            self.drawn = len(picture)

    def _size(self) -> tuple[int, int]:
        try:
            size = os.get_terminal_size(self.out.fileno())
        except (OSError, ValueError):
            return 80, 24
        return size.columns or 80, size.lines or 24

    def _picture(self, columns: int) -> list[str]:
        done = sum(row.finished is not None for row in self.rows.values())
        seconds = time.time() - self.began
        state = "FINISHED" if self.stop.is_set() else ""
        head = f"[+] Building {seconds:.1f}s ({done}/{len(self.rows)}) {state}".rstrip()
        lines = [self._paint_text(head, _BLUE if state else "")]
        for row in self.rows.values():
            lines += self._row(row, columns)
        lines += [self._cut(f"note: {text}", columns) for text in self.notes]
        return lines

    def _row(self, row: _Row, columns: int) -> list[str]:
        finished = row.finished
        now = finished.time if finished else time.time()
        timer = f"{now - row.began:.1f}s"
        if finished is None:
            mark, color = "=>", ""
        elif finished.error is not None:
            mark, color = "=> CANCELED" if finished.error == "canceled" else "=> ERROR", _RED
        else:
            mark, color = "=> CACHED" if finished.cached else "=>", _BLUE
        left = self._cut(f" {mark} {row.label}", columns - len(timer) - 1)
        lines = [self._paint_text(f"{left:<{columns - len(timer) - 1}} {timer}", color)]
        if row.reason is not None and (finished is None or finished.error is None):
            lines.append(
                self._paint_text(self._cut(f"    not cached: {row.reason}", columns), _DIM)
            )
        if finished is None:
            for text in row.lines:
                lines.append(self._paint_text(self._cut(f" => => # {text}", columns), _CYAN))
        return lines

    def _cut(self, text: str, columns: int) -> str:
        return text if len(text) <= columns else text[: max(1, columns - 3)] + "..."

    def _paint_text(self, text: str, color: str) -> str:
        return f"{color}{text}{_PLAIN}" if color and self.color else text

    def close(self) -> None:
        """Draw the last picture and leave it standing."""
        self.stop.set()
        self.painter.join()
        self._draw(last=True)
