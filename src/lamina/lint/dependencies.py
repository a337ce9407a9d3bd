"""What an install step reads of the context, where that is certain."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator, Mapping

from lamina.lint import cargo, dotnet
from lamina.lint.command import flags, has, has_run, texts, value_of
from lamina.lint.shell import Command
from lamina.values import dataclass

Files = Mapping[str, str | None]

UNREAD = "\0"  # the text of a file that was not read: a link, or too large a one

_HOOKS = re.compile(r'"(pre|post)?(install|prepare|prepublish)"\s*:')
_LOCAL_NODE = re.compile(r'"(file|link|portal|workspace):|"workspaces"\s*:')
_LOCAL_GEMS = re.compile(r"^\s*gemspec\b|\bpath[:\s=(]|:path\b|eval_gemfile", re.MULTILINE)
_LOCAL_GO = re.compile(r"=>\s*\.{0,2}/")
_REQUIREMENT = re.compile(r"\s*(#.*)?|\s*[A-Za-z0-9][\w.-]*\s*(\[[\w\s,.-]*\])?\s*([=<>!~;][^@]*)?")


@dataclass(frozen=True, slots=True)
class Installer:
    """A program that installs what lists in the directory where it runs say."""

    verbs: tuple[str, ...]
    lists: tuple[str, ...]  # the first has to be there
    leaves: str = ""  # the directory that it fills beside the lists
    needs: tuple[str, ...] = ()  # flags without which it reads the sources too
    is_plain: Callable[[str], bool] = lambda text: True  # whether the first list is all there is
    spoiled_by: tuple[str, ...] = ()  # files that would be read too


def _is_plain_node(text: str) -> bool:
    return not _HOOKS.search(text) and not _LOCAL_NODE.search(text)


_NODE = "package.json"
INSTALLERS = {
    "npm": Installer(
        ("install", "ci", "i"),
        (_NODE, "package-lock.json", "npm-shrinkwrap.json"),
        "node_modules", is_plain=_is_plain_node, spoiled_by=(".npmrc",),
    ),
    "yarn": Installer(
        ("install",), (_NODE, "yarn.lock"),
        "node_modules", is_plain=_is_plain_node,
        spoiled_by=(".npmrc", ".yarnrc", ".yarnrc.yml", ".yarn"),
    ),
    "pnpm": Installer(
        ("install", "i"), (_NODE, "pnpm-lock.yaml"),
        "node_modules", is_plain=_is_plain_node,
        spoiled_by=(".npmrc", "pnpm-workspace.yaml", ".pnpmfile.cjs"),
    ),
    "bundle": Installer(
        ("install",), ("Gemfile", "Gemfile.lock"),
        "vendor", is_plain=lambda text: not _LOCAL_GEMS.search(text), spoiled_by=(".bundle",),
    ),
    "composer": Installer(
        ("install",), ("composer.json", "composer.lock"),
        "vendor", needs=("no-scripts", "no-autoloader"),
        is_plain=lambda text: '"path"' not in text, spoiled_by=("auth.json",),
    ),
    "poetry": Installer(
        ("install",), ("pyproject.toml", "poetry.lock", "poetry.toml"),
        ".venv", needs=("no-root",), is_plain=lambda text: "path =" not in text,
    ),
    "uv": Installer(
        ("sync",), ("pyproject.toml", "uv.lock", ".python-version", "uv.toml"),
        ".venv", needs=("no-install-project",),
        is_plain=lambda text: "path =" not in text and "workspace" not in text,
    ),
    "go": Installer(
        ("mod",), ("go.mod", "go.sum"), "vendor",
        is_plain=lambda text: not _LOCAL_GO.search(text), spoiled_by=("go.work",),
    ),
}  # fmt: skip


def is_list(path: str) -> bool:
    """Whether a file of the context looks like a list of dependencies."""
    name = posixpath.basename(path)
    if re.fullmatch(r"requirements.*\.txt|constraints.*\.txt", name):
        return True
    if name in ("Cargo.toml", "Cargo.lock") or name.endswith(dotnet.PROJECTS):
        return True
    return any(name in each.lists for each in INSTALLERS.values())


def is_pip(command: Command) -> bool:
    """Whether it is `pip install -r FILE`."""
    is_it = command.name.startswith("pip") or has_run(command, "-m", "pip")
    wanted = ("-r", "--requirement")
    return is_it and "install" in texts(command) and any(text in wanted for text in texts(command))


def is_install(command: Command) -> bool:
    """Whether it installs what lists say, whatever else it may read."""
    installer = INSTALLERS.get(command.name)
    if installer is None:
        return is_pip(command) or dotnet.is_restore(command)
    return has(command, command.name, *installer.verbs)


def lists_of(
    command: Command, place: str, files: Files, listing: dotnet.Listing
) -> tuple[str, ...]:
    """The files of the context that an install command reads when it runs in `place` of it.

    None of them where it may read others too.
    """
    if any(not word.is_plain for word in command.words):
        return ()
    if is_pip(command):
        return tuple(_requirements(command, place, files))
    if command.name == "dotnet":
        return dotnet.lists(command, place, files, listing)
    if command.name == "cargo":
        needed = cargo.fetch(command, place, files)
        return needed.lists if needed is not None else ()
    installer = INSTALLERS.get(command.name)
    if installer is None or not is_install(command):
        return ()
    if command.name == "go" and not has_run(command, "mod", "download"):
        return ()
    if not set(installer.needs) <= flags(command) or _names_files(command):
        return ()
    found = [path for name in installer.lists if (path := posixpath.join(place, name)) in files]
    if not found or posixpath.basename(found[0]) != installer.lists[0]:
        return ()
    extra = (installer.leaves, *installer.spoiled_by)
    if any(posixpath.join(place, name) in files for name in extra if name):
        return ()
    text = files[found[0]]
    if text is None or text == UNREAD or not installer.is_plain(text):
        return ()
    return tuple(found)


def _names_files(command: Command) -> bool:
    return any(
        text.startswith((".", "/", "file:")) or "prefix" in text or text in ("-C", "--cwd")
        for text in texts(command)
    )


def _requirements(command: Command, place: str, files: Files) -> Iterator[str]:
    """The lists of pip, if each line of them is a package of an index."""
    named = value_of(command, "r", "requirement")
    others = [text for text in texts(command) if text not in named and text[:1] in (".", "/")]
    if others or not flags(command).isdisjoint(("e", "editable", "c", "constraint", "t", "target")):
        return
    paths = [posixpath.normpath(posixpath.join(place, name)) for name in named]
    for path in paths:
        text = files.get(path) if not path.startswith(("/", "../")) else None
        if text is None or any(not _REQUIREMENT.fullmatch(line) for line in text.splitlines()):
            return
    yield from paths
