"""apk: the packages of Alpine."""

from __future__ import annotations

from collections.abc import Iterator

from lamina.lint.command import flags, has, operands
from lamina.lint.file import File
from lamina.lint.finding import Hit
from lamina.lint.mounted import caches
from lamina.lint.rules.kin import INFO, WARNING, hadolint

_VALUED = ("t", "virtual", "repository", "X")


def unpinned(file: File) -> Iterator[Hit]:
    """Packages of apk are installed in a version that is named.

    A repository of Alpine changes within its release, and the image with it.

        RUN apk add --no-cache git            # no
        RUN apk add --no-cache git~=2.52      # yes
    """
    for ran in file.runs:
        loose = [
            word
            for command in ran.script.commands
            if has(command, "apk", "add")
            for word in operands(command, _VALUED)
            if word.text != "add" and not _is_fixed(word.text)
        ]
        if loose:
            names = ", ".join(f'"{word.text}"' for word in loose[:4])
            more = f" and {len(loose) - 4} more" if len(loose) > 4 else ""
            edits = file.pinned(ran, loose, "apk", "=")
            yield ran.hit(
                loose[0], message=f"no version: {names}{more}", hint="name=version", edits=edits
            )


def _is_fixed(text: str) -> bool:
    return any(mark in text for mark in "=~<>") or text.endswith(".apk")


def cached(file: File) -> Iterator[Hit]:
    """`apk add` keeps no index: `--no-cache`.

    The index is fetched, used and forgotten; without the option it stays in the layer, or an old
    one is used.
    """
    for ran in file.runs:
        if any(target.startswith("/var/cache/apk") for target in caches(ran.run)):
            continue
        lacking = [
            command
            for command in ran.script.commands
            if has(command, "apk", "add") and "no-cache" not in flags(command)
        ]
        verbs = [next(w for w in command.arguments if w.text == "add") for command in lacking]
        if lacking:
            edits = tuple([edit for verb in verbs for edit in ran.behind(verb, " --no-cache")])
            yield ran.hit(lacking[0], hint="add --no-cache", edits=edits)


RULES = (
    hadolint("DL3018", "apk-unpinned", WARNING, "a package of apk has no version", unpinned),
    hadolint("DL3019", "apk-cached", INFO, "apk add without --no-cache", cached),
)
