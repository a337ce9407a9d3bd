"""Where a build takes its files from: the context, the Dockerfile in it, and those with names."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack

from lamina.build import BaseImage, NamedContext
from lamina.build.context import (
    Context,
    EmptyContext,
    LocalContext,
    read_file,
    unpacked,
    with_ignore,
)
from lamina.dockerfile import Dockerfile, parse
from lamina.errors import Invalid, NotFound, Unsupported
from lamina.image import view
from lamina.values import replace

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from pathlib import Path

    from lamina.engine.building import BuildRequest
    from lamina.engine.engine import Engine
    from lamina.oci.platform import Platform

_REMOTE = ("http://", "https://", "git://", "git@", "ssh://", "github.com/")


def open_context(request: BuildRequest, spool: str, stack: ExitStack) -> Context:
    """The context that was asked for, closed with `stack`; without ignore rules yet."""
    source = request.context
    if source is None:
        return EmptyContext(spool)
    if not isinstance(source, str | os.PathLike):
        return stack.enter_context(unpacked(source, spool))
    text = os.fspath(source)
    if text.startswith(_REMOTE):
        raise Unsupported(
            f'a context from "{text}" is not built yet', hint="clone it and name the directory"
        )
    return LocalContext(absolute(text))


def absolute(path: str) -> str:
    """As `Path.absolute`: ".." stays, for what is before it may be a link."""
    parts = os.path.join(os.getcwd(), path).split("/")
    return "/" + "/".join([part for part in parts if part not in ("", ".")])


def read_dockerfile(request: BuildRequest, context: Context) -> tuple[Dockerfile, str, Context]:
    """The Dockerfile, the name of its place, and the context with its ignore rules."""
    data, name, place, context = dockerfile_text(request, context)
    return _parsed(data if request.text is None else request.text, name), place, context


def dockerfile_text(request: BuildRequest, context: Context) -> tuple[bytes, str, str, Context]:
    """The Dockerfile's bytes and name, its place, and the context with its ignore rules."""
    given = request.dockerfile
    if isinstance(given, bytes):
        if isinstance(context, LocalContext):
            context = with_ignore(context)
        return given, "Dockerfile", f"- {_place(context)}", context
    if not isinstance(context, LocalContext):
        raise Invalid("without a context the Dockerfile must come on standard input")
    if given is None:
        return _from_context(request.in_context, context)
    path = absolute(os.fspath(given))
    inside = _relative(path, context.path)
    if inside is not None:
        return _from_context(inside, context)
    beside = f"{path}.dockerignore"
    if os.path.isfile(beside):
        from lamina.dockerfile.ignore import Ignore

        with open(beside, encoding="utf-8", errors="surrogateescape") as file:
            ignore = Ignore.parse(file.read())
        context = replace(context, ignore=ignore, ignore_name=beside)
    else:
        context = with_ignore(context)
    return _bytes_of(path), os.path.basename(path), path, context


def _from_context(name: str, context: LocalContext) -> tuple[bytes, str, str, Context]:
    with context.open_root() as root:
        text = read_file(root, name)
    if text is None and name == "Dockerfile":
        with context.open_root() as root:
            # Docker takes this spelling too, for people whose file system lost the capital.
            text = read_file(root, "dockerfile")
    if text is None:
        raise NotFound(
            f'"{name}" is not in the build context "{context.path}"',
            hint="name another file with -f",
        )
    place = f"{_place(context)}/{name}"
    data = text.encode("utf-8", "surrogateescape")
    return data, name, place, with_ignore(context, name)


def _parsed(data: bytes, name: str) -> Dockerfile:
    dockerfile = parse(data, name=name)
    if not dockerfile.stages:
        raise Invalid(f'"{name}" has no FROM', hint="a Dockerfile begins with FROM image")
    return dockerfile


def _bytes_of(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        raise NotFound(f'"{path}" does not exist') from None
    except IsADirectoryError:
        raise Invalid(f'"{path}" is a directory, expected a Dockerfile') from None


def _relative(path: str, directory: Path | str) -> str | None:
    """The path below the directory, links followed; None if it leads elsewhere."""
    real, top = os.path.realpath(path), f"{os.path.realpath(directory).rstrip('/')}/"
    return real.removeprefix(top) if real.startswith(top) else None


def _place(context: Context) -> str:
    return str(context.path) if isinstance(context, LocalContext) else "-"


def named_contexts(
    engine: Engine, request: BuildRequest, base: Callable[[str, Platform], BaseImage]
) -> tuple[dict[str, Context], dict[str, NamedContext]]:
    """Those that --build-context names: directories, and what all of them are to the plan."""
    contexts: dict[str, Context] = {}
    named: dict[str, NamedContext] = {}
    for name, value in request.named_contexts.items():
        kind, separator, rest = value.partition("://")
        if separator and kind == "docker-image":
            platform = request.options.platform or engine.platform
            named[name] = NamedContext(base(rest, platform))
        elif separator and kind == "oci-layout":
            named[name] = NamedContext(_from_layout(engine, name, rest, request))
        elif value.startswith(_REMOTE) or separator or value.startswith("target:"):
            raise Unsupported(f'build context "{name}={value}" is not built yet')
        else:
            local = LocalContext(absolute(value), name=f'context "{name}"')
            contexts[name.lower()] = with_ignore(local)
            named[name] = NamedContext(None)
    return contexts, named


def _from_layout(engine: Engine, name: str, text: str, request: BuildRequest) -> BaseImage:
    """An image of an OCI layout directory: PATH, PATH:TAG or PATH@DIGEST."""
    from lamina.image.archive import read_archive

    path, _, digest = text.partition("@")
    label = None
    if not os.path.isdir(path) and ":" in path:
        path, _, label = path.rpartition(":")
    if not os.path.isdir(path):
        raise NotFound(f'OCI layout "{path}" does not exist')
    loaded = read_archive(path, engine.store.blobs)
    fitting = [
        each
        for each in loaded
        if (not digest or each.descriptor.digest == digest)
        and (not label or label == each.label or any(n.endswith(f":{label}") for n in each.names))
    ]
    if len(fitting) != 1:
        raise NotFound(
            f'"{text}" names {len(fitting)} images of the OCI layout, expected one',
            hint="add @DIGEST or :TAG",
        )
    platform = request.options.platform or engine.platform
    image = view.load(engine.store.blobs, fitting[0].descriptor, platform=platform)
    return BaseImage(name, image)
