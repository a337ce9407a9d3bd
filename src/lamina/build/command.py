"""RUN: a command in a draft, with what is mounted, offered and taken away again around it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from lamina.build.context import materialised
from lamina.build.events import Event, Note, Output
from lamina.build.graph import (
    BindMount,
    CacheMount,
    ContextTree,
    RunMount,
    RunOp,
    SecretMount,
    Step,
    TmpfsMount,
)
from lamina.build.lower import SCRIPT_DIRECTORY
from lamina.build.workshop import Trees, Workshop
from lamina.errors import Invalid, NotFound
from lamina.fs.mounts import Bind, Kept, Overlay, RootPlan, lowers, opened, suited
from lamina.fs.root import Root
from lamina.oci.bundle import Rlimit
from lamina.oci.config import RunConfig
from lamina.runtime import command as runtimes
from lamina.runtime.accounts import read_accounts
from lamina.runtime.container import Bundle, Process, Stdio
from lamina.runtime.defaults import SHM_SIZE
from lamina.runtime.host import check_rights, look
from lamina.snapshot.snapshotter import Draft
from lamina.values import replace

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from pathlib import Path

    from lamina.build.recording import Bound, Record

HOSTNAME = "lamina-build"
CA_PATH = "/run/lamina/ca-certificates.crt"

# Each names a file of certificates to some tool: OpenSSL and Go, Python's requests and pip,
# curl, git, Node.js, the AWS command line.
CA_VARIABLES = (
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "PIP_CERT",
    "CURL_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "NODE_EXTRA_CA_CERTS",
    "AWS_CA_BUNDLE",
)


class CommandFailed(Invalid):
    """A RUN step's command ended with another status than 0."""

    def __init__(self, message: str, status: int, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.status = status


class Commands:
    """Runs the commands of one build; safe in several threads."""

    def __init__(self, workshop: Workshop, trees: Trees, emit: Callable[[Event], None]) -> None:
        self.workshop = workshop
        self.trees = trees
        self.emit = emit
        self._running: set[Process] = set()
        self._lock = threading.Lock()
        self._cancelled = False
        self._kept = Kept()

    def close(self) -> None:
        """Let go of the mounts that commands have shared."""
        self._kept.close()

    def cancel(self) -> None:
        """Kill every command that runs now, and refuse those to come."""
        with self._lock:
            self._cancelled = True
            for process in self._running:
                process.signal(9)

    def run(self, step: Step, op: RunOp, draft: Draft, record: Record | None = None) -> None:
        """Run the command in the draft's tree; CommandFailed if its status is not 0.

        `record` hears which files it opens.

        What had to be made in the tree to mount on is taken away again, so that only what the
        command itself did becomes a layer.
        """
        host = look()
        check_rights(host)
        # For the steps that follow, too, which have all of this tree but the draft below them.
        with self._lock:
            self._kept.keep(draft.plan)
        with ExitStack() as stack:
            mounts = self._mounts(op, stack)

            def planned(mounts: list[runtimes.AnyMount]) -> runtimes.Plan:
                return runtimes.plan(
                    f"build-{os.urandom(12).hex()}",
                    RunConfig(),
                    self._options(op, mounts),
                    read_accounts(draft.plan),
                    host,
                )

            plan = planned(mounts)
            for text in plan.notices:
                self.emit(Note(str(step.index), text))
            root = suited(draft.plan, self.trees.graph.target.platform.architecture)
            if record is None:
                status, created = self._execute(step, root, plan.bundle)
            else:
                watched, bounds = self._watched(mounts, op, stack)
                other = planned(watched)
                status, created = record.around(
                    root,
                    self.workshop.spool,
                    lambda on, is_watched: self._execute(
                        step, on, other.bundle if is_watched else plan.bundle
                    ),
                    bounds,
                )
        _take_away(draft.plan, created)
        if status != 0:
            line = " ".join(op.args)
            hint = "137 may mean that memory ran out" if status == 137 else None
            raise CommandFailed(
                f'process "{line}" did not complete successfully: exit code: {status}',
                status,
                hint=hint,
            )

    def _options(self, op: RunOp, mounts: list[runtimes.AnyMount]) -> runtimes.Options:
        limits = tuple(
            Rlimit(f"RLIMIT_{limit.name.upper()}", limit.soft, limit.hard) for limit in op.ulimits
        )
        return runtimes.Options(
            entrypoint=(),
            args=op.args,
            env=tuple(f"{name}={value}" for name, value in self._environment(op)),
            user=op.user,
            cwd=op.working_dir,
            hostname=HOSTNAME if op.network == "none" else "",
            network="none" if op.network == "none" else "host",
            mounts=tuple(mounts),
            shm_size=op.shm_size if op.shm_size is not None else SHM_SIZE,
            ulimits=limits,
            die_with_starter=True,
        )

    def _environment(self, op: RunOp) -> list[tuple[str, str]]:
        """The step's own variables come last: they win over what is only offered."""
        offered = dict((*self.workshop.proxies, *op.proxies))
        if self.workshop.ca_bundle is not None:
            offered |= dict.fromkeys(CA_VARIABLES, CA_PATH)
        for mount in op.mounts:
            if isinstance(mount, SecretMount) and mount.env is not None:
                data = self._secret(mount)
                if data is not None:
                    offered[mount.env] = data.decode("utf-8", "surrogateescape")
        return list((offered | dict(op.env)).items())

    # -- mounts ----------------------------------------------------------------------------

    def _mounts(self, op: RunOp, stack: ExitStack) -> list[runtimes.AnyMount]:
        found: list[runtimes.AnyMount] = [
            runtimes.FileMount("/etc/hosts", _hosts(op), 0o644),
            runtimes.FileMount("/etc/resolv.conf", _resolv(), 0o644),
        ]
        if self.workshop.ca_bundle is not None:
            data = _content(self.workshop.ca_bundle)
            found.append(runtimes.FileMount(CA_PATH, data, 0o444))
        if op.script is not None:
            name, content = op.script
            found.append(runtimes.FileMount(f"{SCRIPT_DIRECTORY}/{name}", content, 0o755))
        for mount in op.mounts:
            made = self._mount(mount, stack)
            if made is not None:
                found.append(made)
        return found

    def _mount(self, mount: RunMount, stack: ExitStack) -> runtimes.AnyMount | None:
        match mount:
            case TmpfsMount():
                return runtimes.TmpfsMount(mount.target, mount.size, ("nosuid",))
            case SecretMount():
                data = self._secret(mount)
                if data is None or mount.target is None:
                    return None
                return runtimes.FileMount(mount.target, data, mount.mode, mount.uid, mount.gid)
            case CacheMount():
                from lamina.build import cachemounts

                cache = cachemounts.opened(mount, self.workshop, self.trees)
                directory = stack.enter_context(cache)
                return runtimes.BindMount(mount.target, directory, mount.read_only)
            case BindMount():
                plan, path = self._bind(mount, stack)
                if mount.writable:
                    plan = stack.enter_context(self._writable(plan))
                return runtimes.TreeMount(mount.target, plan, path, not mount.writable)

    def _bind(self, mount: BindMount, stack: ExitStack) -> tuple[RootPlan, str]:
        """The tree that holds what is mounted, and where in it that lies."""
        if not isinstance(mount.source, ContextTree):
            chain = self.trees.unpacked(mount.source)
            plan = self.workshop.snapshotter.view(chain)
            _check_there(plan, mount.path)
            return plan, mount.path
        context = self.trees.context(mount.source)
        source = mount.path.lstrip("/")
        found = stack.enter_context(materialised(context, source, self.workshop.spool))
        if found.is_dir():
            return Bind(found, read_only=True), "/"
        return Bind(found.parent, read_only=True), f"/{found.name}"

    def _watched(
        self, mounts: list[runtimes.AnyMount], op: RunOp, stack: ExitStack
    ) -> tuple[list[runtimes.AnyMount], list[Bound]]:
        """The same mounts, those of the build context taken from places that can be watched."""
        from pathlib import Path

        from lamina.build.recording import Bound

        paths = {
            mount.target: mount.path
            for mount in op.mounts
            if isinstance(mount, BindMount) and mount.source == ContextTree("")
        }
        found: list[runtimes.AnyMount] = []
        bounds: list[Bound] = []
        for mount in mounts:
            if not isinstance(mount, runtimes.TreeMount) or mount.target not in paths:
                found.append(mount)
                continue
            mark = os.urandom(8).hex()
            place, empty = (
                Path(self.workshop.spool, f"{each}-{mark}") for each in ("bound", "empty")
            )
            for directory in (place, empty):
                directory.mkdir(mode=0o700)
                stack.callback(directory.rmdir)
            plan, below = mount.plan, lowers(mount.plan)[0]
            assert isinstance(below, Path)
            if not isinstance(plan, Overlay):
                plan = Overlay((below, empty))  # of one alone no overlay can be made
            source = paths[mount.target].strip("/")
            bounds.append(Bound(plan, place, below / mount.path.lstrip("/"), source))
            found.append(replace(mount, plan=Bind(place, mount.read_only)))
        return found, bounds

    @contextmanager
    def _writable(self, plan: RootPlan) -> Iterator[RootPlan]:
        """The same tree with an upper directory of its own, thrown away afterwards."""
        import shutil
        from pathlib import Path

        place = Path(self.workshop.spool, f"bind-{os.urandom(8).hex()}")
        upper, work = place / "upper", place / "work"
        upper.mkdir(parents=True)
        work.mkdir()
        try:
            yield Overlay(lowers(plan), upper, work)
        finally:
            shutil.rmtree(place)

    def _secret(self, mount: SecretMount) -> bytes | None:
        secret = self.workshop.secrets.get(mount.id)
        if secret is not None:
            return secret.read()
        if mount.required:
            raise NotFound(
                f"secret {mount.id}: not found",
                hint=f"give it with --secret id={mount.id},src=FILE or id={mount.id},env=NAME",
            )
        return None

    # -- the process -----------------------------------------------------------------------

    def _execute(self, step: Step, root: RootPlan, bundle: Bundle) -> tuple[int, tuple[str, ...]]:
        pipes = {"stdout": os.pipe(), "stderr": os.pipe()}
        writers = [pair[1] for pair in pipes.values()]
        readers = [
            threading.Thread(target=self._read, args=(step, name, pair[0]), daemon=True)
            for name, pair in pipes.items()
        ]
        try:
            stdio = Stdio(None, pipes["stdout"][1], pipes["stderr"][1])
            process = self._start(root, bundle, stdio)
        except BaseException:
            for reader, writer in pipes.values():
                os.close(reader)
                os.close(writer)
            raise
        for writer in writers:
            os.close(writer)
        for thread in readers:
            thread.start()
        with process:
            try:
                status = process.wait()
            finally:
                with self._lock:
                    self._running.discard(process)
        for thread in readers:
            thread.join()
        return status if status is not None else 255, process.created

    def _start(self, root: RootPlan, bundle: Bundle, stdio: Stdio) -> Process:
        self._refuse_cancelled()
        process = self.workshop.runtime().start(bundle, root, stdio)
        with self._lock:
            self._running.add(process)
            if self._cancelled:
                process.signal(9)
        return process

    def _refuse_cancelled(self) -> None:
        with self._lock:
            if self._cancelled:
                raise Invalid("canceled")

    def _read(self, step: Step, stream: str, fd: int) -> None:
        """Tell what the command prints until nobody can print any more."""
        with os.fdopen(fd, "rb", buffering=0) as file:
            while data := file.read(65536):
                self.emit(Output(str(step.index), stream, data, self.workshop.clock()))


def _hosts(op: RunOp) -> bytes:
    lines = [
        "127.0.0.1\tlocalhost",
        f"127.0.1.1\t{HOSTNAME}",
        "::1\tlocalhost ip6-localhost ip6-loopback",
    ]
    lines += [f"{address}\t{name}" for name, address in op.hosts]
    return "".join(f"{line}\n" for line in lines).encode()


def _resolv() -> bytes:
    try:
        return _content("/etc/resolv.conf")
    except OSError:
        return b""


def _content(path: Path | str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _check_there(plan: RootPlan, path: str) -> None:
    with opened(plan) as fd:
        try:
            Root(fd).lstat(path)
        except OSError as error:
            raise NotFound(f'mount source "{path}": not found') from error


def _take_away(plan: RootPlan, created: tuple[str, ...]) -> None:
    """Undo the mount points: each that is still empty, deepest first, its parent's times kept.

    What the command itself has filled stays.
    """
    if not created:
        return
    with opened(plan) as fd:
        root = Root(fd)
        for path in reversed(created):
            try:
                with root.parent(path) as (directory, name):
                    _remove_empty(directory, name)
            except OSError:
                continue


def _remove_empty(directory: int, name: str) -> None:
    status = os.stat(name, dir_fd=directory, follow_symlinks=False)
    above = os.stat(directory)
    if _is_directory(status):
        os.rmdir(name, dir_fd=directory)
    elif not status.st_size:
        os.unlink(name, dir_fd=directory)
    times = (above.st_atime_ns, above.st_mtime_ns)
    os.utime(".", ns=times, dir_fd=directory)


def _is_directory(status: os.stat_result) -> bool:
    import stat

    return stat.S_ISDIR(status.st_mode)
