"""Takes `COPY . .` apart: what an install step reads stays above it, all of it follows below."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable

from lamina.dockerfile import instructions as ins
from lamina.lint import cargo
from lamina.lint.dependencies import is_install, lists_of
from lamina.lint.edits import chained, is_chain, moved_below
from lamina.lint.file import File, Item, Part, Ran
from lamina.lint.finding import Edit

_PLAIN = re.compile(r"[\w./-]+")
_START = "/\0"  # the directory that the base image starts in
# What a program of the system reads or replaces: nothing of it is copied above or below a step.
_SYSTEM = ("bin", "boot", "dev", "etc", "lib", "lib64", "proc", "root", "run", "sbin", "sys", "var")


def directories(part: Part) -> dict[int, str]:
    """Where each instruction of a stage works, by its item; "" where that is not known."""
    found: dict[int, str] = {}
    here = _START
    for item in part.items:
        found[item.index] = here
        line = item.instruction
        if isinstance(line, ins.Workdir) and not item.in_trigger:
            path = line.path.strip("\"'")
            here = "" if "$" in path or not here else posixpath.normpath(posixpath.join(here, path))
    return found


def target_of(file: File, item: Item, here: str) -> str:
    """The directory that a COPY fills, or "" where it may be one of the system's."""
    line = item.instruction
    assert isinstance(line, ins.Copy | ins.Add)
    path = line.destination.strip("\"'")
    if not here or "$" in path:
        return ""
    found = posixpath.normpath(posixpath.join(here, path))
    if found == _START and not _is_harmless_anywhere(file):
        return ""
    first, _, rest = found.strip("/").partition("/")
    if not first or first in _SYSTEM or (first == "usr" and not rest.startswith("src")):
        return ""
    return found


def _is_harmless_anywhere(file: File) -> bool:
    """Whether the context would be no harm even in "/", where most base images start."""
    return file.facts.has_context and not any(
        name in file.facts.files for name in (*_SYSTEM, "usr")
    )


def source_of(file: File, item: Item) -> str | None:
    """The directory of the context that a COPY takes with all that is in it; None for others."""
    line = item.instruction
    if not isinstance(line, ins.Copy) or line.from_ is not None or line.heredocs:
        return None
    if line.parents or line.excludes or len(line.sources) != 1 or item.in_trigger:
        return None
    written = line.sources[0].strip("\"'")
    path = posixpath.normpath(written.strip("/") or ".")
    if path == ".":
        return ""
    if path.startswith("..") or path not in file.facts.files:
        return None
    return path if file.facts.files[path] is None else None


def read_by(file: File, part: Part, copy: Item, ran: Ran) -> tuple[str, ...]:
    """The files of the context that an install step needs of a COPY above it; () if not certain.

    What a build has seen it open counts beside what its commands are known to read.
    """
    places = directories(part)
    source, target = source_of(file, copy), target_of(file, copy, places[copy.index])
    here = places[ran.item.index]
    if source is None or not target or not here or not file.facts.has_context:
        return ()
    inside = posixpath.relpath(here, target)
    if inside.startswith(".."):
        return ()
    place = posixpath.normpath(posixpath.join(source, inside))
    top = "" if place == "." else place
    seen = file.facts.opened.get(ran.run.original)
    listed: list[str] = []
    for command in ran.script.commands:
        if command.name in _HARMLESS:
            continue
        own = lists_of(command, top, file.facts.files, file.facts.listing)
        if not own and (seen is None or not is_install(command)):
            return ()
        listed += own
    if seen is None:
        return tuple(dict.fromkeys(listed))
    below = f"{source}/" if source else ""
    return tuple(sorted({*listed, *(path for path in seen if path.startswith(below))}))


_HARMLESS = frozenset(("apk", "apt-get", "echo", "export", "rm", "set", "true"))


def split(
    file: File,
    part: Part,
    copy: Item,
    ran: Ran,
    names: tuple[str, ...],
    is_apart: Callable[[Ran], bool],
) -> tuple[Edit, ...]:
    """The edits that copy `names` alone above an install step, and everything below it.

    `is_apart` says of a RUN between the two whether it has nothing to do with what is copied.
    """
    source, line = source_of(file, copy), copy.instruction
    folders = {posixpath.dirname(name) for name in names}
    if len(folders) != 1 or source is None or not isinstance(line, ins.Copy) or not is_chain(ran):
        return ()
    if copy.node.is_json or not all(_PLAIN.fullmatch(name) for name in (*names, line.destination)):
        return ()
    if not _may_wait(file, part, copy, ran.item, is_apart):
        return ()
    inside = posixpath.relpath(folders.pop(), source or ".") if source else folders.pop()
    target = line.destination.rstrip("/") or "/"
    target = target if inside in ("", ".") else posixpath.join(target, inside)
    words = [copy.node.keyword, *line.flags, *names, f"{target}/"]
    down = moved_below(file, copy, ran.item)
    if len(down) != 2:
        return ()
    end = "\r\n" if "\r\n" in file.source.text else "\n"
    stubs = _stubs(file, ran, posixpath.dirname(names[0]))
    return (Edit(down[0].span, " ".join(words) + end), down[1], *stubs)


def _stubs(file: File, ran: Ran, place: str) -> tuple[Edit, ...]:
    """The edits that put files there which Cargo wants to see, and take them away again."""
    for command in ran.script.commands:
        needed = cargo.fetch(command, place, file.facts.files)
        if needed is not None and needed.stubs:
            make = f"mkdir src && touch {' '.join(needed.stubs)} && "
            return (*ran.before(command, make), *chained(ran, "rm -r src"))
    return ()


def _may_wait(
    file: File, part: Part, copy: Item, other: Item, is_apart: Callable[[Ran], bool]
) -> bool:
    """Whether a COPY does the same below `other`, as far as what is between them goes."""
    line = copy.instruction
    assert isinstance(line, ins.Copy)
    is_relative = not line.destination.strip("\"'").startswith("/")
    text = copy.instruction.original
    for item in part.items:
        if not copy.index < item.index < other.index:
            continue
        between, ran = item.instruction, file.ran_at.get(item.index)
        if ran is not None and not item.in_trigger and is_apart(ran):
            continue
        if isinstance(between, ins.Run | ins.Copy | ins.Add | ins.OnBuild | ins.Volume):
            return False
        if isinstance(between, ins.Workdir) and is_relative:
            return False
        if isinstance(between, ins.Env | ins.Arg) and "$" in text:
            return False
    return True
