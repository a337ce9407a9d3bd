"""A pseudo-terminal of the container's own devpts (man 4 pts, man 2 ioctl_tty)."""

from __future__ import annotations

import fcntl
import os
import struct
import termios

from lamina.runtime.inside.report import Refused, explain

TYPE_CHECKING = False  # the `typing` module is too heavy for here
if TYPE_CHECKING:
    from typing import Any

_TIOCSPTLCK = 0x40045431
_TIOCGPTN = 0x80045430
_TIOCGPTPEER = 0x5441


def open_pair(process: dict[str, Any]) -> tuple[int, int, str]:
    """Master, slave, and the slave's path; the slave belongs to the process's user.

    The slave comes by way of the master, not by its path, which could name another thing.
    """
    try:
        master = os.open("/dev/pts/ptmx", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
        fcntl.ioctl(master, _TIOCSPTLCK, struct.pack("i", 0))
        number = struct.unpack("I", fcntl.ioctl(master, _TIOCGPTN, b"\0" * 4))[0]
        slave = fcntl.ioctl(master, _TIOCGPTPEER, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
        size = process.get("consoleSize")
        if size:
            packed = struct.pack("HHHH", size["height"], size["width"], 0, 0)
            fcntl.ioctl(master, termios.TIOCSWINSZ, packed)
        os.fchown(slave, process["user"]["uid"], -1)
    except OSError as error:
        raise Refused("setup", explain("making a terminal", error)) from error
    return master, slave, f"/dev/pts/{number}"


def control(slave: int) -> None:
    """Make the terminal this session's own, and its standard streams."""
    try:
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
        for fd in (0, 1, 2):
            os.dup2(slave, fd)
        os.close(slave)
    except OSError as error:
        raise Refused("setup", explain("taking the terminal", error)) from error
