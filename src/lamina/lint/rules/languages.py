"""pip, npm, yarn, gem and go: the packages of languages."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from lamina.dockerfile import instructions as ins
from lamina.lint.command import has, has_flag, has_run, operands, texts
from lamina.lint.edits import chained
from lamina.lint.file import File, Ran
from lamina.lint.finding import Edit, Hit
from lamina.lint.mounted import caches
from lamina.lint.rules.kin import INFO, WARNING, hadolint
from lamina.lint.shell import Command, Word
from lamina.values import replace

_TRUTHS = frozenset(("1", "true", "True", "TRUE", "on", "On", "ON", "yes", "Yes", "YES"))
_PIP_VALUED = (
    "abi", "b", "build", "e", "editable", "extra-index-url", "f", "find-links", "i", "index-url",
    "implementation", "no-binary", "only-binary", "platform", "prefix", "progress-bar", "proxy",
    "python", "python-version", "root", "root-user-action", "src", "t", "target", "trusted-host",
    "upgrade-strategy",
)  # fmt: skip
_VCS = re.compile(r"(?:git|hg|svn|bzr)(?:\+[a-z-]+)?(?=[:+]|://)")
_COMPARED = re.compile(r"[=<>]=|~=|!=|[<>]")
_NPM_VALUED = ("registry", "prefix", "cache", "w", "workspace", "omit", "tag", "loglevel")
_GIT = ("git://", "git+ssh://", "git+http://", "git+https://")
_TARBALL = (".tar", ".tar.gz", ".tgz")
_SPEC = re.compile(r"PIP_NO_CACHE_DIR=[\"']?([A-Za-z0-9]+)")


# -- pip -----------------------------------------------------------------------------------


def _is_pip_install(command: Command) -> bool:
    if command.name.startswith(("pip", "pip2", "pip3")) and command.name != "pipenv":
        return "install" in texts(command)
    is_python = command.name.startswith("python")
    return is_python and has_run(command, "-m", "pip", "install")


def pip_unpinned(file: File) -> Iterator[Hit]:
    """Packages of pip are installed in a version that is named, or from a list of requirements.

    Otherwise the image is another one whenever the index is.

        RUN pip install --no-cache-dir flask                    # no
        RUN pip install --no-cache-dir flask==3.1.2             # yes
        RUN pip install --no-cache-dir -r requirements.txt      # yes
    """

    def select(command: Command) -> list[Word]:
        words = texts(command)
        if not _is_pip_install(command) or has_flag(command, "constraint", "c"):
            return []
        if {"-r", "--requirement", "."}.intersection(words):
            return []
        if any(word.startswith(("-r", "--requirement=")) for word in words):
            return []
        packages = _behind(operands(command, _PIP_VALUED), "install")
        return [word for word in packages if not _pip_fixed(word.text)]

    yield from _unpinned(file, select, "name==version", "python", "==")


def _pip_fixed(package: str) -> bool:
    if _COMPARED.search(package) or package.endswith((".whl", ".tar.gz")):
        return True
    is_vcs = _VCS.match(package) is not None
    return "@" in package if is_vcs else "/" in package


def pip_cached(file: File) -> Iterator[Hit]:
    """`pip install` keeps no cache: `--no-cache-dir`, or a cache mount.

    What pip caches doubles what it installs, and is never used again in the image.

        RUN pip install flask==3.1.2                                             # no
        RUN pip install --no-cache-dir flask==3.1.2                              # yes
        RUN --mount=type=cache,target=/root/.cache/pip pip install flask==3.1.2  # yes
    """
    off: dict[str, bool] = {}
    current = ""
    for item in file.unwrapped:
        line = item.instruction
        if isinstance(line, ins.From):
            current = line.as_name or line.image
            off[current] = off.get(line.image.lower(), False)
        elif isinstance(line, ins.Env):
            values = dict(line.pairs)
            if values.get("PIP_NO_CACHE_DIR", "").strip("\"'") in _TRUTHS:
                off[current] = True
        ran = file.ran_at.get(item.index)
        if ran is None or off.get(current, False):
            continue
        found = _SPEC.search(ran.script.text)
        if (found and found[1] in _TRUTHS) or any("/.cache/pip" in t for t in caches(ran.run)):
            continue
        lacking = [
            command
            for command in ran.script.commands
            if _is_pip_install(command) and _keeps_cache(command)
        ]
        verbs = [next(w for w in command.arguments if w.text == "install") for command in lacking]
        if lacking:
            edits = tuple([edit for verb in verbs for edit in ran.behind(verb, " --no-cache-dir")])
            yield ran.hit(lacking[0], hint="add --no-cache-dir", edits=edits)


def _keeps_cache(command: Command) -> bool:
    if "pipx" in command.name or "pipenv" in command.name:
        return False
    words = texts(command)
    is_wrapper = has_run(command, "-m", "pipx") or has_run(command, "-m", "pipenv")
    return "--no-cache-dir" not in words and not is_wrapper


# -- npm and yarn --------------------------------------------------------------------------


def npm_unpinned(file: File) -> Iterator[Hit]:
    """Packages of npm are installed in a version, tag or commit that is named.

    Otherwise the image is another one whenever the registry of npm is.

        RUN npm install -g typescript          # no
        RUN npm install -g typescript@5.9.2    # yes
    """

    def select(command: Command) -> list[Word]:
        words = operands(command, _NPM_VALUED)
        if command.name != "npm" or not words or words[0].text != "install":
            return []
        return [word for word in _behind(words, "install") if not _npm_fixed(word.text)]

    for hit, ran, words in _loose(file, select, "name@version"):
        # Only what is installed for all is known to come from this command.
        commands = [command for command in ran.script.commands if select(command)]
        is_global = all(has_flag(command, "g", "global") for command in commands)
        yield replace(hit, edits=file.pinned(ran, words, "npm", "@") if is_global else ())


def _npm_fixed(package: str) -> bool:
    if package.startswith(_GIT):
        return "#" in package
    if package.endswith(_TARBALL) or package.startswith(("/", "./", "../", "~/")):
        return True
    return "@" in package.lstrip("@")


def yarn_kept(file: File) -> Iterator[Hit]:
    """`yarn cache clean` follows in the RUN that ran `yarn install`."""
    for ran in file.lasting:
        if any("/.cache/yarn" in target for target in caches(ran.run)):
            continue
        commands = ran.script.commands
        first = next((at for at, c in enumerate(commands) if has(c, "yarn", "install")), None)
        if first is None:
            continue
        if not any(c.name == "yarn" and has_run(c, "cache", "clean") for c in commands[first:]):
            clean = "yarn cache clean"
            edits = chained(ran, clean)
            yield ran.hit(commands[first], hint=f"end the RUN with: {clean}", edits=edits)


# -- gem and go ----------------------------------------------------------------------------


def gem_unpinned(file: File) -> Iterator[Hit]:
    """Gems are installed in a version that is named.

    Otherwise the image is another one whenever the index of gems is.

        RUN gem install bundler           # no
        RUN gem install bundler:2.7.2     # yes
    """

    def select(command: Command) -> list[Word]:
        if not has(command, "gem", "install", "i"):
            return []
        words = texts(command)
        if "-v" in words or any(word.split("=")[0] == "--version" for word in words):
            return []
        return [
            word
            for word in operands(_before_dashes(command), ("use-system-libraries",))
            if word.text not in ("install", "i") and ":" not in word.text
        ]

    yield from _unpinned(file, select, "name:version", "gem", ":")


def _before_dashes(command: Command) -> Command:
    """What stands behind `--` is for the compiler."""
    for at, word in enumerate(command.words):
        if word.text == "--":
            return Command(
                command.name, command.words[:at], command.assignments, command.targets,
                command.start, command.end, command.after, command.depth,
            )  # fmt: skip
    return command


def go_unpinned(file: File) -> Iterator[Hit]:
    """Programs of `go install`, `go get` and `go run` have a version; `latest` is none.

    Otherwise the image is another one whenever somebody sets a tag.

        RUN go install golang.org/x/tools/gopls@latest     # no
        RUN go install golang.org/x/tools/gopls@v0.20.0    # yes
    """

    def select(command: Command) -> list[Word]:
        words = operands(command)
        if command.name != "go" or not words or words[0].text not in ("install", "get", "run"):
            return []
        packages = words[1:2] if words[0].text == "run" else words[1:]
        return [word for word in packages if not _go_fixed(word.text)]

    for hit, ran, words in _loose(file, select, "path@version"):
        yield replace(hit, edits=_go_pinned(file, ran, words))


def _go_pinned(file: File, ran: Ran, words: list[Word]) -> tuple[Edit, ...]:
    """The edits that put the version of the program in the image in the place of `latest`."""
    edits: list[Edit] = []
    for word in words:
        path, at, _ = word.text.partition("@")
        version = file.version(ran, "go", path)
        if version is None or not at or not word.is_plain or not ran.located.starts:
            return ()
        edits.append(Edit(ran.span(word), f"{path}@{version}"))
    return tuple(edits)


def _go_fixed(package: str) -> bool:
    if package.startswith((".", "/")) or package.endswith(".go"):
        return True
    _, at, version = package.partition("@")
    return bool(at) and version != "latest"


# -- what they share -----------------------------------------------------------------------


def _behind(words: list[Word], verb: str) -> list[Word]:
    for at, word in enumerate(words):
        if word.text == verb:
            return [each for each in words[at + 1 :] if each.text != verb]
    return []


def _unpinned(
    file: File, select: Callable[[Command], list[Word]], form: str, kind: str, sign: str
) -> Iterator[Hit]:
    for hit, ran, words in _loose(file, select, form):
        yield replace(hit, edits=file.pinned(ran, words, kind, sign))


def _loose(
    file: File, select: Callable[[Command], list[Word]], form: str
) -> Iterator[tuple[Hit, Ran, list[Word]]]:
    """The packages of each RUN that have no version."""
    for ran in file.runs:
        words = [word for command in ran.script.commands for word in select(command)]
        if words:
            names = ", ".join(f'"{word.text}"' for word in words[:4])
            more = f" and {len(words) - 4} more" if len(words) > 4 else ""
            message = f"no version: {names}{more}"
            yield ran.hit(words[0], message=message, hint=form), ran, words


RULES = (
    hadolint("DL3013", "pip-unpinned", WARNING, "a package of pip has no version", pip_unpinned),
    hadolint("DL3016", "npm-unpinned", WARNING, "a package of npm has no version", npm_unpinned),
    hadolint("DL3028", "gem-unpinned", WARNING, "a gem has no version", gem_unpinned),
    hadolint("DL3042", "pip-cached", WARNING, "pip install without --no-cache-dir", pip_cached),
    hadolint("DL3060", "yarn-kept", INFO, "yarn cache clean is missing", yarn_kept),
    hadolint("DL3062", "go-unpinned", WARNING, "a program of Go has no version", go_unpinned),
)
