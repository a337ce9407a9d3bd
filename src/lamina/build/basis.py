"""What the answer of a build rests on, so that the same question need not be worked out again."""

from __future__ import annotations

import os
from collections.abc import Iterable

from lamina.build.context import LocalContext
from lamina.build.selection import Selection
from lamina.values import dataclass


@dataclass(frozen=True, slots=True)
class Basis:
    """Of a build that found every step in the cache, beside what its request says."""

    files: tuple[str, ...]  # paths on this host whose looks it depends on, see `fs.looks`
    steps: tuple[tuple[str, str], ...]  # where in a Dockerfile, and the key that stood there
    images: tuple[tuple[str, str], ...] = ()  # names and digests; without one by the digest alone
    report: bytes = b""  # of the build, as it is kept under the keys `reported`
    reported: tuple[str, ...] = ()
    began: float = 0.0  # the report's time, in seconds since 1970


def files_behind(selections: Iterable[Selection]) -> tuple[str, ...] | None:
    """Every file of the host that was looked at, and every directory whose names were read.

    None if that is not the whole of it: a link was followed, or a rule took back another.
    """
    files: dict[str, None] = {}
    for selection in selections:
        context = selection.context
        if not selection.is_plain or not isinstance(context, LocalContext):
            return None
        top = os.fspath(context.path)
        for path in selection.listed:
            files[f"{top}/{path or '.'}"] = None
        for item in selection.items:
            start = f"{top}/{item.path or '.'}"
            for node in item.nodes:
                files[f"{start}/{node.path}" if node.path else start] = None
    return tuple(files)
