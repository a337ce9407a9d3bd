"""`images`, `history`, `tag` and `rmi`."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from lamina.cli import units
from lamina.cli.command import Args, Command, Flag, Kind
from lamina.cli.listing import FORMAT, Listing, configured
from lamina.cli.table import shorten, visible
from lamina.errors import Error

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from lamina.cli.template.values import Value
    from lamina.engine import Engine
    from lamina.engine.layers import Sizes
    from lamina.engine.local import Local
    from lamina.image.view import Row
    from lamina.oci.platform import Platform

NO_TRUNC = Flag("no-trunc", kind=Kind.BOOL, help="Show everything in full")
QUIET = Flag("quiet", "q", Kind.BOOL, "Show IDs only")
PLATFORM = Flag("platform", value="os[/arch[/variant]]", help="Which platform of the image")
MISSING = "<missing>"
NONE = "<none>"

_IMAGES = Listing(
    {
        "Containers": "CONTAINERS",
        "CreatedAt": "CREATED AT",
        "CreatedSince": "CREATED",
        "Digest": "DIGEST",
        "ID": "IMAGE ID",
        "Repository": "REPOSITORY",
        "SharedSize": "SHARED SIZE",
        "Size": "SIZE",
        "Tag": "TAG",
        "UniqueSize": "UNIQUE SIZE",
        "VirtualSize": "SIZE",
    },
    ("Repository", "Tag", "ID", "CreatedSince", "Size"),
)
_WITH_DIGESTS = ("Repository", "Tag", "Digest", "ID", "CreatedSince", "Size")
_HISTORY_HEADERS = {
    "ID": "IMAGE",
    "CreatedAt": "CREATED AT",
    "CreatedSince": "CREATED",
    "CreatedBy": "CREATED BY",
    "Size": "SIZE",
    "Comment": "COMMENT",
}


def platform_of(args: Args) -> Platform | None:
    """The value of --platform."""
    text = args.text("platform")
    if text is None:
        return None
    from lamina.oci import platform

    return platform.parse(text)


def images(args: Args, engine: Engine) -> int:
    from lamina.cli.image_filters import wanted

    form = args.text("format")
    if form is None and not args.flag("quiet"):
        form = configured(os.environ, "imagesFormat")
    found = engine.images(with_sizes=not args.flag("quiet"))
    keep = wanted(args, found)
    found = [image for image in found if keep(image)]
    found.sort(key=lambda image: created(image) or datetime.min.replace(tzinfo=UTC), reverse=True)
    full = args.flag("no-trunc")
    if args.flag("quiet") and form is None:
        for id in dict.fromkeys(image.id if full else image.id.short for image in found):
            print(id)
        return 0
    now = datetime.now(UTC)
    listing = Listing(_IMAGES.headers, _WITH_DIGESTS) if args.flag("digests") else _IMAGES
    rows = [_image_row(image, now, full=full) for image in found]
    for line in listing.lines(rows, form):
        print(line)
    return 0


IMAGES = Command(
    run=images,
    usage="[REPOSITORY[:TAG]]",
    flags=(
        Flag("all", "a", Kind.BOOL, "Show all images; here none are hidden"),
        Flag("digests", kind=Kind.BOOL, help="Show the digests of manifests too"),
        Flag(
            "filter",
            "f",
            Kind.LIST,
            "Show images that fit: dangling=, label=, before=, since=, until=, reference=",
            value="filter",
        ),
        FORMAT,
        NO_TRUNC,
        QUIET,
    ),
    arguments=(0, 1),
)


def created(image: Local) -> datetime | None:
    return units.parse_time(image.image.config.created) if image.image is not None else None


def repository_and_tag(name: str | None) -> tuple[str, str]:
    """Both as people write them; `<none>` for what there is not."""
    if name is None:
        return NONE, NONE
    from lamina.oci import reference

    found = reference.parse(name)
    return found.familiar_name, found.tag or NONE


def _image_row(image: Local, now: datetime, *, full: bool) -> Mapping[str, Value]:
    repository, tag = repository_and_tag(image.named.name)
    time = created(image)
    size = "N/A" if image.size is None else units.human_size(image.size, 3)
    return {
        "Containers": "N/A",
        "CreatedAt": units.go_time(time),
        "CreatedSince": units.since(time, now),
        "Digest": str(image.named.descriptor.digest),
        "ID": str(image.id) if full else image.id.short,
        "Repository": repository,
        "SharedSize": "N/A",
        "Size": size,
        "Tag": tag,
        "UniqueSize": "N/A",
        "VirtualSize": size,
    }


def history(args: Args, engine: Engine) -> int:
    look = engine.analyze(args.rest[0], platform_of(args))
    if args.flag("dockerfile"):
        print(look.dockerfile, end="")
        return 0
    full = args.flag("no-trunc")
    rows = look.rows
    ids = [str(look.image.id) if full else look.image.id.short, *[MISSING] * (len(rows) - 1)]
    if args.flag("quiet"):
        print("\n".join(ids))
        return 0
    human = args.flag("human")
    columns = ("ID", "CreatedSince" if human else "CreatedAt", "CreatedBy", "Size", "Comment")
    now = datetime.now(UTC)
    listed = [
        _history_row(row, sizes, id, now, human=human, full=full)
        for (row, sizes), id in zip(rows, ids, strict=True)
    ]
    for line in Listing(_HISTORY_HEADERS, columns).lines(listed, args.text("format")):
        print(line)
    return 0


HISTORY = Command(
    run=history,
    usage="IMAGE",
    flags=(
        Flag("dockerfile", kind=Kind.BOOL, help="Write a Dockerfile that makes this image again"),
        FORMAT,
        Flag("human", "H", Kind.BOOL, "Show sizes and times as people say them", default="true"),
        NO_TRUNC,
        PLATFORM,
        QUIET,
    ),
    arguments=(1, 1),
    about="IMAGE may be docker://host/name:tag, oci:DIR or an archive too. Of layers in a\n"
    "registry that were never read here, the size as stored is shown, and said to be that.",
)


def _history_row(
    row: Row, sizes: Sizes | None, id: str, now: datetime, *, human: bool, full: bool
) -> Mapping[str, Value]:
    entry = row.history
    time = units.parse_time(entry.created)
    text = visible(entry.created_by.replace("\t", " "))
    return {
        "ID": id,
        "CreatedAt": units.rfc3339(time) if time is not None else "N/A",
        "CreatedSince": units.since(time, now),
        "CreatedBy": text if full else shorten(text, 45),
        "Size": _size(row, sizes, human=human),
        "Comment": visible(entry.comment),
    }


def _size(row: Row, sizes: Sizes | None, *, human: bool) -> str:
    """The bytes of the files that an instruction brought; of a layer that nobody has read, its own.

    That is said, for it is another number.
    """
    from lamina.oci import media_type as types

    bytes = sizes.content if sizes is not None else row.layer.descriptor.size if row.layer else 0
    text = units.human_size(bytes, 3) if human else str(bytes)
    if sizes is not None or row.layer is None:
        return text
    return f"{text} ({'tar' if row.layer.descriptor.media_type in types.PLAIN else 'compressed'})"


def tag(args: Args, engine: Engine) -> int:
    engine.tag(args.rest[0], args.rest[1])
    return 0


TAG = Command(run=tag, usage="SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]", arguments=(2, 2))


def rmi(args: Args, engine: Engine) -> int:
    force = args.flag("force")

    def remove(text: str) -> None:
        removed = engine.remove_image(text, force=force, gc=not args.flag("no-prune"))
        for name in removed.untagged:
            print(f"Untagged: {familiar(name)}")
        for id in removed.deleted:
            print(f"Deleted: {id}")

    return each(args.rest, remove)


RMI = Command(
    run=rmi,
    usage="IMAGE [IMAGE...]",
    flags=(
        Flag("force", "f", Kind.BOOL, "Remove it though stopped containers use it"),
        Flag("no-prune", kind=Kind.BOOL, help="Leave the content for a later prune"),
    ),
    arguments=(1, None),
)


def familiar(name: str) -> str:
    from lamina.oci import reference

    return reference.parse(name).familiar()


def each(texts: Sequence[str], do: Callable[[str], None]) -> int:
    """Do it for each, and go on after a failure; 1 if there was one, each said at once."""
    status = 0
    for text in texts:
        try:
            do(text)
        except Error as error:
            from lamina.cli.failures import report

            sys.stdout.flush()
            message, status = report(error, failure=1)
            print(message, file=sys.stderr)
    return status
