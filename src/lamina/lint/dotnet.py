"""`dotnet restore`: which files it reads, where one project stands alone.

Beside a project it reads what it finds in its directory and above: Directory.Build.props and its
kin, global.json, NuGet.config (Microsoft Learn, "Customize your build by folder").
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence

from lamina.lint.command import flags, operands
from lamina.lint.shell import Command

Listing = Mapping[str, Sequence[str]]
"""Names right in a directory of the context; "" is its top."""

PROJECTS = (".csproj", ".fsproj", ".vbproj")
_SOLUTIONS = (".sln", ".slnx", ".slnf", ".proj")
_INHERITED = frozenset(
    (
        *("directory.build.props", "directory.build.targets", "directory.packages.props"),
        *("global.json", "nuget.config"),
    )
)
_FLAGS = frozenset(
    (
        *("disable-parallel", "f", "force", "locked-mode", "no-cache", "no-http-cache"),
        *("r", "runtime", "v", "verbosity"),
    )
)
_VALUED = ("r", "runtime", "v", "verbosity")
_ELSEWHERE = re.compile(
    r"<(ProjectReference|Import|Restore\w*Sources?|RestorePackagesPath|RestoreConfigFile)\b"
    r"|Exists\(|\$\(\[|<Project[^>]*\bTreatAsLocalProperty",
    re.IGNORECASE,
)
_VALUE = re.compile(r"""\bvalue\s*=\s*["']([^"']*)["']""", re.IGNORECASE)


def is_restore(command: Command) -> bool:
    """Whether it is `dotnet restore`, with no flag that names a file."""
    words = [word.text for word in operands(command, _VALUED)]
    return command.name == "dotnet" and words[:1] == ["restore"] and flags(command) <= _FLAGS


def lists(
    command: Command, place: str, files: Mapping[str, str | None], listing: Listing
) -> tuple[str, ...]:
    """The files of the context that it reads when it runs in `place` of it.

    None of them where it may read others too.
    """
    names = listing.get(place)
    project = _project(command, names) if names is not None and is_restore(command) else None
    if names is None or project is None or "obj" in names or _inherits(place, listing):
        return ()
    found = [
        posixpath.join(place, name)
        for name in sorted(names)
        if name == project
        or name.startswith(f"{project}.")
        or name == "packages.lock.json"
        or name.lower() in _INHERITED
    ]
    return tuple(found) if all(_is_plain(path, files) for path in found) else ()


def _project(command: Command, names: Sequence[str]) -> str | None:
    """The one project that is restored."""
    words = [word.text for word in operands(command, _VALUED)][1:]
    projects = [name for name in names if name.endswith(PROJECTS)]
    if words:
        name = words[0].removeprefix("./")
        return name if len(words) == 1 and name in projects else None
    if len(projects) != 1 or any(name.endswith(_SOLUTIONS) for name in names):
        return None
    return projects[0]


def _inherits(place: str, listing: Listing) -> bool:
    """Whether a directory above has something for its projects, as far as the context goes."""
    return any(
        name.lower() in _INHERITED for above in _above(place) for name in listing.get(above, ())
    )


def _above(place: str) -> Iterator[str]:
    while place:
        place = posixpath.dirname(place)
        yield place


def _is_plain(path: str, files: Mapping[str, str | None]) -> bool:
    """Whether a file sends its reader nowhere else."""
    text = files.get(path)
    if text is None or "\0" in text:
        return False
    if path.lower().endswith("nuget.config"):
        return all(value.startswith(("https://", "http://")) for value in _VALUE.findall(text))
    return not _ELSEWHERE.search(text)
