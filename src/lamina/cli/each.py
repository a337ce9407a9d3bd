"""One thing done to every container that a command line names."""

from __future__ import annotations

import sys
from collections.abc import Callable

from lamina.errors import Error

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from lamina.cli.command import Args
    from lamina.engine import Engine
    from lamina.run.container import Container


def each(args: Args, engine: Engine, do: Callable[[Container], str | None]) -> int:
    """Do it to every container named, and print the name, or what `do` says; go on after errors."""
    from lamina.cli.failures import report
    from lamina.engine import containers

    status = 0
    for text in args.rest:
        try:
            said = do(containers.find(engine, text))
        except Error as error:
            message, status = report(error, failure=1)
            print(message, file=sys.stderr)
        else:
            print(text if said is None else said)
    return status
