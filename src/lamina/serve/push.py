"""Uploads, mounts and manifests (distribution-spec, "Push")."""

from __future__ import annotations

from lamina.fs import syscalls
from lamina.oci.digest import Digest
from lamina.oci.distribution.endpoint import Endpoint, Kind, is_session
from lamina.oci.distribution.range import parse_chunk, upload_range
from lamina.oci.media_type import SCHEMA1, SCHEMAS1
from lamina.registry.failures import (
    Changed,
    NoUpload,
    OutOfOrder,
    TooLarge,
    WrongDigest,
    WrongSize,
)
from lamina.registry.repository import Repository, parse_digest
from lamina.serve.answer import Answer
from lamina.serve.errors import TooManyTags
from lamina.serve.pull import entity_tags
from lamina.serve.request import Request

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from lamina.registry.blobs import Upload
    from lamina.registry.metadata import Link
    from lamina.registry.repository import Condition
    from lamina.serve.app import App

_BATCH = 4 << 20  # bytes hashed and written at once
_TAGS = 100  # of one push


async def start(app: App, request: Request, endpoint: Endpoint) -> Answer:
    """POST: begin an upload, mount a blob, or push one in a single request (end-4, end-11)."""
    repository = app.writable(endpoint.name)
    mounted = request.parameter("mount")
    if mounted is not None:
        source = request.parameter("from")
        may_see = app.may_pull(request)
        link = await app.in_thread(repository.mount, mounted, source, may_see)
        if link is not None:
            app.tell("mount", request, endpoint.name, link, None)
            return _created(endpoint.name, link.digest)
    text = request.parameter("digest")
    algorithm = request.parameter("digest-algorithm") or "sha256"
    if text is None or mounted is not None or not _is_whole(request, text):
        session = await app.in_thread(repository.begin, algorithm)
        return _under_way(202, endpoint.name, session, 0)
    digest = parse_digest(text)
    _check_size(app, request, 0)
    session = await app.in_thread(repository.begin, digest.algorithm)
    upload = await app.in_thread(repository.resume, session)
    try:
        await _receive(app, request, upload)
        return await _finish(app, request, repository, upload, digest)
    except BaseException:
        # Nobody knows of this session, so nobody could go on with it.
        await app.in_thread(upload.discard)
        raise
    finally:
        await app.in_thread(upload.__exit__)


async def status(app: App, request: Request, endpoint: Endpoint) -> Answer:
    """GET: how much of an upload is here (end-13)."""
    session = _session(endpoint)
    offset = app.writable(endpoint.name).offset(session)
    return _under_way(204, endpoint.name, session, offset)


async def chunk(app: App, request: Request, endpoint: Endpoint) -> Answer:
    """PATCH: more of an upload (end-5)."""
    session = _session(endpoint)
    upload = await app.in_thread(app.writable(endpoint.name).resume, session)
    try:
        await _append(app, request, upload)
        return _under_way(202, endpoint.name, session, upload.offset)
    finally:
        await app.in_thread(upload.__exit__)


async def finish(app: App, request: Request, endpoint: Endpoint) -> Answer:
    """PUT: the last of an upload, if anything is left, and the digest of it all (end-6)."""
    repository = app.writable(endpoint.name)
    session = _session(endpoint)
    text = request.parameter("digest")
    if text is None:
        raise WrongDigest('the parameter "digest" is missing')
    digest = parse_digest(text)
    if request.length == 0:  # what nearly all say: all of it is here, and one thread does the rest
        link = await app.in_thread(_commit, app, request, repository, session, digest)
        return _pushed(app, request, repository, link)
    upload = await app.in_thread(repository.resume, session)
    try:
        await _append(app, request, upload)
        return await _finish(app, request, repository, upload, digest)
    finally:
        await app.in_thread(upload.__exit__)


async def cancel(app: App, request: Request, endpoint: Endpoint) -> Answer:
    """DELETE: throw an upload away (end-14)."""
    upload = await app.in_thread(app.writable(endpoint.name).resume, _session(endpoint))
    await app.in_thread(upload.discard)
    return Answer(204)


async def manifest(app: App, request: Request, endpoint: Endpoint) -> Answer:
    """PUT of a manifest, under a tag, or a digest and perhaps tags (end-7)."""
    repository = app.writable(endpoint.name)
    by_digest = ":" in endpoint.reference
    digest = parse_digest(endpoint.reference) if by_digest else None
    tags = request.query.get("tag", []) if by_digest else [endpoint.reference]
    if len(tags) > _TAGS:
        raise TooManyTags(f"{len(tags)} tags in one push: at most {_TAGS} are taken")
    raw = await request.body("the manifest", app.limits.manifest)
    media_type = _media_type(request)
    is_old = app.old is not None and media_type in SCHEMAS1
    if is_old and app.old is not None:
        raw = await app.in_thread(app.old.payload, raw)
        media_type = SCHEMA1
    kept = await app.in_thread(
        lambda: repository.put_manifest(
            raw,
            media_type,
            digest=digest,
            tags=list(dict.fromkeys(tags)),
            condition=_condition(request),
            schema1=is_old,
        )
    )
    headers = {
        "location": Endpoint(Kind.MANIFEST, endpoint.name, kept.digest).path,
        "docker-content-digest": kept.digest,
        "etag": f'"{kept.digest}"',
    }
    if kept.subject is not None:
        headers["oci-subject"] = kept.subject
    if by_digest and tags:
        headers["oci-tag"] = ", ".join(dict.fromkeys(tags))
    named: list[str | None] = [*tags]
    for tag in named or [None]:
        app.tell("push", request, endpoint.name, kept, tag)
    app.prepare(f"{endpoint.name}@{kept.digest}")
    return Answer(201, headers)


