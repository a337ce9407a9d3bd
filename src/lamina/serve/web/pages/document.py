"""Manifests, configs and indexes, and what refers to an image."""

from __future__ import annotations

import json

from lamina.errors import Error, NotFound
from lamina.oci import media_type as types
from lamina.serve.answer import Answer, of_bytes
from lamina.serve.web.links import Query, attachment
from lamina.serve.web.pages import Desk, Page
from lamina.serve.web.pages.image import about, place
from lamina.serve.web.shelf import SCHEMA1, Document, Sheet

_SHOWN = 1 << 20  # bytes
_OFFERED = "schema1"  # kind of document


def document(desk: Desk, query: Query) -> Page:
    """One document, laid out to be read."""
    sheet = desk.shelf.sheet(query.text("ref"), query.text("platform") or None)
    found = _find(sheet, query.text("kind"))
    values = {
        "page": found.kind,
        "place": None,
        "sheet": sheet,
        "platform": query.text("platform"),
        "document": found,
        "text": pretty(found.raw),
    }
    return Page("document.html", values)


def bare(desk: Desk, query: Query) -> Answer:
    """One document as it is, to the byte."""
    sheet = desk.shelf.sheet(query.text("ref"), query.text("platform") or None)
    found = _find(sheet, query.text("kind"))
    name = f"{found.digest.encoded[:12]}.{found.kind}.json"
    headers = {"content-disposition": attachment(name)}
    return of_bytes(200, found.raw, "application/octet-stream", headers)


def _find(sheet: Sheet, kind: str) -> Document:
    if kind == _OFFERED:
        offered = sheet.old() if sheet.old is not None else None
        if offered is None:
            raise NotFound(f'"{sheet.reference}" is not offered as Docker {SCHEMA1}')
        return offered
    for one in sheet.documents:
        if one.kind == kind or not kind:
            return one
    raise sheet.problem or NotFound(f'"{sheet.reference}" has no {kind[:20]}')


def pretty(raw: bytes) -> str:
    """JSON with a line for each value; as it is where that cannot be made of it."""
    text = raw[:_SHOWN].decode("utf-8", "backslashreplace")
    if len(raw) > _SHOWN:
        return f"{text}\n…"
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return text


def signatures(desk: Desk, query: Query) -> Page:
    """What refers to the image, and who signed its manifest."""
    found = place(desk, query)
    sheet = found if isinstance(found, Sheet) else found.sheet
    head = about(found, "signatures") if not isinstance(found, Sheet) else None
    signers, problem = keys(sheet.documents[0])
    offered = sheet.old() if sheet.old is not None else None
    values = {
        **(head or {"page": "signatures", "place": None, "sheet": sheet}),
        "platform": query.text("platform"),
        "referrers": sheet.referrers(),
        "keys": signers,
        "problem": problem,
        "offered": keys(offered)[0] if offered is not None else (),
        "holder": desk.shelf.holder(sheet.reference),
    }
    return Page("signatures.html", values)


def keys(first: Document) -> tuple[list[tuple[str, str]], str]:
    """IDs and types of the keys that signed a schema 1 manifest, or what is wrong with it."""
    if first.media_type not in (types.SCHEMA1, types.SCHEMA1_SIGNED):
        return [], ""
    from lamina.oci import schema1

    try:
        if not schema1.read(first.raw).is_signed:
            return [], "the manifest is kept as its payload, without signatures"
        return [(key.id, key.type) for key in schema1.verify(first.raw)], ""
    except Error as error:
        return [], error.message
