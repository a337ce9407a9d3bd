"""What advice needs from everybody: Dockerfiles, their contexts, and what the store has."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from lamina.dockerfile import Dockerfile
from lamina.dockerfile.ignore import Ignore
from lamina.errors import Error, Invalid, NotFound
from lamina.lint import Base, Facts, Report, checks
from lamina.lint.dependencies import UNREAD
from lamina.values import dataclass, replace

if TYPE_CHECKING:
    from lamina.build import Options
    from lamina.build.context import Context
    from lamina.engine.engine import Engine
    from lamina.fs.root import Root
    from lamina.oci.platform import Platform

_LIMIT = 16 << 20  # bytes of a Dockerfile, and of an ignore file
_NAMES = 10_000  # in a directory of the context that rules want to know
_LIST = 1 << 20  # bytes of a file of the context that rules may want to read
_IGNORE = ".dockerignore"
_ARGUMENT = "BUILDKIT_DOCKERFILE_CHECK"


class ChecksFailed(Invalid):
    """A check fired, and the Dockerfile asks for a build to fail then; `render` shows them all."""

    def __init__(self, report: Report) -> None:
        assert report.fault is not None
        hint = f"mend them, or build with --build-arg {_ARGUMENT}=skip=all"
        super().__init__(report.fault.message, hint=hint)
        self.report = report

    def render(self) -> str:
        """The message, and below it each finding with its lines."""
        from lamina.lint.formats import docker

        return f"{self.message}\n\n{docker.report_text(replace(self.report, fault=None))}"


@dataclass(frozen=True, slots=True)
class Place:
    """A Dockerfile to be looked at."""

    name: str  # as findings call it
    data: bytes
    facts: Facts
    path: Path | None = None  # where it can be written back
    context: Path | None = None  # the directory that it is built with


def find(engine: Engine, where: str, file: str | None, stdin: BinaryIO) -> Place:
    """The Dockerfile that `where` names: a file, a directory that is its context, or "-"."""
    bases = Bases(engine)
    if where == "-":
        return Place("-", stdin.read(_LIMIT), Facts(bases=bases))
    path = Path(where)
    if not path.is_dir():
        return Place(where, _read(path), Facts(bases=bases), path, path.parent)
    name = file if file is not None else "Dockerfile"
    dockerfile = path / name
    if file is None and not dockerfile.exists() and (path / "dockerfile").exists():
        dockerfile = path / "dockerfile"
    ignore = _ignore(path, dockerfile)
    facts = Facts(
        ignore=ignore,
        files=Files(path, ignore),
        listing=Listing(path, ignore),
        has_context=True,
        has_history=(path / ".git").exists(),
        bases=bases,
    )
    return Place(os.fspath(dockerfile), _read(dockerfile), facts, dockerfile, path)


def _ignore(context: Path, dockerfile: Path) -> Ignore | None:
    for path in (dockerfile.with_name(f"{dockerfile.name}{_IGNORE}"), context / _IGNORE):
        if path.is_file():
            return Ignore.parse(_read(path))
    return None


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            data = stream.read(_LIMIT)
    except FileNotFoundError:
        raise NotFound(
            f'"{path}" does not exist', hint="name a Dockerfile, or its directory"
        ) from None
    if len(data) == _LIMIT:
        raise Invalid(f'"{path}" is not smaller than {_LIMIT} bytes')
    return data


# -- builds --------------------------------------------------------------------------------


def refuse(engine: Engine, dockerfile: Dockerfile, options: Options, context: Context) -> None:
    """ChecksFailed if the Dockerfile asks for it, and a check fires."""
    report = check(engine, dockerfile.source.text, dockerfile.source.name, options, context)
    if report.is_violated:
        raise ChecksFailed(report)


def check(
    engine: Engine, text: str | bytes, name: str, options: Options, context: Context
) -> Report:
    """BuildKit's checks of what a build would do, with what the store knows of its images."""
    facts = Facts(
        ignore=context.ignore,
        build_args=tuple(options.build_args.items()),
        target=options.target,
        bases=Bases(engine, options.platform),
    )
    return checks(text, name=name, facts=facts, options=options.build_args.get(_ARGUMENT))


