"""`save`, `load` and `import`."""

from __future__ import annotations

import os
import sys
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, BinaryIO

from lamina.cli.command import Args, Command, Flag, Kind
from lamina.cli.images import PLATFORM, familiar, platform_of
from lamina.errors import Invalid, Unsupported

if TYPE_CHECKING:
    from lamina.engine import Engine

_FORMATS = {
    "docker": "docker-archive",
    "docker-archive": "docker-archive",
    "oci": "oci-archive",
    "oci-archive": "oci-archive",
    "oci-dir": "oci-dir",
}


def save(args: Args, engine: Engine) -> int:
    from lamina.transfer.archive import Format

    name = args.text("format") or "docker"
    if name not in _FORMATS:
        raise args.refuse("format", f"expected one of {', '.join(sorted(_FORMATS))}")
    form = Format(_FORMATS[name])
    target = args.text("output")
    if target is None or target == "-":
        if form is Format.OCI_DIR:
            raise args.misused('"oci-dir" is a directory: name it with --output')
        if sys.stdout.isatty():
            raise Invalid(
                "an archive is not for a terminal", hint="use -o FILE, or redirect the output"
            )
        engine.save(args.rest, sys.stdout.buffer, form, platform=platform_of(args))
        sys.stdout.buffer.flush()
        return 0
    engine.save(args.rest, target, form, platform=platform_of(args))
    return 0


SAVE = Command(
    run=save,
    usage="IMAGE [IMAGE...]",
    flags=(
        Flag("output", "o", value="file", help="Where to write to, instead of stdout"),
        Flag("format", help="'docker' (the default), 'oci' or 'oci-dir'"),
        PLATFORM,
    ),
    arguments=(1, None),
)


def load(args: Args, engine: Engine) -> int:
    source = args.text("input")
    if source is None and sys.stdin.isatty():
        raise Invalid(
            "there is no archive to read", hint="use -i FILE, or redirect the input from one"
        )
    from_stdin = source is None or source == "-"
    for one in engine.load(sys.stdin.buffer if from_stdin or source is None else source):
        for name in one.names:
            print(f"Loaded image: {familiar(name)}")
        if not one.names:
            _, image = engine.image(one.descriptor.digest)
            print(f"Loaded image ID: {image.id}")
    return 0


LOAD = Command(
    run=load,
    flags=(
        Flag("input", "i", value="file", help="An archive or a layout directory, not stdin"),
        Flag("quiet", "q", Kind.BOOL, "Say nothing on the way; there is nothing to say here"),
    ),
)


def import_(args: Args, engine: Engine) -> int:
    source = args.rest[0]
    if source.startswith(("http://", "https://")):
        raise Unsupported(
            "importing from a URL is not built yet",
            hint=f'fetch it yourself: "curl -L {source} | lamina import - NAME"',
        )
    message = args.text("message") or f"Imported from {source}"
    name = args.rest[1] if len(args.rest) > 1 else None
    with _opened(source) as stream:
        imported = engine.import_tar(
            stream,
            name,
            changes=args.texts("change"),
            comment=message,
            platform=platform_of(args),
        )
    print(imported.id)
    return 0


def _opened(source: str) -> AbstractContextManager[BinaryIO]:
    if source != "-":
        return open(os.fsencode(source), "rb")
    if sys.stdin.isatty():
        raise Invalid("there is no archive to read", hint="redirect the input from one")
    return nullcontext(sys.stdin.buffer)


IMPORT = Command(
    run=import_,
    usage="FILE|- [REPOSITORY[:TAG]]",
    flags=(
        Flag("change", "c", Kind.LIST, "Apply a Dockerfile instruction to the image"),
        Flag("message", "m", help="What the history says of it"),
        PLATFORM,
    ),
    arguments=(1, 2),
    about="FILE is a tar of a root file system, compressed or not.",
)
