"""apt: the packages of Debian and Ubuntu."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from lamina.lint.command import count_flag, has, has_flag, operands, texts
from lamina.lint.edits import chained
from lamina.lint.file import File, Ran
from lamina.lint.finding import Edit, Hit
from lamina.lint.mounted import caches
from lamina.lint.rules.kin import INFO, WARNING, hadolint
from lamina.lint.shell import Command

_VALUED = ("t", "target-release", "c", "config-file", "o", "option")
_PACKAGE_FILE = ".deb"
_LISTS = re.compile(r"/var/lib/apt(/lists)?(/\*?)?")
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
            if word.text != "install" and not _is_fixed(word.text)
        ]
        if loose:
            names = ", ".join(f'"{word.text}"' for word in loose[:4])
            more = f" and {len(loose) - 4} more" if len(loose) > 4 else ""
            edits = file.pinned(ran, loose, "dpkg", "=")
            yield ran.hit(
                loose[0], message=f"no version: {names}{more}", hint="name=version", edits=edits
            )


def _is_fixed(text: str) -> bool:
    """Whether it names a version, a release of the distribution, or a file."""
    return "=" in text or "/" in text or text.endswith(_PACKAGE_FILE)


def lists_kept(file: File) -> Iterator[Hit]:
    """The lists of packages go in the RUN that fetched them.

    They are some 20 to 50 MB, useless in the image, and a later RUN can hide but not remove them.

        RUN apt-get update && apt-get install -y curl \\
            && rm -rf /var/lib/apt/lists/*                # yes
    """
    for ran in file.lasting:
        if _keeps_lists(ran):
            update = next(c for c in ran.script.commands if has(c, _UPDATERS, "update"))
            clean = "rm -rf /var/lib/apt/lists/*"
            yield ran.hit(update, hint=f"end the RUN with: {clean}", edits=chained(ran, clean))


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


def needs_answer(file: File) -> Iterator[Hit]:
    """`apt-get install` is told to ask nothing: `-y`.

    Nobody is there to answer, and the build ends with an error.
    """
    yield from _without(file, _asks, "-y")


def _asks(command: Command) -> bool:
    if has_flag(command, "y", "yes", "assume-yes") or _quiet_by_level(command):
        return False
    return max(count_flag(command, "q"), count_flag(command, "quiet")) < 2


def _quiet_by_level(command: Command) -> bool:
    """`-q=2` says yes too."""
    return any(re.fullmatch(r"-q=[2-9]|--quiet=[2-9]", text) for text in texts(command))


def _without(file: File, lacks: Callable[[Command], bool], flag: str) -> Iterator[Hit]:
    """RUNs with an `apt-get install` that lacks a flag, and the edits that add it."""
    for ran in file.runs:
        lacking = [c for c in ran.script.commands if installs(c) and lacks(c)]
        verbs = [next(w for w in c.arguments if w.text == "install") for c in lacking]
        if lacking:
            edits = tuple([edit for verb in verbs for edit in ran.behind(verb, f" {flag}")])
            yield ran.hit(lacking[0], hint=f"add {flag}", edits=edits)


def recommends(file: File) -> Iterator[Hit]:
    """`apt-get install` leaves out what is only recommended: `--no-install-recommends`.

    Recommended packages can be most of what is installed, and nobody asked for them.
    """
    yield from _without(file, _recommends, "--no-install-recommends")


def _recommends(command: Command) -> bool:
    if has_flag(command, "no-install-recommends"):
        return False
    values = ("APT::Install-Recommends=false", "APT::Install-Recommends=0")
    return not any(value in text for value in values for text in texts(command))


def apt_itself(file: File) -> Iterator[Hit]:
    """Scripts use apt-get and apt-cache, not apt.

    `apt` is for people; its output and its options change without notice.
    """
    for ran in file.runs:
        commands = [command for command in ran.script.commands if command.name == "apt"]
        if not commands:
            continue
        same = ("install", "update", "remove", "purge", "autoremove", "upgrade")
        is_certain = ran.located.starts and all(has(c, "apt", *same) for c in commands)
        words = [command.words[0] for command in commands] if is_certain else []
        edits = tuple([Edit(ran.span(word), "apt-get") for word in words])
        yield ran.hit(commands[0].words[0], hint="use apt-get or apt-cache", edits=edits)


RULES = (
    hadolint("DL3008", "apt-unpinned", WARNING, "a package of apt has no version", unpinned),
    hadolint("DL3009", "apt-lists-kept", INFO, "the lists of apt stay in the layer", lists_kept),
    hadolint("DL3014", "apt-asks", WARNING, "apt-get install without -y", needs_answer),
    hadolint(
        "DL3015", "apt-recommends", INFO, "apt-get installs what is only recommended", recommends
    ),
    hadolint("DL3027", "apt-for-people", WARNING, "apt is not for scripts", apt_itself),
)
