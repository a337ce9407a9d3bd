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
