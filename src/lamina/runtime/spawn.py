"""Start a light interpreter for work that must not happen in this process.

It is a new program and not a fork: this process may have threads, and may be large. It runs from
a read-only mount of its own file, because a container's process can find the file it was executed
from by way of /proc, and must not be able to write to it (CVE-2019-5736).
"""

from __future__ import annotations

import os
import sys

from lamina.errors import Unsupported
from lamina.fs import detached
from lamina.values import dataclass

_FIRST_FREE = 16  # above every number that a child is given
_SIGNALS = [number for number in range(1, 65) if number not in (9, 19, 32, 33)]

# The packages are named here and not imported: their `__init__` may pull in more than is needed.
_CODE = """import sys
for name, path in ({packages}):
    package = type(sys)(name)
    package.__path__ = [path]
    sys.modules[name] = package
from lamina.runtime.{module} import main
main()"""


@dataclass(frozen=True, slots=True)
class Streams:
    """Descriptors of the child: its 0, 1, 2, and what follows from 3 on; None is /dev/null."""

    stdio: tuple[int | None, int | None, int | None]
    more: tuple[int, ...] = ()


def spawn(module: str, streams: Streams) -> int:
    """The PID of a new interpreter that runs `main` of `lamina.runtime.<module>`.

    Signals are as a new login would have them, and nothing else is inherited.
    """
    import fcntl

    held: list[int] = []

    def lifted(fd: int) -> int:
        held.append(fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _FIRST_FREE))
        return held[-1]

    try:
        null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
        held.append(null)
        wanted = [null if fd is None else fd for fd in streams.stdio] + list(streams.more)
        actions = [(os.POSIX_SPAWN_DUP2, lifted(fd), number) for number, fd in enumerate(wanted)]
        program = _read_only_interpreter()
        held.append(program)
        return os.posix_spawn(
            f"/proc/self/fd/{program}",
            [_interpreter(), "-I", "-S", "-X", "utf8", "-c", _code(module)],
            {"LD_LIBRARY_PATH": os.path.join(sys.base_exec_prefix, "lib")},
            file_actions=actions,
            setpgroup=0,
            setsigmask=[],
            setsigdef=_SIGNALS,
        )
    finally:
        for fd in held:
            os.close(fd)


def _interpreter() -> str:
    if not sys.executable:
        raise Unsupported("containers need to know this Python's own program, and it is hidden")
    return os.path.realpath(sys.executable)


def _read_only_interpreter() -> int:
    fd = detached.clone(_interpreter())
    try:
        detached.make_read_only(fd)
    except OSError:
        os.close(fd)
        raise
    return fd


def _code(module: str) -> str:
    runtime = os.path.dirname(os.path.abspath(__file__))
    base = os.path.dirname(runtime)
    packages = (
        ("lamina", base),
        ("lamina.fs", os.path.join(base, "fs")),
        ("lamina.runtime", runtime),
    )
    return _CODE.format(packages=", ".join(map(repr, packages)), module=module)
