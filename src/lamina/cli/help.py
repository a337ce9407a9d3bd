"""Help texts, laid out as Docker's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lamina.cli.command import Command, Flag, Kind
from lamina.cli.commands import ENTRIES, GROUPS, Entry, members
from lamina.cli.flags import usage_of

_WIDTH = 90  # columns of a line, so that help reads the same wherever it is read


def top_help(options: Command) -> str:
    """`lamina --help`."""
    plain = sorted((e.name, e) for e in ENTRIES if " " not in e.name and not e.common)
    common = [(e.name, e) for e in ENTRIES if e.common]
    groups = sorted(GROUPS.items())
    return "\n".join(
        [
            "Usage:  lamina [OPTIONS] COMMAND",
            "",
            "Build, run and look inside container images, with no daemon",
            "",
            "Common Commands:",
            *_rows((name, entry.summary) for name, entry in common),
            "",
            "Management Commands:",
            *_rows(groups),
            "",
            "Commands:",
            *_rows((name, entry.summary) for name, entry in plain),
            "",
            "Global Options:",
            *_flags(options.flags),
            "",
            "Run 'lamina COMMAND --help' for more information on a command.",
        ]
    )


def group_help(group: str) -> str:
    """`lamina image --help`."""
    return "\n".join(
        [
            f"Usage:  lamina {group} COMMAND",
            "",
            GROUPS.get(group, "Build images"),
            "",
            "Commands:",
            *_rows((word, entry.summary) for word, entry in members(group)),
            "",
            f"Run 'lamina {group} COMMAND --help' for more information on a command.",
        ]
    )


def command_help(entry: Entry, spelled: str, command: Command) -> str:
    """`lamina images --help`."""
    shown = [flag for flag in command.flags if not flag.hidden]
    lines = [f"Usage:  lamina {spelled} {usage_of(command)}".rstrip(), "", entry.summary]
    if command.about:
        lines += ["", command.about.strip("\n")]
    if entry.also:
        names = ", ".join(f"lamina {words}" for words in (entry.name, *entry.also))
        lines += ["", "Aliases:", f"  {names}"]
    if shown:
        lines += ["", "Options:", *_flags(shown)]
    return "\n".join(lines)


def _rows(rows: Iterable[tuple[str, str]]) -> list[str]:
    rows = list(rows)
    width = max((len(name) for name, _ in rows), default=0)
    return [f"  {name:<{width}}   {summary}" for name, summary in rows]


def _flags(flags: Sequence[Flag]) -> list[str]:
    heads = []
    for flag in sorted(flags, key=lambda f: f.name):
        short = f"-{flag.short}, " if flag.short else "    "
        value = "" if flag.kind is Kind.BOOL else flag.value or flag.kind.value
        heads.append((f"{short}--{flag.name} {value}".rstrip(), flag))
    width = max(len(head) for head, _ in heads)
    lines = []
    for head, flag in heads:
        text = flag.help + (f' (default "{flag.default}")' if flag.default else "")
        first, *more = _wrapped(text, max(_WIDTH - width - 5, 30))
        lines.append(f"  {head:<{width}}   {first}".rstrip())
        lines += [" " * (width + 5) + line for line in more]
    return lines


def _wrapped(text: str, width: int) -> list[str]:
    lines = [""]
    for word in text.split(" "):
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width:
            lines.append(word)
        else:
            lines[-1] = f"{lines[-1]} {word}".strip()
    return lines
