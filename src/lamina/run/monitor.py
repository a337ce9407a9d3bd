"""The process that watches one container from its start to its end, and nothing longer.

It is forked off by the command that starts the container (see `launcher`), and survives that
command. It keeps the container's pipes or terminal, writes the log, shows the output to
whoever is attached, records the end, and removes what `--rm` promised. If it is killed the
container dies with it, and the next command writes down what became of it (`removal.reconcile`).
"""

from __future__ import annotations

from collections.abc import Callable

from lamina.errors import Conflict, Error
from lamina.fs.mounts import Kept
from lamina.run import control, freezer
from lamina.run.bundle import plan_of, root_of, write_created
from lamina.run.container import Container
from lamina.run.control import Conversation
from lamina.run.failures import told
from lamina.run.ground import Ground
from lamina.run.logs import LogWriter
from lamina.run.owner import Owner
from lamina.run.prepared import Prepared
from lamina.run.pump import Pump
from lamina.run.removal import dismantle
from lamina.run.state import LOST, State, Status
from lamina.runtime import bpf
from lamina.runtime.command import usual_filter
from lamina.runtime.container import Process
from lamina.runtime.host import look


def serve(
    ground: Ground, conversation: Conversation, launcher: Owner, prepared: Prepared | None
) -> None:
    """Hear which container it is, and watch it; nothing if the launcher changed its mind.

    `launcher` may own the container until then. What is prepared ends with this process.
    """
    try:
        if prepared is not None:
            _look_ahead(ground)
        heard = control.receive(conversation)
        if heard is None:
            return
        packet = heard[0]
        watcher = Watcher(ground, ground.ledger.container(packet["id"]), prepared)
        watcher.claim(launcher)
    except Exception as error:  # noqa: BLE001  # said to the one who waits for it
        control.send(conversation, told(error))
        return
    watcher.live(conversation, attached=packet["attached"])


def _look_ahead(ground: Ground) -> None:
    """Make what is likely to be needed, while the command makes the container."""
    try:
        ground.snapshotter()
        bpf.compile(usual_filter(look()))
    except Error:
        pass  # the start itself will say so, and put it on record


class Watcher:
    """One container's life, in a process that does nothing else."""

    def __init__(
        self, ground: Ground, container: Container, prepared: Prepared | None = None
    ) -> None:
        self.ground = ground
        self.container = container
        self._prepared = prepared
        self.ledger = ground.ledger
        self.directory = self.ledger.directory(container.id)

    def claim(self, launcher: Owner) -> None:
        """Become the container's owner; Conflict if it is somebody else's, or runs."""

        def take(state: State) -> State:
            name = self.container.name
            if state.is_running:
                raise Conflict(f'container "{name}" is {state.status} already')
            if state.status is Status.REMOVING:
                raise Conflict(f'container "{name}" is being removed')
            if state.owner not in (None, launcher) and state.owner.is_alive():
                raise Conflict(f'container "{name}" is being used by another process')
            return state.but(owner=Owner.me(), error="", oom_killed=False)

        self.ledger.change(self.container.id, take)

    def live(self, conversation: Conversation, *, attached: bool) -> None:
        """From the start to the end; whatever happens is recorded, and said to who listens."""
        with Kept() as kept:  # let go of last: nobody need wait for that
            self._live(conversation, kept, attached=attached)

    def _live(self, conversation: Conversation, kept: Kept, *, attached: bool) -> None:
        options = self.container.options
        pump = Pump(log=self._open_log(), stdin_once=options.interactive and options.attached)
        viewer = pump.admit(conversation)
        if attached:
            pump.hear(viewer)
        try:
            status, oom_killed = self._run(pump, kept)
        except Exception as error:  # noqa: BLE001  # the container must not stay half started
            packet = told(error)
            self._record_failure(packet["status"], str(error))
        else:
            packet = {"event": "ended", "status": status}
            self._record_end(status, oom_killed)
        finally:
            pump.close()
        pump.tell(packet)
        pump.let_go()

    def _run(self, pump: Pump, kept: Kept) -> tuple[int, bool]:
        """Start it and wait for its end: its exit status, and whether memory ran out."""
        ground, container = self.ground, self.container
        prepared = self._prepared or Prepared(ground, container.options)
        streams = prepared.streams
        try:
            root = root_of(ground, container)
            kept.keep(root)
            plan = plan_of(ground, container, root, pump.size)
            process = prepared.runtime.start(plan.bundle, root, streams.stdio(), prepared.waiting)
            with process:
                write_created(self.directory, process.created)
                self._record_start(process)
                ends = streams.started(process)
                listener = control.listen(self.directory)
                pump.begin(ends, listener=listener, signal=process.signal)
                pump.tell({"event": "started", "notices": list(plan.notices)})
                pump.run(process.fileno())
                status = process.wait()
                return LOST if status is None else status, process.oom_killed
        finally:
            prepared.close()

    def _record_start(self, process: Process) -> None:
        handle, now = process.state.to_json(), self.ground.clock()
        first = Owner.of(process.pid)
        self.ledger.change(
            self.container.id,
            lambda state: state.but(
                status=Status.RUNNING,
                process=first,
                started=now,
                finished=None,
                exit_code=0,
                handle=handle,
            ),
        )

    def _record_end(self, status: int, oom_killed: bool) -> None:
        now = self.ground.clock()
        self._settle(
            lambda state: state.but(
                status=Status.EXITED,
                process=None,
                exit_code=status,
                finished=now,
                oom_killed=oom_killed,
                handle={},
            )
        )

    def _record_failure(self, status: int, reason: str) -> None:
        """It did not start: as in Docker it stays "created", and says why."""
        now = self.ground.clock()

        def fail(state: State) -> State:
            before = Status.EXITED if state.is_running else state.status
            return state.but(
                status=before, process=None, exit_code=status, finished=now, error=reason
            )

        self._settle(fail)

    def _settle(self, change: Callable[[State], State]) -> None:
        """Record the end, and give the container up; or remove it, if that was promised."""
        control.forget(self.directory)
        freezer.forget(self.container.id)
        if not self.container.options.remove:
            self.ledger.change(self.container.id, lambda state: change(state).but(owner=None))
            return
        self.ledger.change(
            self.container.id, lambda state: change(state).but(status=Status.REMOVING)
        )
        dismantle(self.ground, self.container)

    def _open_log(self) -> LogWriter | None:
        if self.container.options.log_driver == "none":
            return None
        return LogWriter(f"{self.directory}/log.json", self.ground.clock)
