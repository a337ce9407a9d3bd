"""apt: the packages of Debian and Ubuntu."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lamina.dockerfile import instructions as ins
from lamina.dockerfile.source import Span
from lamina.lint.command import count_flag, has, has_flag, operands, texts
from lamina.lint.file import File, Part, Ran
from lamina.lint.finding import Edit, Hit
from lamina.lint.mounted import caches
from lamina.lint.rules.kin import INFO, WARNING, hadolint
from lamina.lint.shell import Command

_VALUED = ("t", "target-release", "c", "config-file", "o", "option")
_PACKAGE_FILE = ".deb"
_LISTS = re.compile(r"/var/lib/apt(/lists)?(/\*?)?")
_CLEAN_OFF = "/etc/apt/apt.conf.d/docker-clean"
_UPDATERS = ("apt", "apt-get", "aptitude")


def installs(command: Command) -> bool:
    """Whether it is `apt-get install`."""
    return has(command, "apt-get", "install")


def unpinned(file: File) -> Iterator[Hit]:
    """Packages of apt are installed in a version that is named.

    Otherwise the image changes with the mirror, and a cached layer hides it until it does not.

        RUN apt-get install -y curl                       # no
        RUN apt-get install -y curl=8.14.1-2+deb13u2      # yes
    """
    for ran in file.runs:
        loose = [
            word
            for command in ran.script.commands
            if installs(command)
            for word in operands(command, _VALUED)
            if word.text != "install" and "=" not in word.text and not _is_file(word.text)
        ]
        if loose:
            names = ", ".join(f'"{word.text}"' for word in loose[:4])
            more = f" and {len(loose) - 4} more" if len(loose) > 4 else ""
            yield ran.hit(loose[0], message=f"no version: {names}{more}", hint="name=version")


def _is_file(text: str) -> bool:
    return text.endswith(_PACKAGE_FILE) or text.startswith(("./", "/"))


def lists_kept(file: File) -> Iterator[Hit]:
    """The lists of packages go in the RUN that fetched them.

    They are some 20 to 50 MB, useless in the image, and a later RUN can hide but not remove them.

        RUN apt-get update && apt-get install -y curl \\
            && rm -rf /var/lib/apt/lists/*                # yes
    """
    used = {
        item.instruction.image.lower()
        for item in file.of(ins.From)
        if isinstance(item.instruction, ins.From)
    }
    last = file.parts[-1] if file.parts else None
    for part in file.parts:
        if part is not last and not _is_base(part, used):
            continue
        for item in part.items:
            ran = file.ran_at.get(item.index)
            if ran is not None and _keeps_lists(ran):
                update = next(c for c in ran.script.commands if has(c, _UPDATERS, "update"))
                yield ran.hit(
                    update,
                    hint="end the RUN with: rm -rf /var/lib/apt/lists/*",
                    edits=_and_remove(ran),
                )


def _is_base(part: Part, used: set[str]) -> bool:
    """Whether a later stage stands on this one; triggers always travel."""
    if part.base is None or any(item.in_trigger for item in part.items):
        return True
    line = part.base.instruction
    assert isinstance(line, ins.From)
    return line.as_name is not None and line.as_name in used


def _keeps_lists(ran: Ran) -> bool:
    commands = ran.script.commands
    if not any(has(command, _UPDATERS, "update") for command in commands):
        return False
    if any(_removes_lists(command) for command in commands):
        return False
    mounted = caches(ran.run)
    has_lists = any(target.startswith("/var/lib/apt/lists") for target in mounted)
    has_both = any(target.startswith("/var/lib/apt") for target in mounted) and any(
        target.startswith("/var/cache/apt") for target in mounted
    )
    return not has_lists and not has_both


def _removes_lists(command: Command) -> bool:
    return command.name == "rm" and any(_LISTS.match(text) for text in texts(command))


def _and_remove(ran: Ran) -> tuple[Edit, ...]:
    """`&& rm -rf …` at the end of a chain of `&&`."""
    commands = ran.script.commands
    if not ran.located.starts or ran.run.command.heredocs or ran.script.pipes:
        return ()
    if any(command.after not in ("", "&&") or command.depth for command in commands):
        return ()
    end = len(ran.located.text)
    if commands[-1].end != end:
        return ()
    line, column = ran.located.place(end - 1)
    place = Span(line, column + 1, line, column + 1)
    return (Edit(place, " && rm -rf /var/lib/apt/lists/*"),)


def needs_answer(file: File) -> Iterator[Hit]:
    """`apt-get install` is told to ask nothing: `-y`.

    Nobody is there to answer, and the build ends with an error.
    """
    for ran, command in _first(file):
        has_yes = has_flag(command, "y", "yes", "assume-yes")
        is_quiet = count_flag(command, "q") > 1 or count_flag(command, "quiet") > 1
        if not has_yes and not is_quiet and not _quiet_by_level(command):
            word = next(w for w in command.arguments if w.text == "install")
            end = ran.span(word)
            place = Span(end.end_line, end.end_column, end.end_line, end.end_column)
            edits = (Edit(place, " -y"),) if ran.located.starts else ()
            yield ran.hit(command, hint="add -y", edits=edits)


def _quiet_by_level(command: Command) -> bool:
    """`-q=2` says yes too."""
    return any(re.fullmatch(r"-q=[2-9]|--quiet=[2-9]", text) for text in texts(command))


def _first(file: File) -> Iterator[tuple[Ran, Command]]:
    """Commands that install, and that no rule has spoken about in the same RUN."""
    for ran, command in file.commands("apt-get"):
        if installs(command):
            yield ran, command


def recommends(file: File) -> Iterator[Hit]:
    """`apt-get install` leaves out what is only recommended: `--no-install-recommends`.

    Recommended packages can be most of what is installed, and nobody asked for them.
    """
    seen: set[int] = set()
    for ran, command in _first(file):
        if ran.item.index in seen or has_flag(command, "no-install-recommends"):
            continue
        if any("APT::Install-Recommends=" in text.replace(" ", "") for text in texts(command)):
            continue
        seen.add(ran.item.index)
        word = next(w for w in command.arguments if w.text == "install")
        end = ran.span(word)
        place = Span(end.end_line, end.end_column, end.end_line, end.end_column)
        edits = (Edit(place, " --no-install-recommends"),) if ran.located.starts else ()
        yield ran.hit(command, hint="add --no-install-recommends", edits=edits)


def apt_itself(file: File) -> Iterator[Hit]:
    """Scripts use apt-get and apt-cache, not apt.

    `apt` is for people; its output and its options change without notice.
    """
    seen: set[int] = set()
    for ran, command in file.commands("apt"):
        if ran.item.index not in seen:
            seen.add(ran.item.index)
            word = command.words[0]
            is_safe = has(command, "apt", "install", "update", "remove", "purge", "autoremove")
            edits = (Edit(ran.span(word), "apt-get"),) if is_safe and ran.located.starts else ()
            yield ran.hit(word, hint="use apt-get or apt-cache", edits=edits)


RULES = (
    hadolint("DL3008", "apt-unpinned", WARNING, "a package of apt has no version", unpinned),
    hadolint("DL3009", "apt-lists-kept", INFO, "the lists of apt stay in the layer", lists_kept),
    hadolint("DL3014", "apt-asks", WARNING, "apt-get install without -y", needs_answer),
    hadolint(
        "DL3015", "apt-recommends", INFO, "apt-get installs what is only recommended", recommends
    ),
    hadolint("DL3027", "apt-for-people", WARNING, "apt is not for scripts", apt_itself),
)
