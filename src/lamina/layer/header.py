"""The 512-byte header block of tar (POSIX pax, "ustar Interchange Format"; GNU tar manual).

Numbers are octal text, or base-256 where the first byte has its high bit set (GNU, star).
"""

from __future__ import annotations

import struct
from zlib import adler32

from lamina.layer.limits import BadArchive, BadEntry

BLOCK = 512
ZERO_BLOCK = bytes(BLOCK)

# name, mode+uid+gid, size, mtime, checksum, type, link, magic+version, uname+gname, device,
# prefix; what repeats from entry to entry is kept together, so that it is parsed once.
FIELDS = struct.Struct("100s24s12s12s8sc100s8s64s16s155s12x")

USTAR = b"ustar\x0000"
GNU = b"ustar  \x00"

_ADLER = 65521


def checksum_is(block: bytes, wanted: int) -> bool:
    """Whether the bytes of `block`, its checksum field taken as blanks, add up to `wanted`.

    Some old tars added the bytes up as signed ones; both sums are right.
    """
    # The low half of Adler-32 is one more than the sum of the bytes, modulo 65521, in C speed.
    total = (adler32(block) & 0xFFFF) - 1 - sum(block[148:156]) + 256
    if (total - wanted) % _ADLER == 0:
        return True
    unsigned = sum(block) - sum(block[148:156]) + 256
    high = sum(1 for byte in block[:148] + block[156:] if byte >= 128)
    return unsigned - 256 * high == wanted


def number(field: bytes, what: str) -> int:
    """The value of a numeric field; BadArchive if it is none."""
    first = field[0]
    if first & 0x80:
        value = int.from_bytes(field, "big")
        bits = len(field) * 8
        if first & 0x40:  # two's complement, the marking bit being part of it
            return value - (1 << bits)
        return value - (1 << (bits - 1))
    text = field.partition(b"\0")[0].strip(b" ")
    if not text:
        return 0
    # int() would take signs and underscores, too.
    if not text.isdigit():
        raise BadArchive(f'the {what} in a tar header is "{_shown(field)}", not an octal number')
    try:
        return int(text, 8)
    except ValueError:
        raise BadArchive(
            f'the {what} in a tar header is "{_shown(field)}", not an octal number'
        ) from None


def octal(value: int, width: int) -> bytes | None:
    """`value` as a field of `width` bytes with a NUL at its end; None if it does not fit."""
    if value < 0 or value >= 1 << (3 * (width - 1)):
        return None
    return b"%0*o\0" % (width - 1, value)


def text(field: bytes) -> str:
    """The text of a field: up to the first NUL, or all of it."""
    end = field.find(0)
    if end >= 0:
        field = field[:end]
    return field.decode("utf-8", "surrogateescape")


def clean(name: str, what: str = "name") -> str:
    """`name` as a path below the root: "." for the root, no empty, "." or ".." parts.

    A leading "/" means the root of the image. BadEntry if the name climbs out of the root.
    """
    if "/." not in name and "//" not in name and name[:1] not in ("/", ".", "") and name[-1] != "/":
        return name
    parts: list[str] = []
    for part in name.split("/"):
        if part == "..":
            if not parts:
                raise BadEntry(
                    f'the {what} "{printable(name)}" climbs out of the root of the layer',
                    hint="the archive is hostile or damaged: do not use it",
                )
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts) or "."


def printable(name: str) -> str:
    """`name` without what could steer a terminal, and not too long."""
    shown = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in name[:200])
    return shown if len(name) <= 200 else f"{shown}…"


def _shown(field: bytes) -> str:
    return printable(field.rstrip(b"\0").decode("latin-1"))
