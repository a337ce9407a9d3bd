"""Addresses of pages, and names as they can be shown.

Names in layers are bytes. In Python they are text with surrogates for what is not UTF-8; in an
address each byte is percent-encoded; on a page such a byte is spelled out, and so is whatever
could steer how the rest is read.
"""

from __future__ import annotations

from urllib.parse import parse_qs, quote, urlencode

from lamina.serve.request import BadRequest

_FIELDS = 30  # of a query
_LONGEST = 8 << 10  # bytes of a query


def to(page: str, /, **values: object) -> str:
    """The address of a page beside this one; values that are None, "" or False are left out."""
    given = [
        (name, "1" if value is True else str(value))
        for name, value in values.items()
        if value is not None and value is not False and value != ""
    ]
    query = urlencode(given, errors="surrogateescape", quote_via=quote, safe="/:@")
    return f"{page}?{query}" if query else page


def visible(text: str) -> str:
    """`text` with bytes that are no UTF-8, control and direction characters spelled out."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else _spelled(one) for one in text)


def _spelled(one: str) -> str:
    code = ord(one)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    known = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}.get(one)
    return known or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")


def attachment(path: str) -> str:
    """The Content-Disposition that saves a file under its own name (RFC 6266, RFC 8187)."""
    name = path.rpartition("/")[2] or "file"
    plain = "".join(
        one if one.isascii() and one.isprintable() and one not in '"\\%/;' else "_" for one in name
    )
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(visible(name), safe='')}"


class Query:
    """What an address asks for."""

    def __init__(self, raw: bytes) -> None:
        try:
            if len(raw) > _LONGEST:
                raise ValueError
            self._values = parse_qs(
                raw.decode("ascii"),
                keep_blank_values=True,
                max_num_fields=_FIELDS,
                errors="surrogateescape",
            )
        except ValueError:
            raise BadRequest("the query is malformed, or too long") from None

    def text(self, name: str) -> str:
        """The first value of a field; "" if there is none."""
        return self._values.get(name, [""])[0]

    def flag(self, name: str) -> bool:
        return self.text(name) not in ("", "0")

    def number(self, name: str, usual: int, *, least: int = 0, most: int) -> int:
        """A number, moved to within its bounds; BadRequest if it is none."""
        text = self.text(name)
        if not text:
            return usual
        if not (text.isascii() and text.isdigit() and len(text) < 10):
            raise BadRequest(f'"{name}" is "{visible(text[:20])}": expected a number')
        return max(least, min(int(text), most))
