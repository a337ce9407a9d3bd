"""Deletions (distribution-spec, "Content Management")."""

from __future__ import annotations

from lamina.registry.repository import parse_digest
from lamina.serve.answer import Answer
from lamina.serve.request import Request

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from lamina.oci.distribution.endpoint import Endpoint
    from lamina.serve.app import App


async def manifest(app: App, request: Request, endpoint: Endpoint) -> Answer:
    """DELETE of a tag, or of a manifest and all its tags (end-9)."""
    repository = app.writable(endpoint.name)
    if ":" in endpoint.reference:
        digest = parse_digest(endpoint.reference)
        await app.in_thread(repository.delete_manifest, digest)
        app.tell_deleted(request, endpoint.name, digest, None)
    else:
        await app.in_thread(repository.delete_tag, endpoint.reference)
        app.tell_deleted(request, endpoint.name, None, endpoint.reference)
    return Answer(202)


async def blob(app: App, request: Request, endpoint: Endpoint) -> Answer:
    """DELETE of a blob (end-10)."""
    repository = app.writable(endpoint.name)
    await app.in_thread(repository.delete_blob, endpoint.reference)
    app.tell_deleted(request, endpoint.name, parse_digest(endpoint.reference), None)
    return Answer(202)
