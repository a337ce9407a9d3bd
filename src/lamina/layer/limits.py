"""How much of a layer is believed before it is called a bomb."""

from __future__ import annotations

from lamina.errors import Corrupt, Invalid
from lamina.values import dataclass


class BadArchive(Corrupt):
    """The bytes are not a tar archive, or stop in the middle of one."""


class BadCompression(Corrupt):
    """The compressed bytes are damaged, truncated, or followed by something else."""


class BadEntry(Invalid):
    """A well-formed archive says something that no layer may say."""


class TooMuch(Invalid):
    """The archive is larger than the limits allow."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Ceilings for what a peer sends; each is far above what honest layers need."""

    entries: int = 4_000_000
    plain_size: int = 1 << 40  # bytes of the uncompressed tar
    ratio: int = 1500  # plain to stored; deflate cannot pass 1032
    ratio_from: int = 256 << 20  # plain bytes below which the ratio is not looked at
    name: int = 4095  # bytes of a path or link text; PATH_MAX with its NUL
    extended: int = 1 << 20  # bytes of one PAX header or GNU long name


DEFAULT = Limits()
