"""The operating system's refusals, said as one of our kinds."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from lamina.errors import Denied, Error, Unavailable

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_FORBIDDEN = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


class Full(Unavailable):
    """The file system, or the user's quota, has no room left."""


def translate(error: OSError, what: str) -> Error | None:
    """`error` in one of our kinds, `what` being the place in words; None if it is none of them."""
    if error.errno in _FULL:
        return Full(
            f'no space left in "{what}"',
            hint='free some with "lamina prune", or set LAMINA_ROOT to a larger file system',
        )
    if error.errno in _FORBIDDEN:
        reason = (error.strerror or "refused").lower()
        return Denied(
            f'may not change "{what}": {reason}',
            hint="run as root, or set LAMINA_ROOT to a directory that you own",
        )
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return Unavailable(
            f'too many open files in "{what}"', hint='raise the limit with "ulimit -n"'
        )
    return None


@contextmanager
def told(what: str) -> Iterator[None]:
    """Within it, a full disk and a missing right come out as Unavailable and Denied."""
    try:
        yield
    except OSError as error:
        known = translate(error, what)
        if known is None:
            raise
        raise known from error
