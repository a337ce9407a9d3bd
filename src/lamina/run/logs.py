"""What a container printed, kept as Docker's json-file driver does: one JSON object a line.

    {"log":"hello\\n","stream":"stdout","time":"2026-01-02T03:04:05.000000006Z"}

A line longer than 16 KiB is kept in pieces, all but the last without their newline.
Bytes that are not UTF-8 are kept too, as lone surrogate escapes (Docker loses them).
"""

from __future__ import annotations

import os
from _json import encode_basestring_ascii as quote  # what `json` uses, and need not be there for
from collections import deque
from collections.abc import Callable, Iterator

from lamina.late import json
from lamina.run.clock import timestamp
from lamina.values import dataclass

PIECE = 16 * 1024  # bytes, as Docker's


class LogWriter:
    """Appends to one log file. `write` takes whatever the pipe gave; lines are put together."""

    def __init__(self, path: str, clock: Callable[[], int]) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        self._descriptor = os.open(path, flags, 0o640)
        self._clock = clock
        self._pending = {"stdout": b"", "stderr": b""}

    def write(self, stream: str, data: bytes) -> None:
        """Log what is whole of `data`; the rest waits for its newline, or for `close`."""
        data = self._pending[stream] + data
        lines = data.split(b"\n")
        rest = lines.pop()
        pieces = []
        for line in lines:
            if len(line) >= PIECE:
                whole, line = _cut(line)
                pieces += whole
            pieces.append(line + b"\n")
        if len(rest) >= PIECE:
            whole, rest = _cut(rest)
            pieces += whole
        self._pending[stream] = rest
        if pieces:
            self._append(stream, pieces)

    def close(self) -> None:
        """Log what waited for a newline, and close the file."""
        for stream, rest in self._pending.items():
            if rest:
                self._append(stream, [rest])
        os.close(self._descriptor)

    def _append(self, stream: str, pieces: list[bytes]) -> None:
        # One write for all: readers see whole lines, and a full disk must not stop the container.
        tail = f',"stream":"{stream}","time":"{timestamp(self._clock())}"}}\n'
        text = "".join(
            f'{{"log":{quote(piece.decode("utf-8", "surrogateescape"))}{tail}' for piece in pieces
        )
        try:
            os.write(self._descriptor, text.encode("ascii"))
        except OSError:
            pass


def _cut(line: bytes) -> tuple[list[bytes], bytes]:
    """Pieces of 16 KiB, and the shorter rest; no character is cut in two."""
    pieces = []
    start = 0
    while len(line) - start >= PIECE:
        end = start + PIECE
        back = end
        while back > end - 4 and line[back : back + 1] and line[back] & 0xC0 == 0x80:
            back -= 1
        end = back if back > end - 4 else end
        pieces.append(line[start:end])
        start = end
    return pieces, line[start:]


@dataclass(frozen=True, slots=True)
class Record:
    """One piece of output."""

    data: bytes  # its newline too, where it had one
    stream: str  # "stdout" or "stderr"
    time: str  # RFC 3339, nine decimals, UTC


def read_log(
    path: str,
    *,
    since: int | None = None,
    until: int | None = None,
    tail: int | None = None,
    follow: Callable[[], bool] | None = None,
) -> Iterator[Record]:
    """The records in order; instants in ns, both ends included.

    `tail` is how many lines from the end, before anything is followed; None is all.
    `follow` makes it go on: it waits until there may be more, and answers whether to go on.
    A missing file is an empty log.
    """
    try:
        file = open(path, "rb")  # noqa: SIM115  # closed below, but a generator may outlive a with
    except FileNotFoundError:
        return
    with file:
        start = None if since is None else timestamp(since)
        stop = None if until is None else timestamp(until)
        records = _records(file, start, stop)
        if tail is None:
            yield from records
        else:
            yield from _last_lines(records, tail)
        while follow is not None:
            go_on = follow()
            yield from _records(file, start, stop)
            if not go_on:
                return


def _records(file: object, start: str | None, stop: str | None) -> Iterator[Record]:
    """From where the file stands to its end; an unfinished line is left for the next time."""
    while True:
        position = file.tell()  # type: ignore[attr-defined]
        line = file.readline()  # type: ignore[attr-defined]
        if not line.endswith(b"\n"):
            file.seek(position)  # type: ignore[attr-defined]
            return
        try:
            entry = json.loads(line)
            record = Record(
                entry["log"].encode("utf-8", "surrogateescape"), entry["stream"], entry["time"]
            )
        except (ValueError, KeyError, TypeError, AttributeError):
            continue  # a line torn by a full disk must not hide the others
        # Fixed-width UTC times sort as text.
        if (start is None or record.time >= start) and (stop is None or record.time <= stop):
            yield record


def _last_lines(records: Iterator[Record], count: int) -> list[Record]:
    if count <= 0:
        for _ in records:
            pass
        return []
    return list(deque(records, count))


def parse_tail(text: str) -> int | None:
    """A number of lines; None for "all", and for whatever is no number, as Docker does."""
    try:
        number = int(text)
    except ValueError:
        return None
    return None if number < 0 else number
