"""This process's mount table, beside other programs that mount and unmount meanwhile."""

from __future__ import annotations

from pathlib import Path

# Here a container engine or another test puts what is its own; no mount of ours may be elsewhere.
_PASSING = ("/tmp/", "/var/", "/run/", "/dev/shm/")
_OURS = "/run/lamina/"


def mount_table(*places: Path) -> list[str]:
    """The lines of /proc/self/mountinfo but for what others have; `places` are the test's own."""
    kept = (_OURS, *(f"{place}/" for place in places))
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return [line for line in lines if _counts(line, kept)]


def _counts(line: str, kept: tuple[str, ...]) -> bool:
    where = line.split()[4] + "/"
    return where.startswith(kept) or not where.startswith(_PASSING)
