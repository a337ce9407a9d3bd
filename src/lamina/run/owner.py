"""Which process owns an unfinished thing: a pid alone is not an identity, for pids are reused."""

from __future__ import annotations

import os

from lamina.values import dataclass


@dataclass(frozen=True, slots=True)
class Owner:
    """One process of one boot."""

    pid: int
    started: int  # clock ticks after boot (proc_pid_stat(5), field 22)
    boot: str  # /proc/sys/kernel/random/boot_id

    @classmethod
    def of(cls, pid: int) -> Owner | None:
        """The identity of `pid` as it runs now; None if it does not (zombies do not)."""
        started = _started(pid)
        return None if started is None else cls(pid, started, boot_id())

    @classmethod
    def me(cls) -> Owner:
        """The identity of this process."""
        owner = cls.of(os.getpid())
        assert owner is not None
        return owner

    def is_alive(self) -> bool:
        """Whether this very process still runs."""
        return self.boot == boot_id() and _started(self.pid) == self.started

    def opened(self) -> int | None:
        """A pidfd of this very process, which polls as readable when it ends; None if it ended."""
        try:
            pidfd = os.pidfd_open(self.pid)
        except OSError:
            return None
        if self.is_alive():
            return pidfd
        os.close(pidfd)
        return None

    def ended(self, timeout: float | None = None) -> bool:
        """Wait until this process has ended, at most `timeout` seconds; whether it has."""
        import select

        pidfd = self.opened()
        if pidfd is None:
            return True
        try:
            poll = select.poll()
            poll.register(pidfd, select.POLLIN)
            return bool(poll.poll(None if timeout is None else max(0, int(timeout * 1000))))
        finally:
            os.close(pidfd)

    def signal(self, number: int) -> bool:
        """Send a signal to this very process; whether it was still there to get it."""
        import signal

        pidfd = self.opened()
        if pidfd is None:
            return False
        try:
            signal.pidfd_send_signal(pidfd, number)
        except ProcessLookupError:
            return False
        finally:
            os.close(pidfd)
        return True

    def to_json(self) -> list[object]:
        return [self.pid, self.started, self.boot]


def owner_from_json(fields: list[object] | None) -> Owner | None:
    """The inverse of `Owner.to_json`; None stays None."""
    if fields is None:
        return None
    pid, started, boot = fields
    return Owner(int(str(pid)), int(str(started)), str(boot))


_boot: str | None = None


def boot_id() -> str:
    """This boot's identity; it cannot change under a living process, so it is read once."""
    global _boot
    if _boot is None:
        with open("/proc/sys/kernel/random/boot_id", encoding="utf-8") as file:
            _boot = file.read().strip()
    return _boot


def _started(pid: int) -> int | None:
    """The start time of `pid` in clock ticks; None if there is no such process, or a dead one."""
    try:
        descriptor = os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        line = os.read(descriptor, 4096)
    except OSError:
        return None
    finally:
        os.close(descriptor)
    fields = line[line.rindex(b")") + 2 :].split()  # the name before it may hold spaces
    return None if fields[0] in (b"Z", b"X") else int(fields[19])
