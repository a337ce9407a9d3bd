"""CMD, ENTRYPOINT and HEALTHCHECK: their form, and that the last one counts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from lamina.dockerfile import instructions as ins
from lamina.lint import shell
from lamina.lint.edits import removed
from lamina.lint.file import File, Item, Part
from lamina.lint.finding import Edit, Hit
from lamina.lint.rule import Phase
from lamina.lint.rules.kin import ERROR, WARNING, buildkit, hadolint

_ONCE = (ins.Cmd, ins.Entrypoint, ins.Healthcheck)
_SIMPLE = re.compile(r"[A-Za-z0-9_./:=@%+, -]+")


def json_args_recommended(file: File) -> Iterator[Hit]:
    """CMD and ENTRYPOINT are written as a JSON array.

    The shell form runs below `/bin/sh -c`, which does not pass signals on: `docker stop` waits ten
    seconds and kills. Where a shell is wanted, SHELL says so.

        CMD node server.js           # no
        CMD ["node", "server.js"]    # yes
    """
    for item in file.trace.shell_forms:
        name = item.instruction.keyword
        yield file.hit(
            item,
            f"JSON arguments recommended for {name} to prevent unintended behavior related to"
            " OS signals",
            edits=_as_json(file, item),
        )


def shell_form(file: File) -> Iterator[Hit]:
    """CMD and ENTRYPOINT are written as a JSON array (hadolint's number for JSONArgsRecommended).

    It fires also where SHELL was set, and minds the command of HEALTHCHECK too.
    """
    for item in file.of(ins.Cmd, ins.Entrypoint, ins.Healthcheck):
        line = item.instruction
        if isinstance(line, ins.Healthcheck):
            if line.test[0] == "CMD-SHELL":
                yield file.hit(item)
            continue
        assert isinstance(line, ins.Cmd | ins.Entrypoint)
        if line.command.is_shell and line.command.args:
            yield file.hit(item, edits=_as_json(file, item))


def multiple_instructions(file: File) -> Iterator[Hit]:
    """CMD, ENTRYPOINT and HEALTHCHECK stand once in a stage.

    Only the last one counts. What stands before does nothing, and misleads who reads it.
    """
    for part in file.parts:
        for kind in _ONCE:
            before: Item | None = None
            for item in _written(part, kind):
                if before is not None:
                    name = item.instruction.keyword
                    span = file.hit(before).span
                    message = (
                        f"Multiple {name} instructions should not be used in the same stage"
                        " because only the last one will be used"
                    )
                    edits = removed(file, before) if not before.in_trigger else ()
                    yield Hit(item.index, span, message, None, edits, before.line)
                before = item


def _written(part: Part, kind: type[ins.Instruction]) -> list[Item]:
    items = [item for item in part.items if not item.in_trigger]
    return [item for item in items if isinstance(item.instruction, kind)]


def several_cmds(file: File) -> Iterator[Hit]:
    """CMD stands once in a stage; hadolint names the later ones."""
    yield from _later(file, ins.Cmd)


def several_entrypoints(file: File) -> Iterator[Hit]:
    """ENTRYPOINT stands once in a stage; hadolint names the later ones."""
    yield from _later(file, ins.Entrypoint)


def several_healthchecks(file: File) -> Iterator[Hit]:
    """HEALTHCHECK stands once in a stage; hadolint names the later ones."""
    yield from _later(file, ins.Healthcheck)


def _later(file: File, kind: type[ins.Instruction]) -> Iterator[Hit]:
    for part in file.parts:
        for item in _written(part, kind)[1:]:
            yield file.hit(item)


def no_healthcheck(file: File) -> Iterator[Hit]:
    """Every stage, or one that it stands on, has a HEALTHCHECK.

    Who runs the image can then tell a hanging program from a busy one. Off unless asked for: an
    orchestrator has probes of its own.
    """
    good: set[str] = set()
    bases: dict[str, str] = {}
    bad: list[tuple[str, Item]] = []
    for part in file.parts:
        if part.base is None:
            continue
        line = part.base.instruction
        assert isinstance(line, ins.From)
        name: str | None = part.name.lower()
        if line.as_name is not None:
            bases[line.as_name] = line.image.lower()
        if line.image.lower() in good:
            good.add(part.name.lower())
        else:
            bad.append((part.name.lower(), part.base))
        if any(isinstance(item.instruction, ins.Healthcheck) for item in part.items):
            while name is not None and name not in good:
                good.add(name)
                name = bases.get(name)
    for own, item in bad:
        if own not in good:
            yield file.hit(item)


def _as_json(file: File, item: Item) -> tuple[Edit, ...]:
    """The JSON form, where the shell would do nothing but cut the line into words."""
    line = item.instruction
    assert isinstance(line, ins.Cmd | ins.Entrypoint)
    command = line.command
    if len(command.args) != 1 or not _SIMPLE.fullmatch(command.args[0]):
        return ()
    script = shell.parse(command.args[0])
    if len(script.commands) != 1 or script.commands[0].assignments:
        return ()
    words = [word.text for word in script.commands[0].words]
    if words[0] in _BUILTINS:
        return ()
    located = file.located(item)
    end = len(located.text.rstrip())
    start = end - len(command.args[0])
    if located.text[start:end] != command.args[0] or not located.starts:
        return ()
    return (Edit(located.span(start, end), json.dumps(words, ensure_ascii=False)),)


_BUILTINS = frozenset((".", "cd", "command", "eval", "exec", "export", "set", "source", "trap"))


RULES = (
    buildkit(
        "JSONArgsRecommended",
        "JSON arguments recommended for ENTRYPOINT/CMD to prevent unintended behavior related to"
        " OS signals",
        json_args_recommended,
        Phase.STEPS,
    ),
    buildkit(
        "MultipleInstructionsDisallowed",
        "Multiple instructions of the same type should not be used in the same stage",
        multiple_instructions,
        Phase.STEPS,
    ),
    hadolint(
        "DL3012",
        "one-healthcheck",
        ERROR,
        "a stage has several HEALTHCHECKs",
        several_healthchecks,
        twin="MultipleInstructionsDisallowed",
    ),
    hadolint(
        "DL3025",
        "json-form",
        WARNING,
        "CMD or ENTRYPOINT is no JSON array",
        shell_form,
        twin="JSONArgsRecommended",
    ),
    hadolint("DL3057", "healthcheck-missing", WARNING, "no HEALTHCHECK", no_healthcheck, on=False),
    hadolint(
        "DL4003",
        "one-cmd",
        WARNING,
        "a stage has several CMDs",
        several_cmds,
        twin="MultipleInstructionsDisallowed",
    ),
    hadolint(
        "DL4004",
        "one-entrypoint",
        ERROR,
        "a stage has several ENTRYPOINTs",
        several_entrypoints,
        twin="MultipleInstructionsDisallowed",
    ),
)
