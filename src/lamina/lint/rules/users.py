"""Users and rights."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from lamina.dockerfile import instructions as ins
from lamina.lint.command import has_flag, value_of
from lamina.lint.file import File
from lamina.lint.finding import Hit
from lamina.lint.rules.kin import ERROR, INFO, WARNING, hadolint

_VARIABLE = re.compile(r"\$\{?([A-Za-z_][A-Za-z0-9_]*)\}?")
_HIGH = 5  # digits of a user ID from which on lastlog grows large


def ends_as_root(file: File) -> Iterator[Hit]:
    """The last USER of the image is not root.

    What breaks out of a program then has no rights to begin with.
    """
    if not file.parts:
        return
    for part in file.parts:
        items = [item for item in part.items if not item.in_trigger]
        users = [item for item in items if isinstance(item.instruction, ins.User)]
        if not users:
            continue
        line = users[-1].instruction
        assert isinstance(line, ins.User)
        if line.user.partition(":")[0] in ("root", "0"):
            yield file.hit(users[-1], at=line.user)


def sudo(file: File) -> Iterator[Hit]:
    """No command runs by sudo: a RUN is root already, or has a USER that is meant."""
    seen: set[int] = set()
    for ran, command in file.commands("sudo"):
        if ran.item.index not in seen:
            seen.add(ran.item.index)
            yield ran.hit(command.words[0], hint="use USER, or leave it out")


def sparse_log(file: File) -> Iterator[Hit]:
    """`useradd` with a high user ID takes `--no-log-init`.

    Otherwise it makes a sparse file of gigabytes, which a layer may hold in full.
    """
    for ran in file.runs:
        for command in ran.script.commands:
            if command.name != "useradd" or has_flag(command, "l", "no-log-init"):
                continue
            if any(
                value.isdigit() and len(value) > _HIGH for value in value_of(command, "u", "uid")
            ):
                edits = ran.behind(command.words[0], " --no-log-init")
                yield ran.hit(command, hint="add --no-log-init", edits=edits)
                break


def named_user(file: File) -> Iterator[Hit]:
    """USER is a number.

    A host, and an orchestrator that refuses root, cannot look up names in the image.

        USER www-data     # no
        USER 33           # yes
    """
    values: dict[str, str] = {}
    for item in file.items:
        line = item.instruction
        if isinstance(line, ins.Env):
            values |= {name: _filled(value.strip("\"'"), values) for name, value in line.pairs}
        elif isinstance(line, ins.Arg):
            # One without a default is given when building, and is taken to be a number.
            given = [(name, "0" if value is None else value) for name, value in line.args]
            values |= {name: _filled(value.strip("\"'"), values) for name, value in given}
        elif isinstance(line, ins.User):
            name = _filled(line.user, values).partition(":")[0]
            if not (name.isascii() and name.isdigit()):
                yield file.hit(item, at=line.user)


def _filled(text: str, values: Mapping[str, str]) -> str:
    return _VARIABLE.sub(lambda match: values.get(match[1], match[0]), text)


RULES = (
    hadolint("DL3002", "ends-as-root", WARNING, "the last USER is root", ends_as_root),
    hadolint("DL3004", "sudo", ERROR, "sudo", sudo),
    hadolint("DL3046", "sparse-log", WARNING, "useradd with a high ID and no -l", sparse_log),
    hadolint("DL3066", "named-user", INFO, "USER is no number", named_user),
)
