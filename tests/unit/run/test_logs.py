"""Logs as Docker's json-file driver keeps them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from lamina.run.logs import PIECE, LogWriter, parse_tail, read_log


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log.json"


def ticking() -> Callable[[], int]:
    now = iter(range(1_000_000_000, 10**15, 1_000_000_000))
    return lambda: next(now)


def write(log: Path, *pieces: tuple[str, bytes]) -> None:
    writer = LogWriter(str(log), ticking())
    for stream, data in pieces:
        writer.write(stream, data)
    writer.close()


def test_a_line_is_what_docker_writes(log: Path) -> None:
    write(log, ("stdout", b"hello\n"))
    assert log.read_text() == (
        '{"log":"hello\\n","stream":"stdout","time":"1970-01-01T00:00:01.000000000Z"}\n'
    )


def test_streams_are_kept_apart_and_lines_put_together(log: Path) -> None:
    write(log, ("stdout", b"on"), ("stderr", b"err\n"), ("stdout", b"e\ntwo\nthr"))
    found = [(each.stream, each.data) for each in read_log(str(log))]
    assert found == [
        ("stderr", b"err\n"),
        ("stdout", b"one\n"),
        ("stdout", b"two\n"),
        ("stdout", b"thr"),
    ]


def test_bytes_that_are_not_text_come_back(log: Path) -> None:
    write(log, ("stdout", bytes(range(256)) + b"\n"))
    assert b"".join(each.data for each in read_log(str(log))) == bytes(range(256)) + b"\n"
    for line in log.read_text().splitlines():
        json.loads(line)


def test_a_long_line_is_cut_between_characters(log: Path) -> None:
    line = ("é" * PIECE).encode() + b"\n"
    write(log, ("stdout", b"x" + line[:-1]), ("stdout", b"\n"))
    found = [each.data for each in read_log(str(log))]
    assert b"".join(found) == b"x" + line
    assert all(len(piece) <= PIECE + 1 for piece in found)
    for piece in found:
        piece.decode()


def test_times_and_tail_choose_lines(log: Path) -> None:
    write(log, *(("stdout", b"%d\n" % n) for n in range(1, 6)))
    path, second = str(log), 1_000_000_000

    def numbers(**choice: int) -> list[int]:
        return [int(each.data) for each in read_log(path, **choice)]

    assert numbers(since=3 * second) == [3, 4, 5]
    assert numbers(until=2 * second) == [1, 2]
    assert numbers(tail=2) == [4, 5]
    assert numbers(tail=0) == []
    assert numbers(tail=1, until=3 * second) == [3]


def test_following_goes_on_with_what_comes(log: Path) -> None:
    writer = LogWriter(str(log), ticking())
    writer.write("stdout", b"one\n")
    steps = iter([b"two\n", b"three\n", None])

    def more() -> bool:
        step = next(steps)
        if step is not None:
            writer.write("stdout", step)
        return step is not None

    assert [each.data for each in read_log(str(log), follow=more)] == [
        b"one\n",
        b"two\n",
        b"three\n",
    ]
    writer.close()


def test_a_torn_line_hides_no_other(log: Path) -> None:
    write(log, ("stdout", b"one\n"))
    with log.open("ab") as file:
        file.write(b'{"log":"torn\n{}\n[]\n')
    write(log, ("stdout", b"two\n"))
    assert [each.data for each in read_log(str(log))] == [b"one\n", b"two\n"]


def test_a_missing_log_is_empty(log: Path) -> None:
    assert list(read_log(str(log))) == []


@pytest.mark.parametrize(("text", "count"), [("all", None), ("5", 5), ("-1", None), ("x", None)])
def test_a_tail_that_is_no_number_is_all(text: str, count: int | None) -> None:
    assert parse_tail(text) == count
