"""Forking watchers: processes that outlive the command which needs them.

A launcher forks before it is known what to watch, so that the command makes the container while
the watcher makes itself ready: half of the time is the import of modules, and there are two CPUs.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from lamina.errors import Error
from lamina.run import control
from lamina.run.container import Container
from lamina.run.control import Conversation
from lamina.run.ground import Ground
from lamina.run.owner import Owner

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from lamina.run.options import Options


def fork_watcher(watch: Callable[[Conversation], None]) -> tuple[Conversation, int]:
    """Run `watch` in a process of its own; the conversation with it, and a child to wait for.

    The child is not the watcher, and ends at once: the watcher is nobody's child, and leaves no
    zombie to a caller that lives on. Nothing the caller has open stays open in it.
    """
    ours, theirs = control.pair()
    child = os.fork()
    if child:
        theirs.close()
        return ours, child
    try:
        if not os.fork():
            _leave(theirs.fileno())
            watch(theirs)
    finally:
        os._exit(0)


def _leave(kept: int) -> None:
    """Leave the session, the directory, the signals and the descriptors of the caller, but one."""
    import gc
    import signal

    os.setsid()
    os.chdir("/")
    os.umask(0o022)
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGTSTP):
        # Not SIG_IGN, which the container's command would inherit.
        signal.signal(number, lambda number, frame: None)
    gc.freeze()  # objects of the caller must not close their numbers, which are others' soon
    # Locks of the caller too live in descriptors, and would be held as long as the container runs.
    os.closerange(3, kept)
    os.closerange(kept + 1, 1 << 20)
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    if null > 2:
        os.close(null)


class Launcher:
    """A watcher that waits to be told which container to start; a context manager."""

    def __init__(self, ground: Ground, options: Options | None = None) -> None:
        """`options` of the container, if they are known already, for more to be made ready."""
        me = Owner.me()
        if options is not None:
            # The command is about to make a container and needs them too: once is cheaper.
            import lamina.oci.config
            import lamina.run.create
            import lamina.snapshot  # noqa: F401

        def watch(conversation: Conversation) -> None:
            from lamina.run.prepared import Prepared

            prepared = None
            if options is not None:
                # First of all, for it takes the longest; what the watcher needs comes meanwhile.
                try:
                    prepared = Prepared(ground, options)
                except Error:
                    pass  # the start itself will say so, and put it on record
            from lamina.run import monitor

            monitor.serve(ground, conversation, me, prepared)

        self._conversation: Conversation | None
        self._conversation, self._child = fork_watcher(watch)

    def start(self, container: Container, *, attached: bool) -> Conversation:
        """Have it start the container; the conversation with it, which the caller closes.

        Its first packet is "started" or "failed". With `attached` it waits for the first packet
        from here, so that the streams are in place before the command runs. To be called once.
        """
        conversation = self._conversation
        assert conversation is not None
        self._conversation = None
        packet = {"do": "watch", "id": container.id, "attached": attached}
        control.send(conversation, packet)
        return conversation

    def close(self) -> None:
        """Send the watcher home if it was not needed; idempotent."""
        if self._conversation is not None:
            self._conversation.close()
            self._conversation = None
        if self._child:
            os.waitpid(self._child, 0)
            self._child = 0

    def __enter__(self) -> Launcher:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
