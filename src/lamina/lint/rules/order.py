"""Order: what changes often stands below what takes long."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lamina.dockerfile import instructions as ins
from lamina.lint.command import has, operands, texts
from lamina.lint.dependencies import is_install, is_pip
from lamina.lint.edits import merged, moved_above, moved_below
from lamina.lint.file import File, Item, Part, Ran
from lamina.lint.finding import Edit, Hit
from lamina.lint.rules.kin import INFO, STYLE, WARNING, lamina
from lamina.lint.shell import Command
from lamina.lint.split import directories, read_by, source_of, split, target_of

_SYSTEM = {
    "apk": ("add",),
    "apt": ("install", "update"),
    "apt-get": ("install", "update"),
    "dnf": ("install",),
    "microdnf": ("install",),
    "pacman": ("-S", "-Sy", "-Syu"),
    "yum": ("install",),
    "zypper": ("install", "in"),
}
_FILES = (".deb", ".rpm", ".apk")
_LANGUAGES = {
    "npm": ("install", "ci", "i"),
    "pnpm": ("install", "i"),
    "yarn": ("install",),
    "composer": ("install",),
    "bundle": ("install",),
    "poetry": ("install",),
    "cargo": ("fetch",),
    "go": ("mod",),
    "uv": ("sync",),
    "dotnet": ("restore",),
}


def context_before_packages(file: File) -> Iterator[Hit]:
    """Packages of the system are installed above the COPY of the sources.

    A COPY is done again when one of its files has changed, and so is all that follows it. What
    needs none of those files belongs above.

        COPY . /app                                  # no
        RUN apt-get update && apt-get install -y curl

        RUN apt-get update && apt-get install -y curl
        COPY . /app                                  # yes
    """
    for part in file.parts:
        copy: Item | None = None
        for item in part.items:
            if copy is None and (_takes_everything(item) or source_of(file, item) is not None):
                copy = item
            ran = file.ran_at.get(item.index)
            if copy is None or ran is None or item.in_trigger:
                continue
            command = _first(ran, _SYSTEM)
            if command is not None and _is_independent(ran):
                hint = f"move it above the {copy.instruction.name} on line {copy.line}"
                edits = _above(file, part, copy, ran)
                yield ran.hit(command, hint=hint + _recorded(file, ran), edits=edits)


def context_before_dependencies(file: File) -> Iterator[Hit]:
    """The list of dependencies is copied alone, and installed, above the COPY of the sources.

    Then a change of a source does not install all the dependencies once more.

        COPY . .                       # no
        RUN npm ci

        COPY package*.json ./          # yes
        RUN npm ci
        COPY . .
    """
    for part in file.parts:
        copy: Item | None = None
        is_prepared = False
        for item in part.items:
            line = item.instruction
            if copy is None and (_takes_everything(item) or source_of(file, item) is not None):
                copy = item
            ran = file.ran_at.get(item.index)
            if ran is None or item.in_trigger:
                continue
            if _binds_context(ran):
                is_prepared = True
            command = _first(ran, _LANGUAGES) or next(
                (each for each in ran.script.commands if is_pip(each)), None
            )
            if command is None:
                continue
            if copy is not None and not is_prepared and isinstance(line, ins.Run):
                names = read_by(file, part, copy, ran)
                if names or _takes_everything(copy):
                    what = ", ".join(names) or "what it reads"
                    hint = f"copy {what} alone, above the {copy.instruction.name} on line "
                    hint += f"{copy.line}{_recorded(file, ran)}"
                    edits = split(file, part, copy, ran, names, _is_apart) if names else ()
                    yield ran.hit(command, hint=hint, edits=edits)
            is_prepared = True


def _recorded(file: File, ran: Ran) -> str:
    """What a build has seen a RUN open of the context, for a hint."""
    seen = file.facts.opened.get(ran.run.original)
    if seen is None:
        return ""
    most = 4
    names = ", ".join(seen[:most]) + (f" and {len(seen) - most} more" if len(seen) > most else "")
    return f" (recorded: it opened {names} only)" if seen else " (recorded: it opened no file)"


# What a RUN that installs packages of the system does not depend on.
_APART = (
    ins.Cmd, ins.Copy, ins.Entrypoint, ins.Expose, ins.Healthcheck, ins.Label, ins.StopSignal,
    ins.Workdir,
)  # fmt: skip


def _above(file: File, part: Part, copy: Item, ran: Ran) -> tuple[Edit, ...]:
    """The edits that move a RUN above a COPY, if nothing from there on concerns it."""
    places = directories(part)
    for item in part.items:
        if not copy.index <= item.index < ran.item.index:
            continue
        if item.in_trigger or not isinstance(item.instruction, _APART):
            return ()
        is_copy = isinstance(item.instruction, ins.Copy)
        if is_copy and not target_of(file, item, places[item.index]):
            return ()
    return moved_above(file, ran.item, copy) if _is_apart(ran) else ()


def _is_apart(ran: Ran) -> bool:
    """Whether a RUN neither reads nor writes where the sources are copied to."""
    if not _is_independent(ran):
        return False
    commands = ran.script.commands
    if any(word.text != "/dev/null" for command in commands for word in command.targets):
        return False
    removed = [word.text for each in commands if each.name == "rm" for word in operands(each)]
    return all(path.startswith(("/var/cache/", "/var/lib/apt/", "/tmp/")) for path in removed)


def _takes_everything(item: Item) -> bool:
    """Whether it copies the context, or all but all of it."""
    line = item.instruction
    if item.in_trigger or not isinstance(line, ins.Copy | ins.Add):
        return False
    if isinstance(line, ins.Copy) and line.from_ is not None:
        return False
    return any(path.strip("\"'").rstrip("/") in ("", ".", "*", "./*") for path in line.sources)


def _first(ran: Ran, known: dict[str, tuple[str, ...]]) -> Command | None:
    for command in ran.script.commands:
        verbs = known.get(command.name)
        if verbs is not None and any(text in verbs for text in texts(command)):
            return command
    return None


def _is_independent(ran: Ran) -> bool:
    """Whether the RUN plainly needs nothing that was copied: it only installs and cleans."""
    harmless = ("rm", "set", "echo", "true", "export", *_SYSTEM)
    if any(command.name not in harmless for command in ran.script.commands):
        return False
    if "$(" in ran.script.text or "`" in ran.script.text:
        return False
    given = [t for c in ran.script.commands if c.name in _SYSTEM for t in texts(c)]
    return not any(t.startswith(("./", "../")) or t.endswith(_FILES) for t in given)


def _binds_context(ran: Ran) -> bool:
    return any("type=bind" in text or "type=" not in text for text in ran.run.mounts)


def update_alone(file: File) -> Iterator[Hit]:
    """`apt-get update` and `apt-get install` are one RUN.

    Apart, the lists come from the cache when the install is done again, and name packages that
    the mirror has no more.

        RUN apt-get update                                    # no
        RUN apt-get install -y curl

        RUN apt-get update && apt-get install -y curl         # yes
    """
    names = ("apt-get", "apt")
    for part in file.parts:
        updated: Ran | None = None
        for item in part.items:
            ran = file.ran_at.get(item.index)
            if ran is None or item.in_trigger:
                continue
            updates = [c for c in ran.script.commands if has(c, names, "update")]
            installs = [c for c in ran.script.commands if has(c, names, "install")]
            if installs and not updates and updated is not None:
                hint = f"make it one RUN with the update on line {updated.item.line}"
                edits = merged(file.source, updated, ran)
                yield ran.hit(installs[0], hint=hint, edits=edits)
            if updates:
                updated = ran if not installs else None


# Variables that installers are steered by; what they say must stand above.
_WORD = re.compile(r"\w+")
_STEERING = re.compile(
    r"(?i)(apt|debian|deb|dpkg|lang|lc|npm|node|pip|python|yarn|gem|bundle|go|http|https|ftp|no|all"
    r"|ssl|curl|path|home|user|shell|tz|ld|tmp\w*)(_\w*)?"
)


def settings_before_packages(file: File) -> Iterator[Hit]:
    """CMD, LABEL, EXPOSE and their kind stand below the RUN that installs packages.

    Builders without BuildKit, docker's old one among them, do every step below a changed
    instruction anew. An ENV is part of what any builder asks its cache for; one that installing
    does not use belongs below too.

        ENV APP_VERSION=1.2                                   # no
        RUN apt-get update && apt-get install -y curl

        RUN apt-get update && apt-get install -y curl
        ENV APP_VERSION=1.2                                   # yes
    """
    for part in file.parts:
        for item in part.items:
            if item.in_trigger or not isinstance(item.instruction, _SETTINGS):
                continue
            install = _install_below(file, part, item)
            if install is not None and _may_sink(part, item, install):
                hint = f"move it below the RUN on line {install.line}"
                yield file.hit(item, hint=hint, edits=moved_below(file, item, install))


_SETTINGS = (
    ins.Cmd, ins.Entrypoint, ins.Env, ins.Expose, ins.Healthcheck, ins.Label, ins.StopSignal,
)  # fmt: skip


def _install_below(file: File, part: Part, item: Item) -> Item | None:
    """The last RUN of those below that install; no other RUN stands before it.

    For an ENV those alone that install packages of the system and do nothing else.
    """
    found: Item | None = None
    is_env = isinstance(item.instruction, ins.Env)
    for other in part.items:
        ran = file.ran_at.get(other.index)
        if other.index < item.index or ran is None:
            continue
        is_system = _first(ran, _SYSTEM) is not None and _is_independent(ran)
        if not is_system and (is_env or not any(map(is_install, ran.script.commands))):
            break
        found = other
    return found


def _may_sink(part: Part, item: Item, install: Item) -> bool:
    """Whether an instruction means the same below `install`."""
    line = item.instruction
    between = [each for each in part.items if item.index < each.index <= install.index]
    if any(type(each.instruction) is type(line) for each in between):
        return False
    if isinstance(line, ins.Cmd | ins.Entrypoint | ins.Healthcheck):
        return not any(isinstance(each.instruction, ins.Shell) for each in between)
    if "$" in line.original:
        return False
    if not isinstance(line, ins.Env):
        return True
    names = [name for name, _ in line.pairs]
    if any(_STEERING.fullmatch(name) for name in names):
        return False
    words = {word for each in between for word in _WORD.findall(each.instruction.original)}
    return words.isdisjoint(names)


RULES = (
    lamina(
        "LM1001",
        "context-before-packages",
        INFO,
        "packages are installed anew whenever a source changes",
        context_before_packages,
    ),
    lamina(
        "LM1002",
        "context-before-dependencies",
        INFO,
        "dependencies are installed anew whenever a source changes",
        context_before_dependencies,
    ),
    lamina("LM1003", "update-alone", WARNING, "the lists of apt may be old", update_alone),
    lamina(
        "LM1004",
        "settings-before-packages",
        STYLE,
        "packages are installed anew whenever this changes",
        settings_before_packages,
    ),
)
