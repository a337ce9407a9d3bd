"""What listeners are told of a request: a push, a pull, a mount, a deletion."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lamina.oci.distribution.endpoint import Endpoint, Kind
from lamina.registry.metadata import Entry, Link

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from lamina.oci.digest import Digest
    from lamina.registry.document import Document
    from lamina.serve.request import Request


class Teller:
    """Tells all of its listeners, if there are any."""

    def __init__(self, listeners: Sequence[Callable[[dict[str, object]], None]]) -> None:
        self._listeners = listeners

    def tell(
        self,
        action: str,
        request: Request,
        name: str,
        what: Entry | Link | Document,
        tag: str | None,
    ) -> None:
        """Let listeners know of a push or a pull."""
        if not self._listeners:
            return
        media_type = "application/octet-stream" if isinstance(what, Link) else what.media_type
        kind = Kind.BLOB if isinstance(what, Link) else Kind.MANIFEST
        target: dict[str, object] = {
            "mediaType": media_type,
            "digest": what.digest,
            "size": what.size,
            "length": what.size,
            "repository": name,
            "url": f"{request.scheme}://{request.host}{Endpoint(kind, name, what.digest).path}",
        }
        if tag is not None:
            target["tag"] = tag
        self._tell(action, request, target)

    def tell_deleted(
        self, request: Request, name: str, digest: Digest | None, tag: str | None
    ) -> None:
        """Let listeners know that something is gone."""
        target: dict[str, object] = {"repository": name}
        if digest is not None:
            target["digest"] = digest
        if tag is not None:
            target["tag"] = tag
        self._tell("delete", request, target)

    def _tell(self, action: str, request: Request, target: dict[str, object]) -> None:
        if not self._listeners:
            return
        from lamina.serve import events

        found = events.event(
            action,
            target=target,
            request={
                "id": request.id,
                "addr": request.client,
                "host": request.host,
                "method": request.method,
                "useragent": request.header("user-agent") or "",
            },
            actor=request.caller.user,
            source=request.host,
        )
        for listener in self._listeners:
            listener(found)
