"""Ranges of bytes: of downloads (RFC 9110, section 14), and of uploads (distribution-spec)."""

from __future__ import annotations

from lamina.errors import Invalid
from lamina.late import re

_LIMIT = 10**18  # bytes; a longer number is nobody's


class BadRange(Invalid):
    """A range is malformed, or holds none of the bytes that there are."""


def parse_range(header: str, size: int) -> tuple[int, int] | None:
    """First byte and length asked for by a Range header of a blob of `size` bytes.

    None where the whole blob is the answer: another unit, several ranges, or malformed, which
    RFC 9110, section 14.2 lets a server ignore. BadRange if it holds none of the bytes, or ends
    before it begins, which that section lets a server refuse and the conformance suite expects.
    """
    match = re.fullmatch(r"bytes=[ \t]*([0-9]*)-([0-9]*)[ \t]*", header, re.IGNORECASE)
    if match is None or match.groups() == ("", ""):
        return None
    first, last = match.groups()
    if not first:
        length = min(_number(last), size)
        start, stop = size - length, size
    else:
        start = _number(first)
        stop = min(_number(last) + 1, size) if last else size
    if start >= stop:
        raise BadRange(f'range "{header[:80]}" holds none of the {size} bytes')
    return start, stop - start


def content_range(start: int, length: int, size: int) -> str:
    """The Content-Range header of a part of a blob."""
    return f"bytes {start}-{start + length - 1}/{size}"


def parse_content_range(header: str) -> tuple[int, int, int | None]:
    """First byte, length and size of the whole, None if "*", of a part that a server sends."""
    match = re.fullmatch(r"bytes ([0-9]+)-([0-9]+)/([0-9]+|\*)", header.strip(), re.IGNORECASE)
    if match is None or _number(match[1]) > _number(match[2]):
        raise BadRange(f'"{header[:80]}" is not the range of a part')
    start, last = _number(match[1]), _number(match[2])
    return start, last - start + 1, None if match[3] == "*" else _number(match[3])


def parse_chunk(header: str) -> tuple[int, int]:
    """First byte and length of an uploaded chunk, of its Content-Range "<first>-<last>".

    The unit "bytes" and a size, which some clients send, are let pass.
    """
    match = re.fullmatch(r"(?:bytes[ =])?([0-9]+)-([0-9]+)(?:/(?:[0-9]+|\*))?", header.strip())
    if match is None or _number(match[1]) > _number(match[2]):
        raise BadRange(f'"{header[:80]}" is not the range of a chunk: expected "<first>-<last>"')
    start = _number(match[1])
    return start, _number(match[2]) - start + 1


def upload_range(offset: int) -> str:
    """The Range header of an upload of which `offset` bytes are here; as everybody, 0-0 of none."""
    return f"0-{max(offset - 1, 0)}"


def parse_upload_range(header: str) -> int:
    """How many bytes of an upload a registry says that it has; "0-0", said of none too, is 0."""
    match = re.fullmatch(r"(?:bytes[ =])?0-([0-9]+)", header.strip())
    if match is None:
        raise BadRange(f'"{header[:80]}" does not say how much of the upload is there')
    last = _number(match[1])
    return last + 1 if last else 0


def _number(digits: str) -> int:
    return int(digits) if len(digits) < 19 else _LIMIT
