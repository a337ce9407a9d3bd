"""Lists: tags, referrers, repositories (distribution-spec, "Content Discovery")."""

from __future__ import annotations

import json

from lamina.oci import media_type as types
from lamina.oci.distribution.endpoint import Endpoint
from lamina.oci.distribution.link import to_next
from lamina.registry.repository import parse_digest
from lamina.serve.answer import Answer, of_bytes, of_json
from lamina.serve.errors import BadPage
from lamina.serve.request import Request

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from lamina.oci.digest import Digest
    from lamina.serve.app import App

PAGE = 10_000  # entries of one page, unless the client wants fewer
REFERRERS_SIZE = 4 << 20  # bytes of one page: clients take it for a manifest
_BATCH = 1000  # referrers looked at at once


async def base(app: App, request: Request, endpoint: Endpoint) -> Answer:
    """GET /v2/: the API is here (end-1)."""
    return of_json(200, {})


async def tags(app: App, request: Request, endpoint: Endpoint) -> Answer:
    """GET of the tags of a repository, page by page (end-8)."""
    repository = app.registry.repository(endpoint.name)
    limit, asked = _limit(request)
    after = request.parameter("last") or ""
    mirror = app.mirror(endpoint.name)
    upstream = await app.in_thread(mirror.tags) if mirror is not None else None
    if upstream is not None:
        rest = [tag for tag in upstream if (tag.lower(), tag) > (after.lower(), after)]
        headers = _link(endpoint, rest[:limit], asked, more=len(rest) > limit)
        return of_json(200, {"name": endpoint.name, "tags": rest[:limit]}, headers)
    # Whether there is more is known by asking for one more; the repository is looked for anyway.
    found = repository.tags(after=after, limit=limit + 1)
    page = found[:limit]
    headers = _link(endpoint, page, asked, more=len(found) > limit)
    answer = of_json(200, {"name": endpoint.name, "tags": page}, headers)
    answer.lasts = mirror is None
    return answer


async def catalog(app: App, request: Request, endpoint: Endpoint) -> Answer:
    """GET of the repositories that the client may pull from (Docker's extension)."""
    may_pull = app.may_pull(request)
    limit, asked = _limit(request)
    after = request.parameter("last") or ""
    page: list[str] = []
    more = True
    while more and len(page) <= limit:
        found = app.registry.repositories(after=after, limit=limit + 1)
        more = len(found) > limit
        page += [name for name in found if may_pull(name)]
        after = found[-1] if found else after
    headers = _link(endpoint, page[:limit], asked, more=len(page) > limit)
    return of_json(200, {"repositories": page[:limit]}, headers)


async def referrers(app: App, request: Request, endpoint: Endpoint) -> Answer:
    """GET of the manifests that have this one as their subject (end-12)."""
    repository = app.registry.repository(endpoint.name)
    artifact_type = request.parameter("artifactType") or None
    after = request.parameter("last") or ""
    page: list[str] = []
    mirror = app.mirror(endpoint.name)
    if mirror is not None:
        subject = parse_digest(endpoint.reference)
        upstream = await app.in_thread(mirror.referrers, subject, artifact_type)
        if upstream is not None:
            return _referrers_page([json.dumps(one.to_json()) for one in upstream], artifact_type)
    size, more = 0, True
    while more:
        found = repository.referrers(
            endpoint.reference, artifact_type=artifact_type, after=after, limit=_BATCH
        )
        more = len(found) == _BATCH
        taken = _fitting(found, REFERRERS_SIZE - size, at_least_one=not page)
        page += [text for _, text in found[:taken]]
        size += sum(len(text.encode()) + 1 for _, text in found[:taken])
        after = found[taken - 1][0] if taken else after
        if taken < len(found):
            more = True
            break
    answer = _referrers_page(page, artifact_type)
    if more:
        query = {"last": after}
        if artifact_type is not None:
            query["artifactType"] = artifact_type
        answer.headers["link"] = to_next(endpoint.path, query)
    answer.lasts = mirror is None
    return answer


def _referrers_page(descriptors: list[str], artifact_type: str | None) -> Answer:
    """An index of descriptors, which are JSON already."""
    headers = {"oci-filters-applied": "artifactType"} if artifact_type is not None else {}
    start = {"schemaVersion": 2, "mediaType": types.OCI_INDEX}
    body = f'{json.dumps(start)[:-1]}, "manifests": [{",".join(descriptors)}]}}'
    return of_bytes(200, body.encode(), types.OCI_INDEX, headers)


def _fitting(found: list[tuple[Digest, str]], room: int, *, at_least_one: bool) -> int:
    """How many of the first descriptors fit into `room` bytes."""
    for number, (_, text) in enumerate(found):
        room -= len(text.encode()) + 1
        if room < 0 and (number or not at_least_one):
            return number
    return len(found)


def _limit(request: Request) -> tuple[int, int | None]:
    """How many entries a page has at most, and how many the client asks for."""
    text = request.parameter("n")
    if text is None:
        return PAGE, None
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise BadPage(f'"n" is "{text[:20]}": expected a number')
    return min(int(text), PAGE), int(text)


def _link(endpoint: Endpoint, page: list[str], asked: int | None, *, more: bool) -> dict[str, str]:
    """The header that leads to the page after this one; none after the last."""
    if not more or not page:
        return {}
    query = {"last": page[-1], **({"n": str(min(asked, PAGE))} if asked is not None else {})}
    return {"link": to_next(endpoint.path, query)}