class Files(Mapping[str, str | None]):
    """A context as rules see it: what they ask for is looked at, nothing else and nothing beyond.

    Links are not followed: what they lead to is read by another name.
    """

    def __init__(self, directory: Path, ignore: Ignore | None) -> None:
        self._directory = directory
        self._ignore = ignore
        self._seen: dict[str, tuple[bool, str | None]] = {}

    def __getitem__(self, path: str) -> str | None:
        if path not in self._seen:
            self._seen[path] = self._look(path)
        is_there, text = self._seen[path]
        if not is_there:
            raise KeyError(path)
        return text

    def __iter__(self) -> Iterator[str]:
        return (path for path, (is_there, _) in self._seen.items() if is_there)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _look(self, path: str) -> tuple[bool, str | None]:
        from lamina.fs.root import Root

        try:
            if path and self._ignore is not None and self._ignore.ignores(path):
                return False, None
            fd = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except (OSError, Error):
            return False, None
        try:
            return _looked_at(Root(fd), path)
        except (OSError, Error, ValueError):
            return False, None
        finally:
            os.close(fd)


class Listing(Mapping[str, tuple[str, ...]]):
    """The names right in directories of a context, as `Files` sees it; large ones are unknown."""

    def __init__(self, directory: Path, ignore: Ignore | None) -> None:
        self._directory = directory
        self._ignore = ignore
        self._seen: dict[str, tuple[str, ...] | None] = {}

    def __getitem__(self, path: str) -> tuple[str, ...]:
        if path not in self._seen:
            self._seen[path] = self._look(path)
        found = self._seen[path]
        if found is None:
            raise KeyError(path)
        return found

    def __iter__(self) -> Iterator[str]:
        return (path for path, found in self._seen.items() if found is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _look(self, path: str) -> tuple[str, ...] | None:
        from lamina.fs.root import Root

        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
        try:
            with Root.at(self._directory) as root:
                fd = root.open(path or ".", flags)
                try:
                    names = os.listdir(fd)
                finally:
                    os.close(fd)
        except (OSError, Error, ValueError):
            return None
        if len(names) > _NAMES:
            return None
        inside = [(f"{path}/{name}" if path else name, name) for name in names]
        ignore = self._ignore
        return tuple(sorted(n for full, n in inside if ignore is None or not ignore.ignores(full)))


def _looked_at(root: Root, path: str) -> tuple[bool, str | None]:
    """Whether something is there, and the text of a file that is no larger than a list is."""
    import stat

    found = root.lstat(path)
    if stat.S_ISDIR(found.st_mode):
        return True, None
    if not stat.S_ISREG(found.st_mode) or found.st_size > _LIST:
        return True, UNREAD
    with root.parent(path) as (directory, name):
        fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
    with open(fd, "rb") as stream:
        return True, stream.read(_LIST).decode("utf-8", "replace")


class Bases(Mapping[str, Base]):
    """What the store knows of images by their names, each looked up when a check asks for it."""

    def __init__(self, engine: Engine, platform: Platform | None = None) -> None:
        self._engine = engine
        self._platform = platform
        self._found: dict[str, Base | None] = {}

    def __getitem__(self, name: str) -> Base:
        if name not in self._found:
            self._found[name] = None if self._engine.is_empty else self._find(name)
        base = self._found[name]
        if base is None:
            raise KeyError(name)
        return base

    def __iter__(self) -> Iterator[str]:
        return (name for name, base in self._found.items() if base is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _find(self, name: str) -> Base | None:
        from lamina.oci import platform as platforms

        try:
            descriptor, image = self._engine.image(name, self._platform)
            names = self._engine.store.names.names_of(descriptor.digest)
        except Error:
            return None  # what is not here is not known
        config = image.config
        return Base(
            env=tuple(config.config.environment().items()),
            has_shell=bool(config.config.shell),
            platform=platforms.format(config.platform),
            tags=_other_tags(name, names),
        )


def _other_tags(name: str, names: Sequence[str]) -> tuple[str, ...]:
    """Under which tags the image is here in the repository that `name` is of.

    Those without a number are left out: `latest` moves, and people have names of their own.
    """
    from lamina.oci import reference

    wanted = reference.parse(name).with_default_tag()
    found = [reference.parse(one) for one in names]
    tags = [one.tag for one in found if one.name == wanted.name and one.tag]
    return tuple(sorted(tag for tag in tags if tag != wanted.tag and re.search(r"\d", tag)))
