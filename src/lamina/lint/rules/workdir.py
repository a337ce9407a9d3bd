"""WORKDIR, and paths that depend on it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lamina.dockerfile import instructions as ins
from lamina.lint.file import File
from lamina.lint.finding import Hit
from lamina.lint.rule import Phase
from lamina.lint.rules.kin import ERROR, WARNING, buildkit, hadolint, quote

_ABSOLUTE = re.compile(r"/|\$|[A-Za-z]:[\\/]|[A-Za-z]:$")


def workdir_relative_path(file: File) -> Iterator[Hit]:
    """The first WORKDIR of a stage is absolute.

    A relative one stands below the base image's, and moves when that image changes.

        WORKDIR usr/share/nginx/html     # no
        WORKDIR /usr/share/nginx/html    # yes
    """
    for item, path in file.trace.relative_workdirs:
        line = item.instruction
        assert isinstance(line, ins.Workdir)
        message = (
            f"Relative workdir {quote(path)} can have unexpected results if the base image changes"
        )
        yield file.hit(item, message, at=line.path)


def relative_workdir(file: File) -> Iterator[Hit]:
    """Every WORKDIR is absolute (hadolint's number, stricter than WorkdirRelativePath)."""
    for item in file.of(ins.Workdir):
        line = item.instruction
        assert isinstance(line, ins.Workdir)
        if not _ABSOLUTE.match(line.path.strip("\"'")):
            yield file.hit(item, at=line.path)


def cd(file: File) -> Iterator[Hit]:
    """WORKDIR changes the directory, not `cd`.

    A `cd` is over at the end of its RUN, and is easily overlooked among other commands.

        RUN cd /usr/src/app && git clone …    # no

        WORKDIR /usr/src/app                  # yes
        RUN git clone …
    """
    seen: set[int] = set()
    for ran, command in file.commands("cd"):
        if not ran.item.in_trigger and ran.item.index not in seen:
            seen.add(ran.item.index)
            yield ran.hit(command, hint="use WORKDIR")


def relative_copy(file: File) -> Iterator[Hit]:
    """COPY to a relative place needs a WORKDIR in the file.

    Without one the files land wherever the base image happens to work.
    """
    has_workdir: dict[str, bool] = {}
    current = ""
    for item in file.unwrapped:
        line = item.instruction
        if isinstance(line, ins.From):
            current = line.as_name or line.image
            has_workdir[current] = has_workdir.get(line.image.lower(), False)
        elif isinstance(line, ins.Workdir):
            has_workdir[current] = True
        elif isinstance(line, ins.Copy) and not (item.in_trigger or has_workdir.get(current)):
            is_absolute = _ABSOLUTE.match(line.destination.strip("\"'"))
            if not is_absolute:
                yield file.hit(item, at=line.destination)


RULES = (
    buildkit(
        "WorkdirRelativePath",
        "Relative workdir without an absolute workdir declared within the build can have"
        " unexpected results if the base image changes",
        workdir_relative_path,
        Phase.STEPS,
    ),
    hadolint(
        "DL3000", "absolute-workdir", ERROR, "WORKDIR is not absolute", relative_workdir,
        twin="WorkdirRelativePath",
    ),
    hadolint("DL3003", "no-cd", WARNING, "cd changes the directory of one RUN only", cd),
    hadolint(
        "DL3045", "relative-copy", WARNING, "COPY to a relative place without WORKDIR",
        relative_copy,
    ),
)  # fmt: skip
