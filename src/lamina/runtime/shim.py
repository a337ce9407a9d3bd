"""The process between us and an installed crun or runc, in a mount namespace of its own.

There the root and the sources of mounts are attached where the bundle says, and nobody else sees
them. It lets the runtime create and start the container, stays its parent, and ends as it does.
It reads orders from descriptor 3 and reports on 4, as `init` does.
"""

from __future__ import annotations

import errno
import os

from lamina.fs import detached, syscalls
from lamina.late import json
from lamina.runtime.inside import sources
from lamina.runtime.inside.report import Refused, explain, receive, send

TYPE_CHECKING = False  # the `typing` module is too heavy for here
if TYPE_CHECKING:
    from typing import Any, NoReturn

_ORDERS, _REPORT = 3, 4
_SIGKILL, _SIGTERM, _SIGCHLD = 9, 15, 17
_SETUP_FAILED = 125
OOM_MARK = "oom"  # a file in the bundle: memory ran out


def main() -> NoReturn:
    """Read the orders, follow them, and end as the container's process does."""
    status = _SETUP_FAILED
    try:
        os.set_inheritable(_REPORT, False)
        os.set_inheritable(_ORDERS, False)
        message = receive(_ORDERS)
        if message is not None:
            status = _Shim(message[0]).run()
    except Refused as refusal:
        send(_REPORT, "error", refusal.kind, refusal.message)
    except BaseException as error:  # noqa: BLE001
        # Whatever it is, the outside must hear of it: there is no other ear.
        send(_REPORT, "error", "setup", f"{type(error).__name__}: {error}")
    os._exit(status)