def _is_whole(request: Request, digest: str) -> bool:
    """Whether the request brings the blob along, which may be the empty one."""
    if request.has_body:
        return True
    return digest == Digest.of(b"", digest.partition(":")[0]) if _is_usable(digest) else True


def _is_usable(digest: str) -> bool:
    try:
        parse_digest(digest)
    except WrongDigest:
        return False
    return True


def _session(endpoint: Endpoint) -> str:
    if not is_session(endpoint.reference):
        raise NoUpload(endpoint.reference[:100])
    return endpoint.reference


async def _append(app: App, request: Request, upload: Upload) -> None:
    """What the request brings, if it goes on where the upload stands; else nothing changes."""
    text = request.header("content-range")
    length = None
    if text is not None and request.has_body:
        start, length = parse_chunk(text)
        if start != upload.offset:
            raise OutOfOrder(upload.session, start, upload.offset)
        if request.length is not None and request.length != length:
            raise WrongSize(f'"Content-Range" announces {length} bytes, the length another number')
    before = upload.offset
    _check_size(app, request, before)
    try:
        await _receive(app, request, upload)
        if length is not None and upload.offset - before != length:
            raise WrongSize(f"{upload.offset - before} bytes came where {length} were announced")
    except (TooLarge, WrongSize):
        await app.in_thread(upload.truncate, before)
        raise


def _check_size(app: App, request: Request, before: int) -> None:
    if (request.length or 0) + before > app.limits.blob:
        raise TooLarge("the blob", app.limits.blob)
    if (request.length or 0) > app.limits.request:
        raise TooLarge("the body of one request", app.limits.request)


async def _receive(app: App, request: Request, upload: Upload) -> None:
    """Append the body. Hashing and writing go on in a thread while more arrives.

    A client that goes away leaves what came.
    """
    batch: list[bytes] = []
    size = 0
    room = min(app.limits.blob - upload.offset, app.limits.request)
    job = None
    try:
        async for piece in request.pieces():
            if request.received > room:
                what = "the blob" if room < app.limits.request else "the body of one request"
                raise TooLarge(what, app.limits.blob if what == "the blob" else room)
            batch.append(piece)
            size += len(piece)
            if size >= _BATCH:
                if job is not None:
                    await job
                job = app.start_thread(upload.append, batch)
                batch, size = [], 0
    finally:
        if job is not None:
            await job
        if batch:
            await app.in_thread(upload.append, batch)
        if request.received > _BATCH:
            batch.clear()
            await app.in_thread(syscalls.give_back_heap)


async def _finish(
    app: App, request: Request, repository: Repository, upload: Upload, digest: Digest
) -> Answer:
    link = await app.in_thread(repository.finish, upload, digest)
    return _pushed(app, request, repository, link)


def _commit(
    app: App, request: Request, repository: Repository, session: str, digest: Digest
) -> Link:
    """Make an upload a blob that has all its bytes."""
    with repository.resume(session) as upload:
        _check_size(app, request, upload.offset)
        return repository.finish(upload, digest)


def _pushed(app: App, request: Request, repository: Repository, link: Link) -> Answer:
    app.tell("push", request, repository.name, link, None)
    return _created(repository.name, link.digest)


def _created(name: str, digest: Digest) -> Answer:
    return Answer(
        201,
        {
            "location": Endpoint(Kind.BLOB, name, digest).path,
            "docker-content-digest": digest,
        },
    )


def _under_way(code: int, name: str, session: str, offset: int) -> Answer:
    return Answer(code, upload_headers(name, session, offset))


def upload_headers(name: str, session: str, offset: int) -> dict[str, str]:
    """Where an upload goes on, and from where."""
    return {
        "location": Endpoint(Kind.UPLOAD, name, session).path,
        "range": upload_range(offset),
        "docker-upload-uuid": session.partition(".")[0],
    }


def _media_type(request: Request) -> str | None:
    """The Content-Type without its parameters."""
    text = (request.header("content-type") or "").partition(";")[0].strip()
    return text or None


def _condition(request: Request) -> Condition | None:
    """What the client makes its change depend on (RFC 9110, sections 13.1.1 and 13.1.2)."""
    wanted, unwanted = request.header("if-match"), request.header("if-none-match")
    if wanted is None and unwanted is None:
        return None

    def check(tag: str, before: Digest | None) -> None:
        if wanted is not None and not _matches(wanted, before):
            raise Changed(f'the tag "{tag}" does not mean what the request expects')
        if unwanted is not None and _matches(unwanted, before):
            raise Changed(f'the tag "{tag}" is there already')

    return check


def _matches(text: str, digest: Digest | None) -> bool:
    if digest is None:
        return False
    return text.strip() == "*" or str(digest) in entity_tags(text)
