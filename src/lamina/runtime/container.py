"""What a runtime is handed and what it hands back: bundle, stdio, process, state."""

from __future__ import annotations

import os
import signal as signals
from collections.abc import Callable, Mapping

from lamina.errors import Denied, Error, Invalid, NotFound, Unavailable
from lamina.fs.mounts import RootPlan
from lamina.oci import bundle as oci
from lamina.values import dataclass, field

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any, Protocol

    from lamina.runtime.launch import Launched
else:
    Protocol = object


class CommandNotFound(NotFound):
    """The container has no such command; a shell's status for it is 127."""

    exit_status = 127


class CommandNotExecutable(Denied):
    """The command is there and cannot be executed; a shell's status for it is 126."""

    exit_status = 126


class StartFailed(Unavailable):
    """The container could not be set up; Docker's status for it is 125."""

    exit_status = 125


class NotRunning(NotFound):
    """The container's first process is gone."""


@dataclass(frozen=True, slots=True)
class Tree:
    """A directory or file inside the tree of a mount plan, as the source of a mount."""

    plan: RootPlan
    path: str = "/"  # links are followed inside the tree


@dataclass(frozen=True, slots=True)
class File:
    """A file that exists in memory only, as the source of a mount."""

    data: bytes
    mode: int = 0o644
    uid: int = 0
    gid: int = 0


Source = Tree | File


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """One container to start.

    `sources` replaces the source of the bind mount at that destination by something that is no
    path of the host. With `die_with_starter` the container is killed when the thread that
    called `start` ends, however it ends: let that thread wait.
    """

    id: str  # [A-Za-z0-9_.-]+, unique on this host
    spec: oci.Spec
    sources: Mapping[str, Source] = field(default_factory=dict)
    init: bool = False  # a reaper is PID 1, and the command its child
    die_with_starter: bool = True
    directory: Path | None = None  # where runc and crun find config.json; None is a passing one