class _Shim:
    def __init__(self, orders: dict[str, Any]) -> None:
        self._orders = orders
        self._bundle: str = orders["bundle"]
        self._log = f"{self._bundle}/log-{os.getpid()}"
        self._pid_file = f"{self._bundle}/pid-{os.getpid()}"
        self._is_orphan = False  # our parent is gone, and nobody tidies up after us
        self._ended: dict[int, int] = {}  # wait statuses of children that nobody waited for yet

    def run(self) -> int:
        syscalls.prctl(syscalls.PR_SET_CHILD_SUBREAPER, 1)
        syscalls.unshare(syscalls.CLONE_NEWNS)
        syscalls.mount(None, "/", None, syscalls.MS_REC | syscalls.MS_SLAVE)
        for path in self._orders["hide"]:
            syscalls.umount2(path, syscalls.MNT_DETACH)
        is_first = "root" in self._orders
        try:
            if is_first:
                self._attach()
            pid = self._create() if is_first else self._execute()
            send(_REPORT, "pid", pid)
            if is_first:
                self._call("start", self._orders["id"], quiet=True)
            os.close(_REPORT)
            return self._wait(pid)
        finally:
            if is_first:
                self._remember_oom()
                self._quietly("delete", "--force", self._orders["id"])
            for path in (self._log, self._pid_file):
                try:
                    os.unlink(path)
                except FileNotFoundError:
                    pass
            if is_first and self._is_orphan:
                self._remove_bundle()

    def _remove_bundle(self) -> None:
        """What our parent would have done."""
        for name in ("rootfs", "sources"):
            path = f"{self._bundle}/{name}"
            syscalls.umount2(path, syscalls.MNT_DETACH)
            os.rmdir(path)
        for name in os.listdir(self._bundle):
            os.unlink(f"{self._bundle}/{name}")
        os.rmdir(self._bundle)

    def _remember_oom(self) -> None:
        """Leave a mark in the bundle, for the control groups go with the container."""
        for path in self._orders["oom_counters"]:
            try:
                with open(path) as file:
                    counts = dict(line.split()[:2] for line in file)
            except OSError:
                continue
            if counts.get("oom_kill", "0") != "0":
                os.close(os.open(f"{self._bundle}/{OOM_MARK}", os.O_CREAT | os.O_WRONLY, 0o600))

    def _attach(self) -> None:
        orders = self._orders
        scratch = sources.Scratch(orders["scratch"])
        special = [m for m in orders["mounts"] if m["destination"] in orders["sources"]]
        binds = sources.open_binds(special, orders["sources"], scratch)
        root = sources.open_root(orders["root"], with_devices=orders["with_devices"])
        for path in missing(root, [mount["destination"] for mount in orders["mounts"]]):
            send(_REPORT, "created", path)
        try:
            detached.attach(root, f"{self._bundle}/rootfs")
            os.close(root)
            self._offer(binds)
        except OSError as error:
            raise Refused("setup", explain("attaching to the bundle", error)) from error

    def _offer(self, binds: dict[str, int]) -> None:
        """Each source at the path that config.json gives it, on a file system in memory."""
        directory = f"{self._bundle}/sources"
        syscalls.mount("tmpfs", directory, "tmpfs", 0, "mode=0700")
        for destination, fd in binds.items():
            path = self._orders["places"][destination]
            if os.path.isdir(f"/proc/self/fd/{fd}"):
                os.mkdir(path)
            else:
                os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
            detached.attach(fd, path)
            os.close(fd)

    def _create(self) -> int:
        words = ["create", "--bundle", self._bundle, "--pid-file", self._pid_file]
        return self._launch([*words, "%console", self._orders["id"]])

    def _execute(self) -> int:
        words = ["exec", "--detach", "--process", self._orders["process"]]
        words += ["--pid-file", self._pid_file]
        return self._launch([*words, "%console", self._orders["id"]])

    def _launch(self, words: list[str]) -> int:
        """Run a command that leaves a process behind; its PID. "%console" is the socket's flag."""
        listener = None
        console: list[str] = []
        if self._orders["terminal"]:
            import socket

            path = f"{self._bundle}/console-{os.getpid()}"
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(path)
            listener.listen()
            console = ["--console-socket", path]
        try:
            at = words.index("%console")
            self._call(*words[:at], *console, *words[at + 1 :])
            if listener is not None:
                self._pass_on(listener)
        finally:
            if listener is not None:
                listener.close()
                os.unlink(console[1])
        with open(self._pid_file) as file:
            return int(file.read())

    def _pass_on(self, listener: Any) -> None:
        """Hand the terminal's master on to the outside, which copies it from here."""
        import socket

        connection, _ = listener.accept()
        with connection:
            _, fds, _, _ = socket.recv_fds(connection, 4096, 1)
        send(_REPORT, "terminal", fds[0])
        receive(_ORDERS)
        os.close(fds[0])

    def _call(self, *words: str, quiet: bool = False) -> None:
        status = self._spawn(words, quiet=quiet)
        if status != 0:
            raise _refusal(_last_error(self._log), self._orders["program"])

    def _quietly(self, *words: str) -> None:
        self._spawn(words, quiet=True)

    def _spawn(self, words: tuple[str, ...], *, quiet: bool) -> int:
        orders = self._orders
        log = ("--log", self._log, "--log-format", "json")
        line = [orders["program"], "--root", orders["state_root"], *log, *words]
        actions: list[tuple[int, ...] | tuple[int, int, str, int, int]] = []
        if quiet:
            actions = [(os.POSIX_SPAWN_OPEN, fd, "/dev/null", os.O_RDWR, 0) for fd in (0, 1, 2)]
        # XDG_RUNTIME_DIR and the like would lead the runtime elsewhere.
        environment = {"PATH": orders["path"]}
        child = os.posix_spawn(line[0], line, environment, file_actions=actions)
        while True:
            pid, status = os.waitpid(-1, 0)
            if pid == child:
                return os.waitstatus_to_exitcode(status)
            self._ended[pid] = status  # perhaps the container, which may be as quick as this

    def _wait(self, pid: int) -> int:
        """The exit status of the container; a SIGTERM, or the end of our parent, kills it."""
        syscalls.block_signals()
        if self._orders["die"]:
            syscalls.prctl(syscalls.PR_SET_PDEATHSIG, _SIGTERM)
        while True:
            self._bury()
            if pid in self._ended:
                syscalls.unblock_signals()
                code = os.waitstatus_to_exitcode(self._ended[pid])
                return code if code >= 0 else 128 - code
            if syscalls.next_signal() == _SIGTERM:
                self._is_orphan = True
                try:
                    os.kill(pid, _SIGKILL)
                except ProcessLookupError:
                    pass

    def _bury(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            self._ended[pid] = status


def missing(root: int, paths: list[str]) -> list[str]:
    """Which mount points, given in the order of mounting, are not there in a tree yet.

    With the directories on the way to them; what lies inside an earlier mount is not the tree's.
    """
    found: dict[str, None] = {}
    for at, path in enumerate(paths):
        if any(path.startswith(f"{earlier}/") for earlier in paths[:at]):
            continue
        parts = [part for part in path.split("/") if part]
        for count in range(1, len(parts) + 1):
            prefix = "/".join(parts[:count])
            try:
                fd = syscalls.openat2(root, prefix, os.O_PATH, 0, syscalls.RESOLVE_IN_ROOT)
            except OSError as error:
                if error.errno == errno.ENOENT:
                    found[f"/{prefix}"] = None
                continue
            os.close(fd)
    return list(found)


def _last_error(log: str) -> str:
    message = "it gave no reason"
    try:
        with open(log, errors="replace") as file:
            for line in file:
                try:
                    entry = json.loads(line)
                except ValueError:
                    continue
                if entry.get("level", "error") in ("error", "fatal"):
                    message = entry.get("msg", message)
    except FileNotFoundError:
        pass
    return message


def _refusal(text: str, program: str) -> Refused:
    """The kind of failure, which crun and runc tell in words only."""
    lower = text.lower()
    about_command = "exec" in lower
    if about_command and ("not found" in lower or "no such file" in lower):
        return Refused("not found", text)
    words = (
        "permission denied",
        "not permitted",
        "is a directory",
        "exec format error",
        "not executable",
    )
    if about_command and any(word in lower for word in words):
        return Refused("not executable", text)
    return Refused("setup", f"{os.path.basename(program)}: {text}")
