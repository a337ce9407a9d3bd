"""yum, dnf, microdnf and zypper: the packages of Fedora, RHEL and SUSE."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from lamina.lint.command import has, has_flag, has_run, operands, texts
from lamina.lint.edits import chained
from lamina.lint.file import File, Ran
from lamina.lint.finding import Hit
from lamina.lint.mounted import caches
from lamina.lint.rules.kin import WARNING, hadolint
from lamina.lint.shell import Command, Word

_DNF = ("dnf", "microdnf")
_ZYPPER_INSTALL = ("install", "in")
_DNF_CHANGES = (
    "install", "in", "upgrade", "up", "update", "upgrade-minimal", "up-min", "reinstall", "rei",
    "downgrade", "dg", "distro-sync", "dsync",
)  # fmt: skip
_DNF_CACHES = ("/var/cache/yum", "/var/cache/dnf", "/var/cache/libdnf5")
_VERSION = re.compile(r"[0-9A-Za-z.~^_:+]+")


def _asks(file: File, names: tuple[str, ...], verbs: tuple[str, ...], *yes: str) -> Iterator[Hit]:
    for ran in file.runs:
        lacking = [
            command
            for command in ran.script.commands
            if has(command, names, *verbs) and not has_flag(command, *yes)
        ]
        words = [next(w for w in command.arguments if w.text in verbs) for command in lacking]
        if lacking:
            edits = tuple([edit for word in words for edit in ran.behind(word, " -y")])
            yield ran.hit(lacking[0], hint="add -y", edits=edits)


def yum_asks(file: File) -> Iterator[Hit]:
    """`yum install` is told to ask nothing: `-y`."""
    verbs = ("install", "groupinstall", "localinstall")
    yield from _asks(file, ("yum",), verbs, "y", "assumeyes")


def dnf_asks(file: File) -> Iterator[Hit]:
    """`dnf install` and `microdnf install` are told to ask nothing: `-y`."""
    yield from _asks(file, _DNF, ("install", "groupinstall", "localinstall"), "y", "assumeyes")


def zypper_asks(file: File) -> Iterator[Hit]:
    """`zypper` is told to ask nothing: `-n`, or `-y` behind install."""
    verbs = (
        "install", "in", "remove", "rm", "source-install", "si", "patch",
    )  # fmt: skip
    yield from _asks(file, ("zypper",), verbs, "n", "non-interactive", "y", "no-confirm")


def _not_cleaned(
    file: File,
    changes: Callable[[Command], bool],
    cleans: Callable[[Command], bool],
    directories: tuple[str, ...],
    clean: str,
) -> Iterator[Hit]:
    """RUNs that install, and clean not at all or too early."""
    for ran in file.runs:
        if any(directory in target for target in caches(ran.run) for directory in directories):
            continue
        commands = ran.script.commands
        first = next((at for at, command in enumerate(commands) if changes(command)), None)
        if first is not None and not any(cleans(command) for command in commands[first:]):
            yield ran.hit(
                commands[first], hint=f"end the RUN with: {clean}", edits=chained(ran, clean)
            )


def yum_kept(file: File) -> Iterator[Hit]:
    """`yum clean all` follows in the RUN that installed.

    A later RUN can hide what yum has cached, but not remove it from the layer.
    """
    yield from _not_cleaned(
        file,
        lambda command: has(command, "yum", "install"),
        lambda command: (
            (has_run(command, "clean", "all") and command.name == "yum")
            or _removes(command, ("/var/cache/yum",))
        ),
        ("/var/cache/yum",),
        "yum clean all",
    )


def dnf_kept(file: File) -> Iterator[Hit]:
    """`dnf clean all` follows in the RUN that installed or upgraded."""
    seen: set[int] = set()
    for name in _DNF:
        for hit in _not_cleaned(
            file,
            lambda command, name=name: (
                command.name == name  # type: ignore[misc]
                and any(text in _DNF_CHANGES for text in texts(command))
            ),
            lambda command, name=name: (
                (
                    has_run(command, "clean", "all")  # type: ignore[misc]
                    and command.name == name
                )
                or _removes(command, _DNF_CACHES)
            ),
            _DNF_CACHES,
            f"{name} clean all",
        ):
            if hit.item not in seen:
                seen.add(hit.item)
                yield hit


def zypper_kept(file: File) -> Iterator[Hit]:
    """`zypper clean` follows in the RUN that installed."""
    yield from _not_cleaned(
        file,
        lambda command: has(command, "zypper", *_ZYPPER_INSTALL),
        lambda command: (
            has(command, "zypper", "clean", "cc") or _removes(command, ("/var/cache/zypp",))
        ),
        ("/var/cache/zypp",),
        "zypper clean",
    )


def _removes(command: Command, directories: tuple[str, ...]) -> bool:
    return command.name == "rm" and any(text.startswith(directories) for text in texts(command))


def _loose(file: File, select: Callable[[Command], list[Word]]) -> Iterator[Hit]:
    for ran in file.runs:
        words = [word for command in ran.script.commands for word in select(command)]
        if words:
            yield _unpinned(ran, words)


def _unpinned(ran: Ran, words: list[Word]) -> Hit:
    names = ", ".join(f'"{word.text}"' for word in words[:4])
    more = f" and {len(words) - 4} more" if len(words) > 4 else ""
    return ran.hit(words[0], message=f"no version: {names}{more}", hint="name-version")


def yum_unpinned(file: File) -> Iterator[Hit]:
    """Packages of yum are installed in a version that is named; modules with their stream."""

    def select(command: Command) -> list[Word]:
        if not has(command, "yum", "install"):
            return []
        return _without_version(command)

    yield from _loose(file, select)


def dnf_unpinned(file: File) -> Iterator[Hit]:
    """Packages of dnf are installed in a version that is named; modules with their stream."""

    def select(command: Command) -> list[Word]:
        if not has(command, _DNF, "install") or has(command, _DNF, "group"):
            return []
        return _without_version(command)

    yield from _loose(file, select)


def _without_version(command: Command) -> list[Word]:
    is_module = has(command, command.name, "module")
    found: list[Word] = []
    for word in operands(command):
        if word.text in ("install", "module"):
            continue
        if not (":" in word.text if is_module else _has_version(word.text)):
            found.append(word)
    return found


def _has_version(package: str) -> bool:
    """Whether behind the name a version and a release follow, as in `gcc-c++-1.1.1`."""
    if package.endswith(".rpm"):
        return True
    parts = package.split("-")
    for at in range(1, len(parts)):
        rest = parts[at:]
        if rest[0][:1].isdigit() and all(_VERSION.fullmatch(part) for part in rest):
            return True
    return False


def zypper_unpinned(file: File) -> Iterator[Hit]:
    """Packages of zypper are installed in a version that is named."""

    def select(command: Command) -> list[Word]:
        if not has(command, "zypper", *_ZYPPER_INSTALL):
            return []
        return [
            word
            for word in operands(command)
            if word.text not in _ZYPPER_INSTALL
            and not any(mark in word.text for mark in "=<>")
            and not word.text.endswith(".rpm")
        ]

    yield from _loose(file, select)


def zypper_upgrade(file: File) -> Iterator[Hit]:
    """`zypper dist-upgrade` is left to a newer base image.

    It replaces most of the base image, which then lies in two layers.
    """
    for ran in file.runs:
        for command in ran.script.commands:
            if has(command, "zypper", "dist-upgrade", "dup"):
                yield ran.hit(command, hint="take a newer base image")
                break


RULES = (
    hadolint("DL3030", "yum-asks", WARNING, "yum install without -y", yum_asks),
    hadolint("DL3032", "yum-kept", WARNING, "yum clean all is missing", yum_kept),
    hadolint("DL3033", "yum-unpinned", WARNING, "a package of yum has no version", yum_unpinned),
    hadolint("DL3034", "zypper-asks", WARNING, "zypper may ask", zypper_asks),
    hadolint("DL3035", "zypper-upgrade", WARNING, "zypper dist-upgrade", zypper_upgrade),
    hadolint("DL3036", "zypper-kept", WARNING, "zypper clean is missing", zypper_kept),
    hadolint(
        "DL3037", "zypper-unpinned", WARNING, "a package of zypper has no version",
        zypper_unpinned,
    ),
    hadolint("DL3038", "dnf-asks", WARNING, "dnf install without -y", dnf_asks),
    hadolint("DL3040", "dnf-kept", WARNING, "dnf clean all is missing", dnf_kept),
    hadolint("DL3041", "dnf-unpinned", WARNING, "a package of dnf has no version", dnf_unpinned),
)  # fmt: skip
