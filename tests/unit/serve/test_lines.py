from __future__ import annotations

import json
import os
import threading

from lamina.serve.http.loop import Loop
from lamina.serve.lines import Lines
from lamina.serve.request import Request


def test_each_line_is_json_with_the_time() -> None:
    ours, theirs = os.pipe()
    log = Lines(theirs)
    log({"event": "start", "address": "ä:1"})
    log({"event": "stop"})
    os.close(theirs)
    with open(ours, "rb") as stream:
        lines = [json.loads(line) for line in stream]
    assert [line["event"] for line in lines] == ["start", "stop"]
    assert lines[0]["address"] == "ä:1"
    assert all(len(line["time"]) == len("2026-11-26T01:02:03.004Z") for line in lines)


def test_what_is_told_in_the_loop_is_written_in_whole_lines_before_it_ends() -> None:
    ours, theirs = os.pipe()
    log = Lines(theirs)
    loop = Loop()
    text = "x" * 1000

    def tell() -> None:
        for number in range(20):
            log({"number": number, "text": text})
        loop.stop()

    loop.call_soon(tell)
    pieces: list[bytes] = []

    def read() -> None:
        while piece := os.read(ours, 1 << 16):
            pieces.append(piece)

    reading = threading.Thread(target=read)
    reading.start()
    loop.run()
    os.close(theirs)
    reading.join()
    os.close(ours)
    assert [json.loads(line)["number"] for line in b"".join(pieces).splitlines()] == [*range(20)]


def test_who_reads_no_log_ends_nothing() -> None:
    ours, theirs = os.pipe()
    os.close(ours)
    Lines(theirs)({"event": "start"})
    os.close(theirs)


def test_ids_differ_also_in_processes_that_are_forked() -> None:
    def new() -> str:
        return Request({"method": "GET", "headers": []}, None).id  # type: ignore[arg-type]

    first = new()
    ours, theirs = os.pipe()
    pid = os.fork()
    if not pid:
        os.write(theirs, new().encode())
        os._exit(0)
    os.waitpid(pid, 0)
    os.close(theirs)
    with open(ours, "rb") as stream:
        other = stream.read().decode()
    assert len({first, other, new()}) == 3
    assert first[:8] != other[:8]
