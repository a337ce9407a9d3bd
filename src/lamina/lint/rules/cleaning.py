"""Cleaning: what a RUN makes, it takes away itself, or the layer keeps it."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator

from lamina.dockerfile import instructions as ins
from lamina.dockerfile.source import Span
from lamina.lint.command import flags, operands, texts, value_of
from lamina.lint.edits import is_chain, merged, removed
from lamina.lint.file import File, Item, Ran
from lamina.lint.finding import Edit, Hit
from lamina.lint.mounted import caches
from lamina.lint.rules.kin import INFO, WARNING, lamina
from lamina.lint.shell import Command

_CACHES = {
    "apk": (("/var/cache/apk",), "add"),
    "apt": (("/var/lib/apt/lists", "/var/cache/apt"), "update"),
    "apt-get": (("/var/lib/apt/lists", "/var/cache/apt"), "update"),
    "dnf": (("/var/cache/dnf", "/var/cache/libdnf5", "/var/cache/yum"), "install"),
    "microdnf": (("/var/cache/yum", "/var/cache/dnf"), "install"),
    "yum": (("/var/cache/yum",), "install"),
    "zypper": (("/var/cache/zypp",), "install"),
    "pip": (("/root/.cache", "/root/.cache/pip"), "install"),
    "pip3": (("/root/.cache", "/root/.cache/pip"), "install"),
    "npm": (("/root/.npm",), "install"),
}
_CLEANERS = {
    ("apt-get", "clean"): ("apt-get", "apt"),
    ("dnf", "clean"): ("dnf",),
    ("microdnf", "clean"): ("microdnf",),
    ("yum", "clean"): ("yum",),
    ("zypper", "clean"): ("zypper",),
    ("npm", "cache"): ("npm",),
    ("pip", "cache"): ("pip", "pip3"),
}
_GLOB = re.compile(r"[*/]+$")
_OWNER = re.compile(r"\w[\w.-]*:\w[\w.-]*")  # with its group: COPY knows no other of a name alone
_MODE = re.compile(r"0*755")  # also that of the directories that COPY makes


def cleaned_too_late(file: File) -> Iterator[Hit]:
    """Lists and caches go in the RUN that filled them.

    A layer is a difference: removing a file in a later RUN hides it, and the bytes stay.

        RUN apt-get update && apt-get install -y curl       # no
        RUN rm -rf /var/lib/apt/lists/*

        RUN apt-get update && apt-get install -y curl \\
            && rm -rf /var/lib/apt/lists/*                  # yes
    """
    for part in file.parts:
        filled: dict[str, Item] = {}  # directories and programs -> the RUN that filled them
        for item in part.items:
            ran = file.ran_at.get(item.index)
            if ran is None or item.in_trigger:
                continue
            own = _filled(ran)
            for command in ran.script.commands:
                late = [filled[each] for each in _cleaned(command, filled) if each not in own]
                if late:
                    hint = f"do it in the RUN on line {late[0].line}, where it saves the bytes"
                    before = file.ran_at[late[0].index]
                    edits = merged(file.source, before, ran)
                    yield ran.hit(command, hint=hint, edits=edits)
                    break
            for command in ran.script.commands:
                for each in _cleaned(command, [*filled, *own]):
                    filled.pop(each, None)
                    own.discard(each)
            filled |= dict.fromkeys(sorted(own), item)


def _filled(ran: Ran) -> set[str]:
    """The directories that a RUN fills, and the programs that fill them."""
    outside = caches(ran.run)
    found: set[str] = set()
    for command in ran.script.commands:
        directories, verb = _CACHES.get(command.name, ((), ""))
        if verb not in texts(command) or not {"no-cache", "no-cache-dir"}.isdisjoint(
            flags(command)
        ):
            continue
        inside = [
            directory
            for directory in directories
            if not any(directory.startswith(target.rstrip("/")) for target in outside)
        ]
        found.update(inside)
        if inside:
            found.add(command.name)
    return found


def _cleaned(command: Command, known: Iterable[str]) -> list[str]:
    """What of `known` a command cleans."""
    found: list[str] = []
    for (name, verb), programs in _CLEANERS.items():
        if command.name == name and verb in texts(command):
            found += [each for each in known if each in programs]
            for program in programs:
                found += [each for each in known if each in _CACHES[program][0][-1:]]
    if command.name == "rm":
        for word in operands(command):
            path = _GLOB.sub("", word.text)
            found += [
                each
                for each in known
                if path and each.startswith("/") and f"{each}/".startswith(f"{path}/")
            ]
    return list(dict.fromkeys(found))


def removed_too_late(file: File) -> Iterator[Hit]:
    """An archive goes in the RUN that fetched or copied it.

    It was in a layer already when a later RUN removed it, and is pulled by everybody.

        ADD https://example.com/big.tar.gz /tmp/              # no
        RUN tar -xzf /tmp/big.tar.gz && rm /tmp/big.tar.gz

        RUN curl -fsSL https://example.com/big.tar.gz | tar -xz    # yes
    """
    for part in file.parts:
        made: dict[str, Item] = {}
        workdir = "/"
        for item in part.items:
            line = item.instruction
            if item.in_trigger:
                continue
            if isinstance(line, ins.Workdir):
                workdir = posixpath.normpath(posixpath.join(workdir, line.path.strip("\"'")))
            elif isinstance(line, ins.Copy | ins.Add):
                for path in _copied(line, workdir):
                    made[path] = item
            ran = file.ran_at.get(item.index)
            if ran is None:
                continue
            here = workdir
            for command in ran.script.commands:
                if command.name == "cd" and len(command.words) > 1:
                    here = posixpath.normpath(posixpath.join(here, command.words[1].text))
                for path in _fetched(command, here):
                    made[path] = item
                late = _removed(command, here, made, item)
                if late is not None:
                    name = late.instruction.name
                    hint = f"the {name} on line {late.line} has put it into a layer"
                    before = file.ran_at.get(late.index)
                    edits = merged(file.source, before, ran) if before is not None else ()
                    yield ran.hit(command, hint=hint, edits=edits)
                    break


def _copied(line: ins.Copy | ins.Add, workdir: str) -> list[str]:
    """The files that are in the image after a COPY or ADD, where that is certain."""
    destination = line.destination.strip("\"'")
    if "$" in destination or (isinstance(line, ins.Copy) and line.from_ is not None):
        return []
    target = posixpath.join(workdir, destination)
    found: list[str] = []
    for source in line.sources:
        name = source.strip("\"'").split("?")[0].rsplit("/", 1)[-1]
        is_address = source.startswith(("http://", "https://"))
        if not name or any(mark in name for mark in "*?[$"):
            continue
        if isinstance(line, ins.Add) and not is_address and name.endswith(_UNPACKED):
            continue
        is_directory = destination.endswith("/") or destination in (".", "..")
        path = posixpath.join(target, name) if is_directory or len(line.sources) > 1 else target
        if name.endswith(_BIG):
            found.append(posixpath.normpath(path))
    return found


_UNPACKED = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".txz", ".tbz2")
_BIG = (*_UNPACKED, ".zip", ".deb", ".rpm", ".whl", ".jar", ".war", ".gz", ".xz", ".7z", ".iso")


def _fetched(command: Command, here: str) -> list[str]:
    """The files that a download leaves, where that is certain."""
    words = [word.text for word in operands(command, ("o", "output", "O", "output-document"))]
    if command.name == "curl":
        paths = value_of(command, "o", "output")
        if "O" in flags(command):
            paths += [text.split("?")[0].rsplit("/", 1)[-1] for text in words if "://" in text]
    elif command.name == "wget":
        paths = value_of(command, "O", "output-document")
        if not paths:
            paths = [text.split("?")[0].rsplit("/", 1)[-1] for text in words if "://" in text]
    else:
        return []
    return [posixpath.normpath(posixpath.join(here, p)) for p in paths if p and p != "-"]


def _removed(command: Command, here: str, made: dict[str, Item], item: Item) -> Item | None:
    if command.name != "rm":
        return None
    for word in operands(command):
        path = posixpath.normpath(posixpath.join(here, word.text))
        late = made.get(path)
        if late is not None and late.index != item.index:
            return late
    return None


def _doubles(file: File, program: str, flag: str, value: re.Pattern[str]) -> Iterator[Hit]:
    """A recursive change of owner or mode over what COPY and ADD have brought."""
    for part in file.parts:
        copied: list[tuple[str, Item]] = []
        workdir = "/"
        for item in part.items:
            line = item.instruction
            if item.in_trigger:
                continue
            if isinstance(line, ins.Workdir):
                workdir = posixpath.normpath(posixpath.join(workdir, line.path.strip("\"'")))
            elif isinstance(line, ins.Copy | ins.Add):
                target = line.destination.strip("\"'")
                copied.append((posixpath.normpath(posixpath.join(workdir, target)), item))
            ran = file.ran_at.get(item.index)
            if ran is None:
                continue
            for command in ran.script.commands:
                source = _doubled(command, program, workdir, copied)
                if source is not None:
                    name = source.instruction.name
                    hint = f"use {name} --{flag} on line {source.line}"
                    target = next(path for path, item in copied if item is source)
                    edits: tuple[Edit, ...] = ()
                    if _is_all(ran, command, posixpath.join(workdir, target), workdir):
                        edits = _at_once(file, source, ran, flag, operands(command)[0].text, value)
                    yield ran.hit(command, hint=hint, edits=edits)
                    break


def _is_all(ran: Ran, command: Command, target: str, workdir: str) -> bool:
    """Whether a RUN changes all of `target`, and does nothing else."""
    words = operands(command)
    if not is_chain(ran) or len(ran.script.commands) != 1 or ran.run.flags or len(words) != 2:
        return False
    if flags(command) not in ({"R"}, {"recursive"}) or command.assignments or command.targets:
        return False
    path = posixpath.normpath(posixpath.join(workdir, words[1].text))
    return all(word.is_plain for word in words) and "$" not in workdir and path == target


def _at_once(
    file: File, copy: Item, ran: Ran, flag: str, value: str, allowed: re.Pattern[str]
) -> tuple[Edit, ...]:
    """The edits that let a COPY set what the RUN right below it changes.

    Only where a build has shown that all of it was new: what was there before keeps what it has.
    """
    line = copy.instruction
    if not isinstance(line, ins.Copy) or ran.item.index != copy.index + 1 or copy.in_trigger:
        return ()
    if line.chown or line.chmod or line.link or line.heredocs or line.parents:
        return ()
    if line.original not in file.facts.fresh or not allowed.fullmatch(value):
        return ()
    end = file.keyword_span(copy)
    place = Span(end.end_line, end.end_column, end.end_line, end.end_column)
    return (Edit(place, f" --{flag}={value}"), *removed(file, ran.item))


def _doubled(
    command: Command, program: str, workdir: str, copied: list[tuple[str, Item]]
) -> Item | None:
    is_recursive = not {"R", "recursive"}.isdisjoint(flags(command))
    if command.name != program or not is_recursive:
        return None
    for word in operands(command)[1:]:
        if "$" in word.text:
            continue
        path = posixpath.normpath(posixpath.join(workdir, word.text))
        for target, item in copied:
            if target == path or target.startswith(path.rstrip("/") + "/") or path == "/":
                return item
    return None


def chown_doubles(file: File) -> Iterator[Hit]:
    """COPY sets the owner: a `chown -R` behind it stores every file a second time.

    A changed owner is a changed file, and the layer holds it whole.

        COPY . /app                       # no
        RUN chown -R app:app /app

        COPY --chown=app:app . /app       # yes
    """
    yield from _doubles(file, "chown", "chown", _OWNER)


def chmod_doubles(file: File) -> Iterator[Hit]:
    """COPY sets the mode: a `chmod -R` behind it stores every file a second time.

    A changed mode is a changed file, and the layer holds it whole.

        COPY scripts /scripts             # no
        RUN chmod -R 0755 /scripts

        COPY --chmod=0755 scripts /scripts    # yes
    """
    yield from _doubles(file, "chmod", "chmod", _MODE)


RULES = (
    lamina(
        "LM1101", "cleaned-too-late", WARNING, "this cleans what a layer has already kept",
        cleaned_too_late,
    ),
    lamina(
        "LM1102", "removed-too-late", WARNING, "this removes what a layer has already kept",
        removed_too_late,
    ),
    lamina(
        "LM1103", "chown-doubles", WARNING, "chown -R stores every file once more", chown_doubles
    ),
    lamina("LM1104", "chmod-doubles", INFO, "chmod -R stores every file once more", chmod_doubles),
)  # fmt: skip
