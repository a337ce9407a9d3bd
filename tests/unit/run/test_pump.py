"""What moves between a container, its log and its viewers; with pipes in place of a container."""

from __future__ import annotations

import fcntl
import os
import socket
import subprocess
import sys
import threading
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.errors import Unavailable
from lamina.run import control
from lamina.run.attach import Detached, Looking, View
from lamina.run.failures import CommandNotFound, told
from lamina.run.logs import LogWriter, read_log
from lamina.run.pump import Ends, Pump
from lamina.run.sink import Sink

BIG = 3 << 20


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for fd in ends:
        try:
            os.close(fd)
        except OSError:
            pass


class Watched:
    """A process whose streams a pump in a thread moves, as a watcher does."""

    def __init__(self, script: str, log: Path, *, stdin_once: bool = True) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", script], stdin=-1, stdout=-1, stderr=-1
        )
        self.pump = Pump(log=LogWriter(str(log), lambda: 0), stdin_once=stdin_once)
        self.signals: list[int] = []

    def run(self, listener: control.Conversation | None = None) -> threading.Thread:
        ends = Ends(*(os.dup(s.fileno()) for s in self._streams()))
        for stream in self._streams():
            stream.close()
        self.pump.begin(ends, listener=listener, signal=self.signals.append)

        def watch() -> None:
            pidfd = os.pidfd_open(self.process.pid)
            self.pump.run(pidfd)
            os.close(pidfd)
            status = self.process.wait()
            self.pump.close()
            self.pump.tell({"event": "ended", "status": status})
            self.pump.let_go()

        thread = threading.Thread(target=watch)
        thread.start()
        return thread

    def _streams(self) -> list[object]:
        return [self.process.stdin, self.process.stdout, self.process.stderr]  # type: ignore[list-item]


def look(watched: Watched, view: View) -> Looking:
    ours, theirs = control.pair()
    looking = Looking(ours, view)
    looking.attach()
    watched.pump.hear(watched.pump.admit(theirs))
    return looking


def test_output_reaches_the_viewer_and_the_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    watched = Watched("import os; os.write(1, b'out\\n'); os.write(2, b'err\\n')", log)
    out, err = tmp_path / "out", tmp_path / "err"
    with out.open("wb") as stdout, err.open("wb") as stderr:
        looking = look(
            watched,
            View(stdout=stdout.fileno(), stderr=stderr.fileno(), proxy_signals=False),
        )
        thread = watched.run()
        assert looking.until_end() == 0
    thread.join()
    assert (out.read_bytes(), err.read_bytes()) == (b"out\n", b"err\n")
    assert sorted(each.data for each in read_log(str(log))) == [b"err\n", b"out\n"]


def test_input_goes_through_and_its_end_too(tmp_path: Path, pipe: tuple[int, int]) -> None:
    script = "import os\nn = 0\nwhile d := os.read(0, 65536): n += len(d)\nos.write(1, b'%d' % n)"
    watched = Watched(script, tmp_path / "log")
    source = tmp_path / "source"
    source.write_bytes(bytes(BIG))
    with source.open("rb") as stdin:
        looking = look(watched, View(stdin=stdin.fileno(), stdout=pipe[1], proxy_signals=False))
        thread = watched.run()
        assert looking.until_end() == 0
    thread.join()
    assert os.read(pipe[0], 100) == b"%d" % BIG


def test_a_viewer_who_leaves_ends_the_input_once(tmp_path: Path) -> None:
    watched = Watched("import os; os.read(0, 1); os.write(1, b'ended')", tmp_path / "log")
    reading, writing = os.pipe()
    looking = look(watched, View(stdin=reading, proxy_signals=False))
    thread = watched.run()
    looking.close()
    thread.join()
    os.close(reading)
    os.close(writing)
    assert [each.data for each in read_log(str(tmp_path / "log"))] == [b"ended"]


