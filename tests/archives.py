"""Tars for the tests of layers, and what has become of them."""

from __future__ import annotations

import io
from pathlib import Path

from lamina.layer.tar import DIR, FILE, Entry, TarWriter

Member = Entry | tuple[Entry, bytes]


def file(path: str, data: bytes = b"", **fields: object) -> tuple[Entry, bytes]:
    return Entry(path, FILE, size=len(data), **fields), data


def folder(path: str, mode: int = 0o755, **fields: object) -> Entry:
    return Entry(path, DIR, mode, **fields)


def tar(*members: Member) -> bytes:
    out = io.BytesIO()
    writer = TarWriter(out.write)
    for member in members:
        entry, data = member if isinstance(member, tuple) else (member, b"")
        writer.add(entry, data)
    writer.close()
    return out.getvalue()


def names(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*"))
