"""Writes a tar with a few programs of this machine and the libraries that they need.

It stands in for a base image where there is no network: `python3 base.py | lamina import - NAME`.
"""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

PROGRAMS = ("sh", "cat", "cp", "echo", "env", "id", "ls", "mkdir", "mv", "rm", "sed", "sleep")
DIRECTORIES = ("bin", "dev", "etc", "proc", "root", "sys", "tmp", "usr", "var")


def main() -> None:
    """Write the tar to standard output."""
    wanted: dict[str, Path] = {}
    for name in PROGRAMS:
        found = shutil.which(name)
        if found is None:
            sys.exit(f"this machine has no {name}")
        wanted[f"bin/{name}"] = Path(found).resolve()
        for library in libraries(found):
            wanted[library.lstrip("/")] = Path(library).resolve()
    with tarfile.open(fileobj=sys.stdout.buffer, mode="w|") as tar:
        for name in DIRECTORIES:
            tar.addfile(entry(name, tarfile.DIRTYPE, 0o1777 if name == "tmp" else 0o755))
        for name, path in sorted(wanted.items()):
            data = path.read_bytes()
            tar.addfile(entry(name, tarfile.REGTYPE, 0o755, len(data)), io.BytesIO(data))
        passwd = b"root:x:0:0:root:/root:/bin/sh\n"
        tar.addfile(entry("etc/passwd", tarfile.REGTYPE, 0o644, len(passwd)), io.BytesIO(passwd))


def libraries(program: str) -> list[str]:
    """The shared libraries that a program loads, its loader among them, as absolute paths."""
    listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stdout
    return re.findall(r"(/[^\s()]+) \(0x", listed)


def entry(name: str, kind: bytes, mode: int, size: int = 0) -> tarfile.TarInfo:
    """A header owned by root, at the beginning of time."""
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.size = kind, mode, size
    return info


if __name__ == "__main__":
    main()