def test_a_viewer_who_does_not_read_holds_nobody_else_up(
    tmp_path: Path, pipe: tuple[int, int]
) -> None:
    script = f"import os; [os.write(1, b'x' * 1023 + b'\\n') for _ in range({BIG} // 1024)]"
    watched = Watched(script, tmp_path / "log")
    slow = look(watched, View(stdout=pipe[1], proxy_signals=False))
    directory = tmp_path / "control"
    directory.mkdir()
    thread = watched.run(control.listen(directory))
    other = control.connect(directory)
    control.send(other, {"do": "signal", "number": 10})
    read = 0
    while read < BIG:
        read += len(os.read(pipe[0], 1 << 16))
    assert slow.until_end() == 0
    thread.join()
    assert read == BIG
    assert watched.signals == [10]
    assert control.receive(other) == ({"event": "ended", "status": 0}, [])
    other.close()


def test_a_viewer_whose_reader_is_gone_is_written_to_no_more(tmp_path: Path) -> None:
    script = f"import os; [os.write(1, b'x' * 1024) for _ in range({BIG} // 1024)]"
    watched = Watched(script, tmp_path / "log")
    reading, writing = os.pipe()
    looking = look(watched, View(stdout=writing, proxy_signals=False))
    os.close(reading)
    os.close(writing)
    thread = watched.run()
    assert looking.until_end() == 0
    thread.join()


def test_detach_keys_leave_and_are_not_sent(tmp_path: Path) -> None:
    script = "import os; d = os.read(0, 9); d += os.read(0, 9); os.write(1, d)"
    watched = Watched(script, tmp_path / "log", stdin_once=False)
    master, slave = os.openpty()
    tty.setraw(slave)
    view = View(stdin=slave, terminal=True)
    looking = look(watched, view)
    thread = watched.run()
    os.write(master, b"a\x10b\x10\x11")
    assert isinstance(looking.until_end(), Detached)
    os.close(master)
    os.close(slave)
    watched.process.kill()
    thread.join()


def test_what_kept_it_from_starting_is_raised(tmp_path: Path) -> None:
    ours, theirs = control.pair()
    control.send(theirs, told(CommandNotFound('"x" is not there', hint="look")))
    with pytest.raises(CommandNotFound, match="not there") as caught:
        Looking(ours, View(proxy_signals=False)).until_end()
    assert (caught.value.hint, caught.value.exit_status) == ("look", 127)
    theirs.close()


def test_a_watcher_that_is_killed_is_said(tmp_path: Path) -> None:
    ours, theirs = control.pair()
    theirs.close()
    with pytest.raises(Unavailable, match="killed"):
        Looking(ours, View(proxy_signals=False)).until_end()


def test_nobody_watches_where_no_socket_is(tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        control.connect(tmp_path)


def test_a_socket_works_below_a_long_path(tmp_path: Path) -> None:
    directory = tmp_path / ("d" * 120)
    directory.mkdir()
    control.listen(directory).close()
    listener = control.listen(directory)
    client = control.connect(directory)
    assert control.send(client, {"do": "x"})
    assert control.receive(listener.accept()) == ({"do": "x"}, [])
    control.forget(directory)
    listener.close()
    client.close()


def test_a_sink_leaves_the_flags_of_a_shared_pipe_alone(pipe: tuple[int, int]) -> None:
    sink = Sink(os.dup(pipe[1]))
    sink.write(bytes(BIG))
    assert sink.is_full
    assert not fcntl.fcntl(pipe[1], fcntl.F_GETFL) & os.O_NONBLOCK
    os.read(pipe[0], 1 << 16)
    sink.flush()
    sink.close()
    sink.write(b"more")
    assert not sink.is_full


def test_a_sink_on_a_socket_does_not_block() -> None:
    ours, theirs = socket.socketpair()
    sink = Sink(os.dup(ours.fileno()))
    sink.write(bytes(BIG))
    assert sink.is_full
    theirs.close()
    sink.flush()
    assert sink.closed
    ours.close()
