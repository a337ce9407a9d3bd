"""What an exception becomes for a person: a message on stderr, and an exit status.

what happened                             exit status
----------------------------------------  ---------------------------------------------
the command line is wrong                 125; 1 for an unknown command or a wrong count
an Error that says its own `exit_status`  that (126 and 127 of a command in a container)
any other Error                           the command's `failure`: 125 or 1
the system refuses (OSError)              the command's `failure`
Control-C                                 130
the reader of stdout went away            141, quietly
a fault of Lamina's own                   the command's `failure`, and how to see it whole
"""

from __future__ import annotations

import errno
import os

from lamina.cli.command import UsageError
from lamina.errors import Error

_KNOWN_ERRNOS = {
    errno.EACCES: "run as a user who may, or point LAMINA_ROOT at a directory of your own",
    errno.EPERM: "run as root, or point LAMINA_ROOT at a directory of your own",
    errno.EROFS: "point LAMINA_ROOT at a directory that can be written",
    errno.ENOSPC: 'free some space; "lamina prune" removes what nothing uses',
    errno.EDQUOT: 'free some space; "lamina prune" removes what nothing uses',
    errno.EMFILE: 'raise the limit on open files ("ulimit -n")',
}


def report(error: BaseException, *, failure: int) -> tuple[str, int]:
    """The text for stderr (perhaps empty, never ending in a newline) and the exit status."""
    if isinstance(error, KeyboardInterrupt):
        return "", 130
    if isinstance(error, BrokenPipeError):
        return "", 141
    if isinstance(error, UsageError):
        return _usage(error), error.exit_status
    if isinstance(error, Error):
        status = getattr(error, "exit_status", None)
        return _known(error), status if isinstance(status, int) else failure
    if isinstance(error, OSError) and error.errno is not None:
        return _system(error), failure
    if isinstance(error, MemoryError):
        return "lamina: out of memory", failure
    return _fault(error), failure


def _usage(error: UsageError) -> str:
    name = f"lamina {error.words}".rstrip()
    usage = f"\n\nUsage:  {name} {error.usage}".rstrip() if error.usage else ""
    return f"lamina: {error.message}{usage}\n\nRun '{name} --help' for more information"


def _known(error: Error) -> str:
    # An error that can show its place in a file says so by rendering itself.
    render = getattr(error, "render", None)
    text = render() if callable(render) else error.message
    lines = [f"lamina: {text}".rstrip("\n")]
    if error.hint and f"hint: {error.hint}" not in text:
        lines.append(f"hint: {error.hint}")
    notes: list[str] = getattr(error, "__notes__", [])
    return "\n".join([*lines, *notes])


def _system(error: OSError) -> str:
    reason = (os.strerror(error.errno) if error.errno else str(error)).lower()
    name = error.filename
    where = f'"{os.fsdecode(name)}": ' if isinstance(name, str | bytes) else ""
    hint = _KNOWN_ERRNOS.get(error.errno or 0)
    return f"lamina: {where}{reason}" + (f"\nhint: {hint}" if hint else "")


def _fault(error: BaseException) -> str:
    return (
        f"lamina: sorry, this is a fault of Lamina's own: {type(error).__name__}: {error}\n"
        "hint: run it again with LAMINA_DEBUG=1 to see where it happened, and please report it"
    )
