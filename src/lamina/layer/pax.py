"""PAX extended headers (POSIX pax, "pax Extended Header")."""

from __future__ import annotations

from lamina.layer.header import printable
from lamina.layer.limits import BadArchive, BadEntry

XATTR = "SCHILY.xattr."

_NO_NUL = ("path", "linkpath", "uname", "gname", "GNU.sparse.name")
_FRACTION = 9  # digits of a nanosecond


def records(data: bytes) -> dict[str, bytes]:
    """The "length key=value\\n" records of an extended header; later ones win.

    The pairs of sparse format 0.0, which repeat two keys, come back joined as `GNU.sparse.map`.
    """
    found: dict[str, bytes] = {}
    pairs: list[bytes] = []
    at, end = 0, len(data)
    while at < end:
        blank = data.find(b" ", at, at + 20)
        digits = data[at:blank] if blank > 0 else b""
        if not digits.isdigit():
            if not data[at:].strip(b"\0"):  # padded with NULs inside its size
                break
            raise BadArchive("a PAX header has a record without a length")
        stop = at + int(digits)
        if stop > end or stop <= blank or data[stop - 1] != 0x0A:
            raise BadArchive("a PAX header has a record of a wrong length")
        raw_key, equals, value = data[blank + 1 : stop - 1].partition(b"=")
        if not equals or not raw_key or b"\0" in raw_key:
            raise BadArchive("a PAX header has a record without a key")
        at = stop
        key = raw_key.decode("utf-8", "surrogateescape")
        if key in ("GNU.sparse.offset", "GNU.sparse.numbytes"):
            if (len(pairs) % 2 == 0) != (key == "GNU.sparse.offset"):
                raise BadArchive("the sparse map of a PAX header is out of order")
            pairs.append(value)
            continue
        if key in _NO_NUL and b"\0" in value:
            raise BadEntry(f'the PAX record "{key}" holds a NUL')
        found[key] = value
    if pairs:
        found["GNU.sparse.map"] = b",".join(pairs)
    return found


def record(key: str, value: bytes) -> bytes:
    """One record; its length counts itself."""
    body = b" " + key.encode("utf-8", "surrogateescape") + b"=" + value + b"\n"
    length = len(body) + len(str(len(body)))
    while length != len(body) + len(str(length)):
        length = len(body) + len(str(length))
    return str(length).encode() + body


def integer(value: bytes, key: str) -> int:
    """A decimal value; a sign is allowed, for odd but real owners and times."""
    digits = value[1:] if value[:1] == b"-" else value
    if not digits.isdigit() or len(digits) > 40:
        raise BadArchive(f'the PAX record "{key}" is "{_shown(value)}", not a number')
    return int(value)


def nanoseconds(value: bytes, key: str) -> int:
    """Decimal seconds, perhaps with a fraction and a sign, as nanoseconds, cut off towards 0."""
    whole, _, fraction = value.partition(b".")
    if fraction and not fraction.isdigit():
        raise BadArchive(f'the PAX record "{key}" is "{_shown(value)}", not a time')
    seconds = integer(whole, key) * 1_000_000_000
    rest = int(fraction[:_FRACTION].ljust(_FRACTION, b"0")) if fraction else 0
    return seconds - rest if value[:1] == b"-" else seconds + rest


def seconds(value: int) -> bytes:
    """Nanoseconds as decimal seconds, without needless zeros; the inverse of `nanoseconds`."""
    whole, rest = divmod(abs(value), 1_000_000_000)
    sign = "-" if value < 0 else ""
    fraction = f".{rest:09d}".rstrip("0") if rest else ""
    return f"{sign}{whole}{fraction}".encode()


def _shown(value: bytes) -> str:
    return printable(value.decode("utf-8", "surrogateescape"))
