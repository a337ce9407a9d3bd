"""The processes of a running container, as this host sees them (`lamina top`)."""

from __future__ import annotations

import os
from collections.abc import Sequence

from lamina.errors import Invalid, Unsupported
from lamina.run.owner import Owner
from lamina.values import dataclass


def pids(first: Owner) -> list[int]:
    """Every process in the PID namespace of a container's first one, sorted; inner ones too."""
    wanted = _namespaces(first.pid)
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit() and wanted and _is_inside(int(name), wanted):
            found.append(int(name))
    return sorted(found) if first.is_alive() else []


def _namespaces(pid: int) -> str:
    try:
        return os.readlink(f"/proc/{pid}/ns/pid")
    except OSError:
        return ""


def _is_inside(pid: int, wanted: str) -> bool:
    return _namespaces(pid) == wanted


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of columns, as ps(1) prints them."""

    titles: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def table(first: Owner, options: Sequence[str]) -> Table:
    """`ps -ef`, or ps with `options`, of the container's processes only.

    Invalid if ps refuses them, or if they leave out the PID, by which rows are chosen.
    """
    import subprocess

    inside = {str(pid) for pid in pids(first)}
    try:
        ran = subprocess.run(
            ["ps", *(options or ("-ef",))],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "COLUMNS": "4096"},  # ps cuts its lines to the terminal's
        )
    except FileNotFoundError:
        if options:
            raise Unsupported('options for "ps" need the "ps" of this host, from procps') from None
        return _plain(sorted(map(int, inside)))
    if ran.returncode:
        raise Invalid(f'"ps" refused: {ran.stderr.strip().splitlines()[-1]}')
    lines = ran.stdout.splitlines()
    titles = tuple(lines[0].split())
    if "PID" not in titles:
        raise Invalid("the PID is missing in what ps prints", hint='add it: "-o pid,comm"')
    at = titles.index("PID")
    rows = (tuple(line.split(None, len(titles) - 1)) for line in lines[1:])
    return Table(titles, tuple(row for row in rows if len(row) > at and row[at] in inside))


def _plain(found: list[int]) -> Table:
    """The same from proc(5) alone, on a host without ps."""
    rows = []
    for pid in found:
        try:
            with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
                status = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                words = os.fsdecode(file.read().replace(b"\0", b" ")).strip()
        except OSError:
            continue
        uid = status["Uid"].split()[0]
        rows.append((uid, str(pid), status["PPid"], words or f"[{status['Name']}]"))
    return Table(("UID", "PID", "PPID", "CMD"), tuple(rows))
