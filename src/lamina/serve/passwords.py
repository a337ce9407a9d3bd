"""Users and their passwords: a file of htpasswd(1), whose hashes are bcrypt's.

A check takes a tenth of a second on purpose, so what was right is remembered for a while.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import threading
import time
from collections import OrderedDict
from pathlib import Path

from lamina.errors import Denied, Invalid, NotFound

_REMEMBERED = 10_000  # right passwords
_SECONDS = 300.0  # that one is remembered
_PREFIXES = ("$2a$", "$2b$", "$2y$")


class Passwords:
    """The users of one file, read again when it changes. Safe for many threads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._stamp: tuple[int, int, int] | None = None
        self._hashes: dict[str, bytes] = {}
        self._key = secrets.token_bytes(32)
        self._right: OrderedDict[bytes, float] = OrderedDict()
        self._read()

    def remembered(self, user: str, password: str) -> bool:
        """Whether that password was right a short while ago; at once."""
        hashed = self.hash_of(user)
        if hashed is None:
            return False
        until = self._right.get(self._digest(user, password, hashed))
        return until is not None and until > time.monotonic()

    def check(self, user: str, password: str) -> bool:
        """Whether the password is right; slow, and no faster for users who do not exist."""
        import bcrypt

        hashed = self.hash_of(user)
        # bcrypt takes 72 bytes; what would silently be cut is refused.
        secret = password.encode()
        usable = len(secret) <= 72 and b"\0" not in secret
        # For who does not exist somebody else's hash costs the same; the answer is not used.
        judged = hashed or next(iter(self._hashes.values()), None)
        is_right = judged is not None and bcrypt.checkpw(secret if usable else b"x", judged)
        if hashed is None or not usable or not is_right:
            return False
        with self._lock:
            self._right[self._digest(user, password, hashed)] = time.monotonic() + _SECONDS
            while len(self._right) > _REMEMBERED:
                self._right.popitem(last=False)
        return True

    def hash_of(self, user: str) -> bytes | None:
        """The hash of the user's password, which changes with it; None if there is no such user."""
        self._read()
        return self._hashes.get(user)

    def _digest(self, user: str, password: str, hashed: bytes) -> bytes:
        message = b"\0".join((user.encode(), password.encode(), hashed))
        return hmac.digest(self._key, message, hashlib.sha256)

    def _read(self) -> None:
        """Read the file if it is another than before. What cannot be read leaves all as it was."""
        try:
            found = os.stat(self._path)
            stamp = (found.st_mtime_ns, found.st_size, found.st_ino)
            if stamp == self._stamp:
                return
            text = self._path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            if self._stamp is not None:
                return
            kind = NotFound if isinstance(error, FileNotFoundError) else Denied
            raise kind(f'the password file "{self._path}" cannot be read: {error}') from error
        if self._stamp is None:
            self._hashes = parse(text, str(self._path))
        else:
            try:
                self._hashes = parse(text, str(self._path))
            except Invalid:
                pass  # somebody is in the middle of writing it: the old users stay
        self._stamp = stamp


def parse(text: str, where: str) -> dict[str, bytes]:
    """The hash of each user; Invalid names the line that is none, or not bcrypt's."""
    found: dict[str, bytes] = {}
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        user, colon, hashed = line.partition(":")
        if not colon or not user:
            raise Invalid(f'line {number} of "{where}" is not "user:hash"')
        if not hashed.startswith(_PREFIXES) or len(hashed) != 60:
            raise Invalid(
                f'the password of "{user}" in line {number} of "{where}" is not hashed by bcrypt',
                hint='make the line with "htpasswd -nB USER"',
            )
        found[user] = hashed.encode()
    return found