@dataclass(frozen=True, slots=True)
class Stdio:
    """Descriptors for the command, borrowed until `start` returns; None is /dev/null.

    Ignored where the process has a terminal.
    """

    stdin: int | None = None
    stdout: int | None = None
    stderr: int | None = None

    @classmethod
    def inherited(cls) -> Stdio:
        return cls(0, 1, 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What another process needs to signal a running container or to enter it."""

    runtime: str
    id: str
    pid: int  # of the first process, as this host counts
    started: int  # clock ticks after boot: tells the process from a later one of the same PID
    process: oci.Process  # the first one, whose rights are the default of the next
    filter: bytes = b""  # BPF of the seccomp filter
    cgroups: tuple[str, ...] = ()  # directories
    is_clonable: bool = False  # whether `fork` may make the processes that enter it

    def to_json(self) -> dict[str, Any]:
        return {
            "runtime": self.runtime,
            "id": self.id,
            "pid": self.pid,
            "started": self.started,
            "process": self.process.to_json(),
            "filter": self.filter.hex(),
            "cgroups": list(self.cgroups),
            "clonable": self.is_clonable,
        }

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> State:
        """What `to_json` wrote; Invalid if it is something else."""
        try:
            return cls(
                runtime=document["runtime"],
                id=document["id"],
                pid=document["pid"],
                started=document["started"],
                process=oci.Process.parse(document["process"]),
                filter=bytes.fromhex(document["filter"]),
                cgroups=tuple(document["cgroups"]),
                is_clonable=document.get("clonable", False) is True,
            )
        except (KeyError, TypeError, ValueError) as error:
            raise Invalid(f"not the state of a container: {error!r}") from error

    def is_running(self) -> bool:
        """Whether the first process still runs; a zombie does not."""
        return start_time(self.pid) == self.started

    def open(self) -> int:
        """A pidfd of the first process; NotRunning if it is gone. The caller closes."""
        try:
            fd = os.pidfd_open(self.pid)
        except ProcessLookupError:
            fd = -1
        if fd >= 0 and self.is_running():
            return fd
        if fd >= 0:
            os.close(fd)
        raise NotRunning(f'container "{self.id}" is not running')

    def signal(self, number: int) -> None:
        """Send a signal to the first process; NotRunning if it is gone."""
        fd = self.open()
        try:
            signals.pidfd_send_signal(fd, number)
        except ProcessLookupError:
            raise NotRunning(f'container "{self.id}" is not running') from None
        finally:
            os.close(fd)


def start_time(pid: int) -> int | None:
    """Clock ticks from boot to the start of a process; None if it ended (proc(5), "stat")."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return None
    return None if fields[0] in b"ZX" else int(fields[19])


class Process:
    """A process that a runtime started: a container's first one, or one executed in it.

    Whoever started it waits for it, once; `wait` also takes away what the container leaves.
    """

    def __init__(
        self,
        *,
        child: int,
        state: State,
        terminal: int | None = None,
        created: tuple[str, ...] = (),
        finish: Callable[[], bool] | None = None,
        pid: int | None = None,
    ) -> None:
        self.pid = child if pid is None else pid  # as this host counts
        self.state = state
        self.terminal = terminal  # the master side; closed by `close`
        self.created = created  # mount points that had to be made in the root
        self.oom_killed = False  # known after `wait`
        self._child = child  # ours to wait for
        self._finish = finish
        self._fd = os.pidfd_open(child)
        self._status: int | None = None

    def fileno(self) -> int:
        """A descriptor that becomes readable when the process ends."""
        return self._fd

    def wait(self, timeout: float | None = None) -> int | None:
        """Its exit status, 128 + N if signal N ended it; None if `timeout` seconds pass first."""
        if self._status is not None:
            return self._status
        if timeout is not None and not self._ends_within(timeout):
            return None
        _, status = os.waitpid(self._child, 0)
        code = os.waitstatus_to_exitcode(status)
        self._status = code if code >= 0 else 128 - code
        if self._finish is not None:
            self.oom_killed = self._finish()
        return self._status

    def _ends_within(self, timeout: float) -> bool:
        import select

        poller = select.poll()
        poller.register(self._fd, select.POLLIN)
        return bool(poller.poll(max(0, timeout * 1000)))

    def signal(self, number: int) -> None:
        """Send a signal; nothing happens if the process has ended."""
        if self._status is not None:
            return
        try:
            if self.pid == self._child:
                signals.pidfd_send_signal(self._fd, number)
            else:
                os.kill(self.pid, number)
        except ProcessLookupError:
            pass

    def resize(self, rows: int, columns: int) -> None:
        """Set the size of the terminal, if there is one."""
        if self.terminal is None:
            return
        import fcntl
        import struct
        import termios

        size = struct.pack("HHHH", rows, columns, 0, 0)
        fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, size)

    def close(self) -> None:
        """Give back the descriptors; kills and waits for what still runs. Idempotent."""
        if self._status is None:
            self.signal(signals.SIGKILL)
            self.wait()
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        if self.terminal is not None:
            os.close(self.terminal)
            self.terminal = None

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Ready(Protocol):
    """A start that was begun already."""

    def launch(self, orders: dict[str, Any], *, is_parent: bool = False) -> Launched:
        """Go on, with what the runtime orders; once, and by the runtime only."""

    def dismiss(self) -> None:
        """Give back what is left of it, used or not; idempotent."""

    def __enter__(self) -> Ready: ...

    def __exit__(self, *_: object) -> None:
        """Dismiss it."""


class Runtime(Protocol):
    """Something that executes bundles.

    Any thread may call. Both raise CommandNotFound, CommandNotExecutable or StartFailed before
    anything of the command ran, and leave nothing behind then; both return once it runs.
    """

    @property
    def name(self) -> str: ...

    def ready(self, stdio: Stdio) -> Ready:
        """Begin already what a `start` with this `stdio` takes in any case; StartFailed, Denied.

        For a caller who does not know the bundle yet; who dismisses it, used or not.
        """

    def start(
        self, bundle: Bundle, root: RootPlan, stdio: Stdio, ready: Ready | None = None
    ) -> Process:
        """Mount `root` for the container alone and run the bundle's process as its PID 1."""

    def exec(self, state: State, process: oci.Process, stdio: Stdio) -> Process:
        """Run one more process in a running container; NotRunning if it has ended."""


def failure(kind: str, message: str) -> Error:
    """The error for what the inside of a container reported: its kind there, and the message."""
    if kind == "not found":
        return CommandNotFound(message)
    if kind == "not executable":
        return CommandNotExecutable(message)
    return StartFailed(message)
