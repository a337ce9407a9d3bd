"""Lists of a registry, page by page: tags, repositories, referrers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from urllib.parse import urlencode

from lamina.errors import Corrupt, Denied, Invalid
from lamina.oci import descriptor as descriptors
from lamina.oci import manifest as manifests
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest
from lamina.oci.distribution import link
from lamina.oci.distribution.endpoint import Endpoint, Kind
from lamina.oci.document import MANIFEST_LIMIT
from lamina.remote.session import NotBuilt, NotThere, Session
from lamina.remote.transport import Answer
from lamina.remote.url import join, origin, shown

_PAGES = 10_000  # at most, of one list
_PER_PAGE = 1000  # entries asked for

__all__ = ["catalog", "descriptors", "pages", "referrers", "referrers_tag"]


def catalog(session: Session) -> Iterator[str]:
    """Every repository that the registry shows."""
    return pages(session, Endpoint(Kind.CATALOG).path, "repositories", ("registry:catalog:*",))


def pages(session: Session, path: str, key: str, scopes: Iterable[str]) -> Iterator[str]:
    """The strings under `key` of each page (distribution-spec, "Listing Tags")."""
    place: str | None = f"{path}?{urlencode({'n': _PER_PAGE})}"
    for answer, body in _documents(session, place, tuple(scopes)):
        try:
            found = json.loads(body)[key]
        except (ValueError, KeyError, TypeError, RecursionError):
            raise _wrong(answer, f"a list of {key}") from None
        if found is None:
            continue
        if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
            raise _wrong(answer, f"a list of {key}")
        yield from found


def referrers(
    session: Session,
    name: str,
    digest: Digest,
    artifact_type: str | None,
    scopes: Iterable[str],
) -> list[Descriptor] | None:
    """What refers to `digest`; None where the registry has no such list."""
    query = f"?{urlencode({'artifactType': artifact_type})}" if artifact_type else ""
    place = Endpoint(Kind.REFERRERS, name, digest).path + query
    found: list[Descriptor] = []
    try:
        for answer, body in _documents(session, place, tuple(scopes)):
            index = manifests.parse(body)
            if not isinstance(index, manifests.Index):
                raise _wrong(answer, "an index of referrers")
            found += index.manifests
    except (NotThere, NotBuilt):
        return None
    return found


def referrers_tag(digest: Digest) -> str:
    """The tag of the list in registries without one ("Referrers Tag Schema")."""
    return f"{digest.algorithm[:32]}-{digest.encoded[:64]}"


def _documents(
    session: Session, place: str | None, scopes: tuple[str, ...]
) -> Iterator[tuple[Answer, bytes]]:
    """Each page; Corrupt if they lead in circles or never end."""
    seen: set[str] = set()
    while place is not None:
        if place in seen or len(seen) >= _PAGES:
            raise Corrupt(f'the registry "{session.host}" lists without end')
        seen.add(place)
        answer = session.send("GET", place, scopes=scopes)
        yield answer, answer.whole(MANIFEST_LIMIT)
        target = link.next_page(answer.header("Link"))
        place = None if target is None else join(answer.url, target)
        if place is not None and origin(place) != origin(answer.url):
            raise Denied(f'the registry "{session.host}" leads to another host for its next page')


def _wrong(answer: Answer, expected: str) -> Invalid:
    return Invalid(f'"{shown(answer.url)}" does not answer with {expected}')
