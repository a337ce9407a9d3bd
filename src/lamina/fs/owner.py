"""Owners of unfinished things: a process, told apart from a later one with the same pid."""

from __future__ import annotations

import os

from lamina.values import dataclass


@dataclass(frozen=True, slots=True)
class Owner:
    """A process, by its pid and its start time (proc_pid_stat(5), field 22)."""

    pid: int
    start: int  # clock ticks since boot

    @classmethod
    def this(cls) -> Owner:
        """The calling process."""
        pid = os.getpid()
        return cls(pid, _start_of(pid) or 0)

    @classmethod
    def of_name(cls, name: str) -> Owner | None:
        """The owner that a file name made by `fresh_name` carries; None if it carries none."""
        pid, _, rest = name.partition(".")
        start = rest.partition(".")[0]
        if not (pid.isascii() and pid.isdigit() and start.isascii() and start.isdigit()):
            return None
        return cls(int(pid), int(start))

    def fresh_name(self) -> str:
        """A new file name that carries this owner: `PID.START.RANDOM`."""
        return f"{self.pid}.{self.start}.{os.urandom(8).hex()}"

    def alive(self) -> bool:
        """Whether the process still runs; a zombie does not."""
        return _start_of(self.pid) == self.start


def _start_of(pid: int) -> int | None:
    """The start time of `pid`; None if there is no such process, or only its zombie is left."""
    try:
        fd = os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        data = os.read(fd, 4096)
    except OSError:  # it ended between open and read
        return None
    finally:
        os.close(fd)
    # The second field is the command's name in parentheses, which may itself hold any of these.
    fields = data[data.rfind(b")") + 2 :].split()
    if len(fields) < 20 or fields[0] in (b"Z", b"X"):
        return None
    return int(fields[19])


def boot() -> str:
    """What tells this boot of the machine from every other (random(4), boot_id)."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="utf-8") as file:
            return file.read().strip()
    except OSError:
        return "unknown"
