"""Answers that are given again while nothing has changed in the registry.

Each was worked out once, and stands for the requests that are like its own in all that it depends
on. Whether something has changed is asked of the metadata each time, so that a push by another
process counts as soon as it is done.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from lamina.errors import Error
from lamina.serve.answer import Answer
from lamina.serve.http.asgi import Message
from lamina.serve.http.waits import here
from lamina.serve.request import HEADERS_LIMIT
from lamina.values import dataclass

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from lamina.oci.distribution.endpoint import Endpoint
    from lamina.serve.http.asgi import Scope

LIMIT = 8 << 20  # bytes of all that is kept
_OVERHEAD = 2000  # bytes of an answer beside its body
_METHODS = frozenset({"GET", "HEAD"})
# What other answers depend on: who asks, what they have already, what they want of it, a body.
_DECIDING = frozenset(
    {
        b"authorization",
        b"content-length",
        b"expect",
        b"if-none-match",
        b"if-range",
        b"range",
        b"transfer-encoding",
    }
)
_OF_PROXIES = frozenset({b"x-forwarded-for", b"x-forwarded-proto"})

Key = tuple[str, bytes, bytes]


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer, where it was asked for, and the messages that give it."""

    answer: Answer
    endpoint: Endpoint
    start: Message
    body: Message


class Memo:
    """Answers of one registry. All calls come from one thread."""

    def __init__(self, version: Callable[[], object], *, forwarded: bool = False) -> None:
        self._version = version
        self._deciding = _DECIDING | _OF_PROXIES if forwarded else _DECIDING
        self._at: object = None  # the version of all that is held
        self._held: OrderedDict[Key, Kept] = OrderedDict()
        self._size = 0
        self._moment = -1  # of the loop, when it was last asked
        self._found: object = None  # what it said

    def key(self, scope: Scope) -> Key | None:
        """What requests with the same answer have in common; None if more decides it."""
        if scope["method"] not in _METHODS:
            return None
        size = 0
        for name, value in scope["headers"]:
            if name in self._deciding:
                return None
            size += len(name) + len(value)
        if size > HEADERS_LIMIT:
            return None
        return scope["method"], scope.get("raw_path") or b"", scope["query_string"]

    def find(self, scope: Scope) -> Kept | None:
        """The answer that is still right; None if there is none."""
        key = self.key(scope)
        found = self._held.get(key) if key is not None else None
        if found is None:
            return None
        version = self.version()
        if version is None or version != self._at:
            self._clear()
            return None
        return found

    def version(self) -> object:
        """What differs after each change; None if it cannot be told just now.

        Of requests that were there together, it is asked for the first: nothing that one of their
        clients can have heard of has changed since.
        """
        loop = getattr(here, "loop", None)
        if loop is not None and loop.moment == self._moment:
            return self._found
        try:
            self._found = self._version()
        except Error:
            return None  # whoever works an answer out meets it too, and says so
        self._moment = loop.moment if loop is not None else -1
        return self._found

    def keep(self, scope: Scope, answer: Answer, endpoint: Endpoint, version: object) -> None:
        """Give `answer` again while `version`, asked for before it was worked out, is the same."""
        key = self.key(scope)
        if key is None or not key[1] or version is None:
            return
        if version != self._at:
            self._clear()
            self._at = version
        kept = Kept(answer, endpoint, *answer.messages(is_head=key[0] == "HEAD"))
        if key not in self._held:
            self._held[key] = kept
            self._size += _size(key, kept)
        while self._size > LIMIT:
            self._size -= _size(*self._held.popitem(last=False))

    def _clear(self) -> None:
        self._held.clear()
        self._size = 0


def _size(key: Key, kept: Kept) -> int:
    return _OVERHEAD + len(key[1]) + len(key[2]) + len(kept.answer.body)
