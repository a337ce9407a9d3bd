"""RUN: how scripts are written."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lamina.dockerfile import instructions as ins
from lamina.lint import shell
from lamina.lint.command import has, has_flag, texts
from lamina.lint.dependencies import is_install
from lamina.lint.edits import merged
from lamina.lint.file import File, Item, Ran
from lamina.lint.finding import Edit, Hit
from lamina.lint.pragma import Kind, pragmas
from lamina.lint.rules.kin import INFO, WARNING, hadolint

_SENSELESS = ("free", "kill", "mount", "ps", "service", "shutdown", "ssh", "top", "vim")
_NOT_POSIX = ("pwsh", "powershell", "cmd")
_NOT_SH = re.compile(r"(?i)(^|[/\\])(pwsh|powershell|cmd|python|perl|node)")
_SHELLS = ("ash", "bash", "zsh")
_WGET_QUIET = (
    "q", "quiet", "o", "output-file", "a", "append-output", "no-verbose", "progress",
)  # fmt: skip


def senseless(file: File) -> Iterator[Hit]:
    """A RUN does not call what makes no sense in a build: ssh, vim, shutdown, service, top …"""
    seen: set[int] = set()
    for ran, command in file.commands(*_SENSELESS):
        if ran.item.index not in seen:
            seen.add(ran.item.index)
            message = f'"{command.name}" makes no sense in a build'
            yield ran.hit(command.words[0], message=message)


def consecutive(file: File) -> Iterator[Hit]:
    """RUNs that stand one behind the other may be one.

    Each makes a layer. Where a RUN chains several commands already, the cut is taken to be meant.
    """
    before: Ran | None = None
    last: Ran | None = None
    for item in file.items:
        ran = file.ran_at.get(item.index) if isinstance(item.instruction, ins.Run) else None
        if ran is not None and before is not None and _are_alike(before, ran):
            assert last is not None
            yield ran.hit(edits=_joined(file, last, ran))
        else:
            before = ran
        last = ran


def _joined(file: File, one: Ran, other: Ran) -> tuple[Edit, ...]:
    """The edit that makes one RUN of both; none where one of them is better apart.

    What installs dependencies of a language is moved to the lists that it reads.
    """
    if any(is_install(command) for ran in (one, other) for command in ran.script.commands):
        return ()
    shells = [item.instruction for item in file.of(ins.Shell)]
    names = [line.args[0] for line in shells if isinstance(line, ins.Shell) and line.args]
    names += [each.shell for each in pragmas(file) if each.kind is Kind.SHELL]
    if file.reading.escape != "\\" or any(_NOT_SH.search(name) for name in names):
        return ()
    return merged(file.source, one, other)


def _are_alike(one: Ran, other: Ran) -> bool:
    def flags(run: ins.Run) -> tuple[object, ...]:
        return tuple(sorted(run.mounts)), run.network, run.security

    are_short = max(len(one.script.commands), len(other.script.commands)) <= 1
    return are_short and flags(one.run) == flags(other.run)


def wget_talks(file: File) -> Iterator[Hit]:
    """`wget` does not draw its progress bar into the log of a build: `-q`, `-nv`, `--progress`."""
    for ran in file.runs:
        for command in ran.script.commands:
            if command.name != "wget" or has_flag(command, *_WGET_QUIET):
                continue
            if "-nv" not in texts(command):
                edits = ran.behind(command.words[0], " --progress=dot:giga")
                is_named = command.words[0].text == "wget"
                hint = "add --progress=dot:giga, or -q"
                yield ran.hit(command, hint=hint, edits=edits if is_named else ())
                break


def wget_and_curl(file: File) -> Iterator[Hit]:
    """A stage uses wget or curl, not both: one of them need not be installed."""
    for part in file.parts:
        by_trigger: dict[bool, set[str]] = {False: set(), True: set()}
        for item in part.items:
            ran = file.ran_at.get(item.index)
            if ran is None:
                continue
            seen = by_trigger[item.in_trigger]
            names = {c.name for c in ran.script.commands if c.name in ("wget", "curl")}
            if len(seen | names) > 1 and names:
                command = next(c for c in ran.script.commands if c.name in names)
                yield ran.hit(command.words[0])
            seen |= names


def linked_shell(file: File) -> Iterator[Hit]:
    """SHELL changes the shell; /bin/sh is not linked to another.

    Scripts of the distribution expect their own /bin/sh.
    """
    for ran in file.runs:
        for command in ran.script.commands:
            if has(command, "ln", "/bin/sh"):
                yield ran.hit(command, hint='use SHELL ["/bin/bash", "-c"]')
                break


def pipefail(file: File) -> Iterator[Hit]:
    """A pipe in a RUN runs with `pipefail`.

    Without it only the last command of a pipe can fail: a download that breaks goes unnoticed.

        RUN wget -O - https://some.site | wc -l > /number                # no

        SHELL ["/bin/bash", "-o", "pipefail", "-c"]                      # yes
        RUN wget -O - https://some.site | wc -l > /number
    """
    foreign = [(p.line, p.shell) for p in pragmas(file) if p.kind is Kind.SHELL]
    shells: dict[str, bool] = {}
    current, is_safe = "", False
    for item in file.unwrapped:
        line = item.instruction
        if isinstance(line, ins.From):
            current = line.as_name or line.image
            is_safe = shells.get(line.image.lower(), False)
        elif isinstance(line, ins.Shell) and not item.in_trigger:
            is_safe = _is_safe(line)
        elif not is_safe and not item.in_trigger and not _is_foreign(item, foreign):
            ran = file.ran_at.get(item.index)
            if ran is not None and ran.script.pipes:
                at = ran.script.pipes[0]
                span = ran.located.span(at, at + 1)
                hint = 'set SHELL ["/bin/bash", "-o", "pipefail", "-c"] before it'
                yield Hit(item.index, span, "", hint, line=item.line)
        shells[current] = is_safe


def _is_foreign(item: Item, pragmas_: list[tuple[int, str]]) -> bool:
    before = [name for line, name in pragmas_ if line < item.line]
    return bool(before) and before[-1].startswith(_NOT_POSIX)


def _is_safe(line: ins.Shell) -> bool:
    text = " ".join(line.args)
    if text.startswith(_NOT_POSIX):
        return True
    for command in shell.parse(text).commands:
        is_known = command.name.rpartition("/")[2] in _SHELLS
        if is_known and has_flag(command, "o") and "pipefail" in texts(command):
            return True
    return False


RULES = (
    hadolint("DL3001", "senseless-command", INFO, "a command makes no sense here", senseless),
    hadolint("DL3047", "wget-talks", INFO, "wget draws a progress bar", wget_talks),
    hadolint("DL3059", "consecutive-runs", INFO, "this RUN may be part of the last", consecutive),
    hadolint("DL4001", "wget-and-curl", WARNING, "both wget and curl are used", wget_and_curl),
    hadolint("DL4005", "linked-shell", WARNING, "/bin/sh is linked", linked_shell),
    hadolint("DL4006", "pipefail", WARNING, "a pipe without pipefail", pipefail),
)
