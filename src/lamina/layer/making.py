"""Files made in directories that are open already; the program of `layer.mate` is here, too.

It is run by an interpreter of its own that must start fast: nothing of Lamina is imported.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from collections.abc import Sequence

# The number of the directory, the name in it, where the content is and how long, mode, owner,
# group, time of modification, and what of that is to be set besides.
Job = tuple[int, str, int, int, int, int, int, int, int]

MODE, OWNER = 1, 2  # bits of a job's last number
SOCKET, MEMORY = 3, 4  # descriptors of the program
MOST = 128  # jobs of one message, and so directories
LONGEST = 1 << 18  # bytes of a message
CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def make(
    jobs: Sequence[Job], directories: Sequence[int], data: memoryview, start: int
) -> list[int]:
    """Make files of pieces of `data`, which begins at `start`; the numbers of what could not be.

    Nothing that exists is touched. After a failure that is not about a single name nothing more is
    tried; what was half done may be there.
    """
    left = []
    for number, (directory, name, at, size, mode, uid, gid, mtime, more) in enumerate(jobs):
        try:
            fd = os.open(name, CREATE, mode, dir_fd=directories[directory])
        except FileExistsError:
            left.append(number)
            continue
        except (OSError, ValueError):
            return [*left, *range(number, len(jobs))]
        try:
            if size and os.write(fd, data[at - start : at - start + size]) != size:
                return [*left, *range(number, len(jobs))]
            if more:
                if more & OWNER:
                    os.fchown(fd, uid, gid)
                os.fchmod(fd, mode)  # after the owner, which clears the set-ID bits
            os.utime(fd, ns=(mtime, mtime))
        except (OSError, OverflowError):
            return [*left, *range(number, len(jobs))]
        finally:
            os.close(fd)
    return left


def main() -> None:
    """Do what comes over the socket until it is closed; each message is answered."""
    # `socket` itself takes longer to import than all the rest.
    import _socket
    import marshal
    import mmap

    conversation = _socket.socket(fileno=SOCKET)
    memory = memoryview(mmap.mmap(MEMORY, 0))
    room = _socket.CMSG_SPACE(MOST * 4)
    while True:
        message, beside, _, _ = conversation.recvmsg(LONGEST, room, _socket.MSG_CMSG_CLOEXEC)
        if not message:
            return
        numbers = beside[0][2] if beside else b""
        directories = memoryview(numbers[: len(numbers) & ~3]).cast("i")
        slot, place, start, size, jobs = marshal.loads(message)
        left = make(jobs, directories, memory[place : place + size], start)
        for fd in directories:
            os.close(fd)
        conversation.send(marshal.dumps((slot, left)))
