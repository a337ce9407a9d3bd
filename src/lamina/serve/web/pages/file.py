"""One file after one instruction: looked at as text or bytes, or handed out as it is."""

from __future__ import annotations

import io
from collections.abc import Iterator
from itertools import chain
from typing import BinaryIO, cast

from lamina.errors import NotFound
from lamina.image.stack import Node
from lamina.layer.entry import DIR, FILE, SYMLINK
from lamina.serve.answer import Answer
from lamina.serve.web.links import Query, attachment, visible
from lamina.serve.web.pages import Desk, Page
from lamina.serve.web.pages.image import Place, about, crumbs, mode, need_place
from lamina.values import dataclass

_SHOWN = 256 << 10  # bytes of a text
_DUMPED = 4 << 10  # bytes of what is no text
_SNIFFED = 8 << 10


@dataclass(frozen=True, slots=True)
class Version:
    """What once stood at the path."""

    step: int | None
    mode: str
    size: int
    type: str
    until: int | None  # the instruction that took it away or replaced it
    is_shown: bool


def file(desk: Desk, query: Query) -> Page:
    """The file, what became of it in the image, and its first bytes."""
    found = need_place(desk, query)
    path = _path(query)
    with found.look.lock:
        node = found.look.timeline.at(path, found.depth)
        versions = found.look.timeline.versions(path)
    if not versions:
        raise NotFound(f'there is no "/{visible(path)}" in this image')
    if node is not None and node.entry.type is DIR:
        raise NotFound(f'"/{visible(path)}" is a directory, and not a file')
    values = {
        **about(found, "file"),
        "path": path,
        "crumbs": crumbs(path),
        "versions": [_version(found, one, node) for one in versions],
        "node": node,
        "mode": mode(node.source.entry) if node is not None else "",
        "target": _target(path, node) if node is not None else "",
        **_content(found, node),
    }
    return Page("file.html", values)


def _path(query: Query) -> str:
    return "/".join(part for part in query.text("path").split("/") if part not in ("", "."))


def _version(found: Place, one: Node, node: Node | None) -> Version:
    return Version(
        step=found.step_of(one.layer),
        mode=mode(one.source.entry),
        size=one.source.entry.size,
        type=str(one.entry.type),
        until=found.step_of(one.hidden_by),
        is_shown=one is node,
    )


def _target(path: str, node: Node) -> str:
    """Where a link leads, as a path of the image; "" for what is no link."""
    if node.entry.type is not SYMLINK:
        return ""
    link = node.entry.link
    return link if link.startswith("/") else f"/{path.rpartition('/')[0]}/{link}"


def _content(found: Place, node: Node | None) -> dict[str, object]:
    """The beginning of a file, as text if it is some."""
    if node is None or node.source.entry.type is not FILE:
        return {"is_file": False}
    size = node.source.entry.size
    head = _head(found.look.sight.read(node.source), _SHOWN)
    text = as_text(head, is_whole=len(head) == size)
    shown = head if text is not None else head[:_DUMPED]
    return {
        "is_file": True,
        "size": size,
        "text": text if text is not None else dump(shown),
        "is_text": text is not None,
        "is_cut": len(shown) < size,
        "shown": len(shown),
    }


def _head(pieces: Iterator[bytes], limit: int) -> bytes:
    found: list[bytes] = []
    for piece in pieces:
        found.append(piece[:limit])
        limit -= len(found[-1])
        if not limit:
            break
    return b"".join(found)


def as_text(head: bytes, *, is_whole: bool) -> str | None:
    """The text that the bytes spell in UTF-8; None if they are none."""
    if b"\0" in head[:_SNIFFED]:
        return None
    try:
        return head.decode()
    except UnicodeDecodeError as error:
        if not is_whole and error.start > len(head) - 4:
            return head[: error.start].decode()  # cut within a character
    text = head.decode("utf-8", "replace")
    return text if text.count("\ufffd") * 20 < len(text) else None


def dump(data: bytes) -> str:
    """Bytes in hexadecimal, sixteen to a line, with what of them is ASCII."""
    lines = []
    for at in range(0, len(data), 16):
        row = data[at : at + 16]
        plain = "".join(chr(one) if 32 <= one < 127 else "." for one in row)
        lines.append(f"{at:08x}  {row[:8].hex(' '):<23}  {row[8:].hex(' '):<23}  {plain}")
    return "\n".join(lines)


def raw(desk: Desk, query: Query) -> Answer:
    """The bytes of a file, as an attachment; links are followed within the image."""
    found = need_place(desk, query)
    path = _path(query)
    with found.look.lock:
        there = found.look.timeline.resolve(path, found.depth)
        node = found.look.timeline.at(there, found.depth)
    if node is None or node.source.entry.type is not FILE:
        raise NotFound(f'"/{visible(path)}" is not a file')
    pieces = found.look.sight.read(node.source)
    # What is wrong at the beginning is said before anything is promised.
    first = next(pieces, b"")
    size = node.source.entry.size
    headers = {
        "content-type": "application/octet-stream",
        "content-disposition": attachment(path),
    }
    part = cast("BinaryIO", _Pieces(chain([first], pieces), pieces))
    return Answer(200, headers, part=part, length=size)


class _Pieces(io.RawIOBase):
    """Pieces of bytes as a stream."""

    def __init__(self, pieces: Iterator[bytes], source: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._source = source
        self._left = b""

    def read(self, size: int = -1, /) -> bytes:
        while not self._left:
            piece = next(self._pieces, None)
            if piece is None:
                return b""
            self._left = piece
        found = self._left if size < 0 else self._left[:size]
        self._left = self._left[len(found) :]
        return found

    def close(self) -> None:
        close = getattr(self._source, "close", None)
        if close is not None:
            close()  # of the generator, which closes the layer
        super().close()
