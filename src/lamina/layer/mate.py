"""A second process that makes some of the files, for layers of very many.

One Python makes one file at a time, whatever the machine has. The process that reads the archive
stays the one that decides: it resolves every directory, and sends descriptors of them, with the
jobs, over a socket (unix(7), SCM_RIGHTS); the content lies in shared memory. What the mate could
not do comes back, and is done here. Its order among the other entries is lost, so that whoever is
about to do what depends on it calls `settle` first, and so does who finds something in `left`.
"""

from __future__ import annotations

import array
import marshal
import mmap
import os
import signal
import socket
import sys
from collections.abc import Iterator

from lamina.layer.entry import Entry
from lamina.layer.making import LONGEST, MEMORY, MOST, SOCKET, Job, make

_ROOM = 1 << 19  # bytes of content that go with one message: those of a buffer (`layer.pipe`)
_SLOTS = 16  # messages that may be under way
_FIRST_FREE = 16
_FORMAT = 2  # of marshal: later ones look for what is there twice
_CODE = """import sys
sys.path.append({place!r})
from {module} import main
main()"""


def start() -> Mate | None:
    """A process to share the work with, where there is a processor for it."""
    if len(os.sched_getaffinity(0)) < 2:
        return None
    try:
        return Mate()
    except OSError:
        return None


class Batch:
    """Files of one buffer that go together."""

    __slots__ = ("buffer", "directories", "end", "entries", "jobs", "start")

    def __init__(self, buffer: memoryview) -> None:
        self.buffer = buffer
        self.jobs: list[Job] = []
        self.entries: list[Entry] = []
        self.directories: dict[int, int] = {}  # descriptors, and their numbers in the jobs
        self.start = self.end = -1  # where the content of the files lies in the buffer

    def content(self, number: int) -> memoryview:
        """What is to be in one of the files."""
        _, _, at, size, *_ = self.jobs[number]
        return self.buffer[at : at + size]


class Mate:
    """The process, from its start until `close`; OSError where none can be started."""

    def __init__(self) -> None:
        memory = os.memfd_create("lamina-layer")
        try:
            os.ftruncate(memory, _SLOTS * _ROOM)
            self._map = mmap.mmap(memory, 0)
            self._memory = memoryview(self._map)
            self._socket, self._process = _start(memory)
        finally:
            os.close(memory)
        self._free = list(range(_SLOTS))
        self._away: dict[int, Batch] = {}  # by the number of their slots
        self._batch: Batch | None = None
        self.left: list[tuple[Batch, list[int]]] = []  # what could not be done
        self._is_lost = False

    def take(
        self, entry: Entry, name: str, parent: int, buffer: memoryview, at: int, more: int
    ) -> None:
        """A file to be made in the open directory `parent`; its content begins at `at`.

        The directory must stay open, see `holds`.
        """
        batch = self._batch
        if batch is None or batch.buffer is not buffer or len(batch.jobs) == MOST:
            self.send()
            batch = self._batch = Batch(buffer)
            batch.start = at
        number = batch.directories.setdefault(parent, len(batch.directories))
        size = entry.size
        batch.jobs.append(
            (number, name, at, size, entry.mode, entry.uid, entry.gid, entry.mtime, more)
        )
        batch.entries.append(entry)
        batch.end = at + size

    def holds(self, fd: int) -> bool:
        """Whether a directory is needed until the next `send`."""
        return self._batch is not None and fd in self._batch.directories

    def send(self) -> None:
        """Have what was taken made: there, or here if enough is under way."""
        batch, self._batch = self._batch, None
        if batch is None:
            return
        self._hear(wait=False)
        start, size = batch.start, batch.end - batch.start
        if not self._free or self._is_lost or size > _ROOM:
            self._keep(batch, make(batch.jobs, [*batch.directories], batch.buffer, 0))
            return
        slot = self._free[-1]
        at = slot * _ROOM
        self._memory[at : at + size] = batch.buffer[start : batch.end]
        message = marshal.dumps((slot, at, start, size, batch.jobs), _FORMAT)
        rights = array.array("i", batch.directories)
        try:
            self._socket.sendmsg(
                [message], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)], socket.MSG_NOSIGNAL
            )
        except OSError:  # it has ended, or this user has too many descriptors under way
            self._keep(batch, make(batch.jobs, [*batch.directories], batch.buffer, 0))
            return
        self._away[self._free.pop()] = batch

    def settle(self) -> Iterator[tuple[Entry, memoryview]]:
        """Wait until all that was taken is done, and give what could not be: entry and content."""
        self.send()
        while self._away:
            self._hear(wait=True)
        left, self.left = self.left, []
        for batch, numbers in left:
            for number in numbers:
                yield batch.entries[number], batch.content(number)

    def _keep(self, batch: Batch, left: list[int]) -> None:
        if left:
            self.left.append((batch, left))

    def _hear(self, *, wait: bool) -> None:
        """Take the answers that are there, or wait for one."""
        flags = 0 if wait else socket.MSG_DONTWAIT
        while self._away:
            try:
                answer = self._socket.recv(LONGEST, flags)
            except BlockingIOError:
                return
            except OSError:
                answer = b""
            if not answer:
                self._lose()
                return
            slot, left = marshal.loads(answer)
            self._keep(self._away.pop(slot), left)
            self._free.append(slot)
            if wait:
                return

    def _lose(self) -> None:
        """The process is gone: what it had counts as left, whether it was done or not."""
        self._is_lost = True
        away, self._away = self._away, {}
        for batch in away.values():
            self._keep(batch, list(range(len(batch.jobs))))

    def close(self) -> None:
        """End the process; what is not settled is not made."""
        self._socket.close()
        self._memory.release()
        self._map.close()  # which has a descriptor, too
        try:
            signal.pidfd_send_signal(self._process, signal.SIGKILL)
            os.waitid(os.P_PIDFD, self._process, os.WEXITED)
        except (ProcessLookupError, ChildProcessError):
            pass  # somebody else has waited for it
        finally:
            os.close(self._process)


def _start(memory: int) -> tuple[socket.socket, int]:
    """A new program: this end of the socket to it, and a pidfd of it."""
    import fcntl

    if not sys.executable:
        raise FileNotFoundError("this Python's own program is hidden")
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    held: list[int] = []
    try:
        with theirs:
            null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
            held.append(null)
            actions: list[tuple[int, int, int]] = []
            for number, fd in enumerate((null, null, null, theirs.fileno(), memory)):
                held.append(fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _FIRST_FREE))
                actions.append((os.POSIX_SPAWN_DUP2, held[-1], number))
            assert actions[-1][2] == MEMORY and actions[-2][2] == SOCKET
            pid = os.posix_spawn(
                sys.executable,
                [sys.executable, "-I", "-S", "-X", "utf8", "-c", _code()],
                os.environ,
                file_actions=actions,
                setpgroup=0,  # what interrupts this process ends it by the socket
            )
    except BaseException:
        ours.close()
        raise
    finally:
        for fd in held:
            os.close(fd)
    return ours, os.pidfd_open(pid)


def _code() -> str:
    return _CODE.format(place=os.path.dirname(os.path.abspath(__file__)), module="making")
