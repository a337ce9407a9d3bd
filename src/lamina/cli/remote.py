"""`copy`, `tags` and `catalog`."""

from __future__ import annotations

from lamina.cli.command import Args, Command, Flag, Kind
from lamina.cli.images import PLATFORM, platform_of
from lamina.cli.listing import FORMAT, Listing
from lamina.cli.shipping import ALL_PLATFORMS, JOBS, PROGRESS, QUIET, jobs, shown
from lamina.cli.table import visible

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from lamina.engine import Engine

_TAGS = Listing(
    {"Repository": "REPOSITORY", "Tag": "TAG"},
    ("Repository", "Tag"),
)
_CATALOG = Listing({"Registry": "REGISTRY", "Repository": "REPOSITORY"}, ("Repository",))


def copy(args: Args, engine: Engine) -> int:
    from lamina.engine import places

    if args.flag("all-platforms") and args.given("platform"):
        raise args.misused("--platform and --all-platforms exclude each other")
    wish = places.Wish(
        platform=platform_of(args),
        every=args.flag("all-platforms"),
        referrers=args.flag("referrers"),
        workers=jobs(args) or places.WORKERS,
    )
    source, target = (places.parse(text) for text in args.rest)
    with shown(args, "copy") as picture:
        descriptor = places.copy(engine, source, target, wish, picture.listen)
    print(descriptor.digest if args.flag("quiet") else f"Digest: {descriptor.digest}")
    return 0


COPY = Command(
    run=copy,
    usage="SOURCE TARGET",
    flags=(
        ALL_PLATFORMS,
        JOBS,
        PLATFORM,
        PROGRESS,
        QUIET,
        Flag("referrers", kind=Kind.BOOL, help="What refers to the image, too: signatures, SBOMs"),
    ),
    arguments=(2, 2),
    about="SOURCE and TARGET are docker://host/name:tag, or the same without docker://; local:NAME,"
    "\nor a name without a host, of the store; oci:DIRECTORY[:tag], oci-archive:FILE[:tag] or"
    "\ndocker-archive:FILE[:name:tag].",
)


def tags(args: Args, engine: Engine) -> int:
    from lamina.oci import reference

    name = reference.parse(args.rest[0])
    if not name.is_name_only:
        raise args.misused(f'"{args.rest[0]}" has a tag or a digest: expected a repository')
    rows = [
        {"Repository": name.familiar_name, "Tag": visible(tag)}
        for tag in engine.remotes.repository(name).tags()
    ]
    if args.flag("quiet"):
        for row in rows:
            print(row["Tag"])
        return 0
    for line in _TAGS.lines(rows, args.text("format")):
        print(line)
    return 0


TAGS = Command(
    run=tags,
    usage="REPOSITORY",
    flags=(FORMAT, Flag("quiet", "q", Kind.BOOL, "Show tags only")),
    arguments=(1, 1),
)


def catalog(args: Args, engine: Engine) -> int:
    from lamina.remote import listing

    host = args.rest[0]
    found = listing.catalog(engine.remotes.registry(host))
    rows = [{"Registry": host, "Repository": visible(name)} for name in found]
    if args.flag("quiet"):
        for row in rows:
            print(row["Repository"])
        return 0
    for line in _CATALOG.lines(rows, args.text("format")):
        print(line)
    return 0


CATALOG = Command(
    run=catalog,
    usage="HOST[:PORT]",
    flags=(FORMAT, Flag("quiet", "q", Kind.BOOL, "Show names only")),
    arguments=(1, 1),
)
