"""certs.d: certificates for one host (containers-certs.d(5); "Verify repository client" of Docker).

certs.d/HOST[:PORT]/ca.crt, or any *.crt       trusted for that host
certs.d/HOST[:PORT]/client.cert, client.key    shown to that host
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lamina.errors import Invalid


def find(
    directories: Sequence[Path], authority: str
) -> tuple[tuple[Path, ...], tuple[tuple[Path, Path], ...]]:
    """The trusted files for host[:port], and the pairs of certificate and key to show it.

    The first of the directories that has one for the host counts, as in containers/image.
    """
    for directory in directories:
        place = directory / authority
        try:
            files = sorted(place.iterdir())
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            continue
        trusted = tuple(file for file in files if file.suffix == ".crt")
        pairs = tuple(_pair(file) for file in files if file.suffix == ".cert")
        for file in files:
            if file.suffix == ".key" and not file.with_suffix(".cert").exists():
                raise Invalid(
                    f'key "{file}" is without its certificate: expected "{file.stem}.cert"',
                    hint='the certificate of a client ends in ".cert"',
                )
        return trusted, pairs
    return (), ()


def _pair(certificate: Path) -> tuple[Path, Path]:
    key = certificate.with_suffix(".key")
    if not key.exists():
        raise Invalid(
            f'certificate "{certificate}" is without its key: expected "{key.name}"',
            hint='the certificate of an authority ends in ".crt"',
        )
    return certificate, key
