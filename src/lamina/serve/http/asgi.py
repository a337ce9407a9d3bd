"""What servers and applications say to each other (ASGI 3.0, "HTTP")."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from typing import Any

Scope = MutableMapping[str, "Any"]
Message = MutableMapping[str, "Any"]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ZEROCOPY = "http.response.zerocopysend"  # the extension "Zero Copy Send"
