"""Order: what changes often stands below what takes long."""

from __future__ import annotations

from collections.abc import Iterator

from lamina.dockerfile import instructions as ins
from lamina.lint.command import has, has_run, texts
from lamina.lint.edits import merged
from lamina.lint.file import File, Item, Ran
from lamina.lint.finding import Hit
from lamina.lint.rules.kin import INFO, WARNING, lamina
from lamina.lint.shell import Command

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
            if copy is None and _takes_everything(item):
                copy = item
            ran = file.ran_at.get(item.index)
            if copy is None or ran is None or item.in_trigger:
                continue
            command = _first(ran, _SYSTEM)
            if command is not None and _is_independent(ran):
                hint = f"move it above the {copy.instruction.name} on line {copy.line}"
                yield ran.hit(command, hint=hint)


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
            if copy is None and _takes_everything(item):
                copy = item
            ran = file.ran_at.get(item.index)
            if ran is None or item.in_trigger:
                continue
            if _binds_context(ran):
                is_prepared = True
            command = _first(ran, _LANGUAGES) or _requirements(ran)
            if command is None:
                continue
            if copy is not None and not is_prepared and isinstance(line, ins.Run):
                name = copy.instruction.name
                hint = f"copy what it reads alone, above the {name} on line {copy.line}"
                yield ran.hit(command, hint=hint)
            is_prepared = True


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


def _requirements(ran: Ran) -> Command | None:
    for command in ran.script.commands:
        is_pip = command.name.startswith("pip") or has_run(command, "-m", "pip")
        wanted = ("-r", "--requirement")
        if is_pip and "install" in texts(command) and any(t in wanted for t in texts(command)):
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
)
