"""Manifests and blobs, whole, in part, or only whether they are there (distribution-spec, "Pull").

What has a digest never changes, so its entity tag is the digest, and caches may keep it.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from functools import partial
from io import UnsupportedOperation

from lamina.errors import Corrupt, NotFound
from lamina.oci import media_type as types
from lamina.oci.digest import Digest
from lamina.oci.distribution.range import content_range, parse_range
from lamina.registry.metadata import Entry, Link
from lamina.registry.mirror import as_stream
from lamina.registry.repository import Repository, parse_digest
from lamina.serve.answer import Answer
from lamina.serve.request import Request

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from typing import BinaryIO

    from lamina.oci.distribution.endpoint import Endpoint
    from lamina.registry.local import LocalRepository
    from lamina.registry.mirror import Mirror
    from lamina.serve.app import App

_FOREVER = "max-age=31536000, immutable"


async def manifest(app: App, request: Request, endpoint: Endpoint) -> Answer:
    """GET and HEAD of a manifest (end-3)."""
    mirror = app.mirror(endpoint.name)
    is_stale = mirror is not None and await app.in_thread(mirror.freshen, endpoint.reference)
    repository = app.registry.repository(endpoint.name)
    entry = repository.manifest(endpoint.reference)
    if app.old is not None and isinstance(repository, Repository):
        takes = _only_old(request)
        if takes is not None:
            embedded = types.SCHEMA1_SIGNED in takes
            return await _offered(app, request, repository, entry, endpoint, embedded)
    headers = _headers(entry.digest, entry.media_type, by_digest=":" in endpoint.reference)
    if is_stale:
        headers["warning"] = '110 - "the upstream does not answer: this may be out of date"'
    if is_known(request, entry.digest):
        return Answer(304, headers)
    if request.method == "GET":
        body = repository.read(entry)
        pulled = (entry, _tag(endpoint.reference))
        app.tell("pull", request, endpoint.name, *pulled)
    else:
        body, pulled = b"", None
    lasts = mirror is None and app.old is None
    return Answer(200, headers, body, length=entry.size, lasts=lasts, pulled=pulled)


def _only_old(request: Request) -> frozenset[str] | None:
    """The media types that a client takes which knows schema 1 only; None if it knows more."""
    text = request.header("accept")
    if text is None:
        return None
    taken = frozenset(one.partition(";")[0].strip() for one in text.split(","))
    is_old = taken & types.SCHEMAS1 and taken <= types.SCHEMAS1 | {"application/json"}
    return taken if is_old else None


async def _offered(
    app: App,
    request: Request,
    repository: Repository,
    entry: Entry,
    endpoint: Endpoint,
    embedded: bool,
) -> Answer:
    """The manifest as schema 1."""
    assert app.old is not None
    tag = _tag(endpoint.reference) or "latest"
    make = partial(app.old.offer, repository, entry, tag, embedded=embedded)
    offer = await app.in_thread(make)
    headers = _headers(offer.digest, offer.media_type, by_digest=False)
    if offer.signature is not None:
        headers["jws-signature"] = offer.signature
    app.tell("pull", request, endpoint.name, entry, _tag(endpoint.reference))
    return Answer(200, headers, offer.body, length=len(offer.body))


async def blob(app: App, request: Request, endpoint: Endpoint) -> Answer:
    """GET and HEAD of a blob, or of a range of it (end-2)."""
    mirror = app.mirror(endpoint.name)
    if mirror is not None:
        coming = await _mirrored(app, request, mirror, parse_digest(endpoint.reference))
        if coming is not None:
            return coming
    repository = app.registry.repository(endpoint.name)
    link = repository.blob(endpoint.reference)
    headers = _blob_headers(link.digest)
    if is_known(request, link.digest):
        return Answer(304, headers)
    if request.method == "HEAD":
        if isinstance(repository, Repository) and repository.is_aging(link):
            await app.in_thread(repository.renew, link)
        return Answer(200, headers, length=link.size)
    part = _part(request, link.digest, link.size)
    app.tell("pull", request, endpoint.name, link, None)
    if part is None:
        small = repository.small(link)
        if small is not None:
            return Answer(
                200, headers, small, length=len(small), lasts=mirror is None, pulled=(link, None)
            )
        part = (0, link.size)
        status = 200
    else:
        headers["content-range"] = content_range(*part, link.size)
        status = 206
    file = await app.in_thread(_opened, repository, link, part[0])
    return Answer(status, headers, part=file, length=part[1])


def _opened(repository: Repository | LocalRepository, link: Link, start: int) -> BinaryIO:
    """A blob from `start` on; Corrupt if its file has lost bytes, before any are promised."""
    try:
        file = repository.open(link.digest, start)
    except NotFound as error:
        raise Corrupt(f"a blob has lost its file: {error.message}") from error
    with suppress(AttributeError, UnsupportedOperation):  # it comes from elsewhere
        size = os.fstat(file.fileno()).st_size
        if size != link.size:
            file.close()
            raise Corrupt(f'"{file.name}" is damaged: {size} bytes instead of {link.size}')
    return file


async def _mirrored(app: App, request: Request, mirror: Mirror, digest: Digest) -> Answer | None:
    """The answer while a blob is fetched from upstream; None once it is here."""
    if mirror.has(digest):
        return None
    headers = _blob_headers(digest)
    if request.method == "HEAD":
        return Answer(200, headers, length=await app.in_thread(mirror.size, digest))
    fetch = await app.in_thread(mirror.fetch, digest)
    if fetch is None:
        return None
    if request.header("range") is not None or is_known(request, digest):
        await app.in_thread(fetch.finish)
        return None
    app.tell("pull", request, mirror.name, Link(digest, fetch.size, 0), None)
    return Answer(200, headers, part=as_stream(fetch), length=fetch.size)


def is_known(request: Request, digest: Digest) -> bool:
    """Whether the client has just these bytes already (RFC 9110, section 13.1.2)."""
    text = request.header("if-none-match")
    return text is not None and (text.strip() == "*" or str(digest) in entity_tags(text))


def entity_tags(text: str) -> list[str]:
    """The tags of a list, weak ones too, without their quotes."""
    return re.findall(r'(?:W/)?"([^"]*)"', text)


def _part(request: Request, digest: Digest, size: int) -> tuple[int, int] | None:
    """The range asked for, unless it is of other bytes (RFC 9110, section 13.1.5)."""
    text = request.header("range")
    if text is None:
        return None
    condition = request.header("if-range")
    if condition is not None and condition.strip() != f'"{digest}"':
        return None
    return parse_range(text, size)


def _blob_headers(digest: Digest) -> dict[str, str]:
    headers = _headers(digest, "application/octet-stream", by_digest=True)
    return {**headers, "accept-ranges": "bytes"}


def _headers(digest: Digest, media_type: str, *, by_digest: bool) -> dict[str, str]:
    return {
        "content-type": media_type,
        "docker-content-digest": digest,
        "etag": f'"{digest}"',
        "cache-control": _FOREVER if by_digest else "no-cache",
    }


def _tag(reference: str) -> str | None:
    return None if ":" in reference else reference
