"""Which descriptors this process has open."""

from __future__ import annotations

import gc
import os


def opened() -> list[str]:
    """Their numbers, sorted. What earlier tests have left to the collector is closed first."""
    gc.collect()
    return sorted(os.listdir("/proc/self/fd"))


def below(directory: os.PathLike[str]) -> list[str]:
    """The files in a directory that this process has open, whatever else others open meanwhile."""
    gc.collect()
    found = []
    for number in os.listdir("/proc/self/fd"):
        try:
            path = os.readlink(f"/proc/self/fd/{number}")
        except FileNotFoundError:
            continue  # it was the one that lists them
        if f"{path}/".startswith(f"{os.fspath(directory)}/"):
            found.append(path)
    return sorted(found)
