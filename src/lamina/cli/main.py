"""The command line's front door: finds the command, runs it, and answers with an exit status.

Nothing is imported at the top: `lamina --version` must cost next to nothing, and every other
command pays only for what it uses.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False  # importing `typing` for it would cost more than the rest of --version

if TYPE_CHECKING:
    from collections.abc import Sequence


VERSION = "0.1.0"


def run(argv: Sequence[str] | None = None) -> int:
    """Run the command line `argv` (without the program's name) and return its exit status."""
    argv = sys.argv[1:] if argv is None else argv
    if len(argv) == 1 and argv[0] in ("--version", "-v"):
        print(f"lamina version {VERSION}")
        return 0
    from lamina.cli.session import Session

    return Session(argv).run()


def entry() -> None:
    """What the `lamina` script calls: `run`, without the interpreter's way of starting and ending.

    A command lives for tens of milliseconds. Looking for cycles among freshly imported modules and
    taking every module apart at the end would cost a tenth of that, and frees nothing that the
    kernel does not free at once.
    """
    import gc
    import os

    gc.set_threshold(100_000, 50, 100)
    try:
        status = run()
    except SystemExit as ending:
        status = ending.code if isinstance(ending.code, int) else int(ending.code is not None)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            pass  # the reader went away; `run` has said so in its status
    os._exit(status)
