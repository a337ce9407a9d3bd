"""The seven kinds of error, each named for what the caller can do about it.

    Error
    ├── Invalid       the input is wrong: mend it
    ├── NotFound      what was named is not there: name another
    ├── Conflict      it is in use, or exists already: wait, remove, or force
    ├── Corrupt       stored bytes are not what they claim: fetch or build them again
    ├── Denied        the right is missing: ask for it
    ├── Unavailable   it may work later, or elsewhere: disk full, lock held, peer down
    └── Unsupported   understood, but not built here: do without, or use another way

A subclass beside the code that raises it says what happened; `hint` says what to try next.
Messages are lower case, without a full stop, with the culprit in quotes.
"""

from __future__ import annotations


class Error(Exception):
    """Whatever Lamina refuses or fails to do; never raised itself, only its seven kinds."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message


class Invalid(Error):
    """The input is wrong and stays wrong until somebody mends it."""


class NotFound(Error):
    """What was named does not exist here."""


class Conflict(Error):
    """The thing is in use, or exists already."""


class Corrupt(Error):
    """Stored or received bytes are not what they claim to be."""


class Denied(Error):
    """A right is missing."""


class Unavailable(Error):
    """It may work later or elsewhere: no space, a lock that is held, a peer that is down."""


class Unsupported(Error):
    """Understood, but not built here; named, never ignored."""
