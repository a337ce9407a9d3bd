"""`pull` and `push`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from lamina.cli.command import Args, Command, Flag, Kind
from lamina.cli.images import PLATFORM, platform_of
from lamina.cli.transfers import Shown, choose

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from lamina.engine import Engine
    from lamina.engine.shipping import Got, Tell
    from lamina.oci.reference import Reference
    from lamina.transfer.push import Manner

QUIET = Flag("quiet", "q", Kind.BOOL, "Show nothing but the result")
PROGRESS = Flag("progress", value="kind", help="auto, plain, tty, rawjson or quiet")
ALL_PLATFORMS = Flag("all-platforms", kind=Kind.BOOL, help="Every platform of an index")
JOBS = Flag("jobs", "j", Kind.NUMBER, "How many layers at a time (4)")


@contextmanager
def shown(args: Args, what: str) -> Iterator[Shown]:
    """A picture of the transfer, ended in any case."""
    picture = choose(args, what)
    try:
        yield picture
    finally:
        picture.close()


def jobs(args: Args) -> int | None:
    """The value of --jobs."""
    count = args.number("jobs")
    if count is not None and count < 1:
        raise args.refuse("jobs", "expected 1 or more")
    return count


@contextmanager
def watched(args: Args, name: Reference) -> Iterator[tuple[Tell, Callable[[Got], None]]]:
    """The pull of an image that another command needs, told on stderr as Docker tells it."""

    def say(text: str) -> None:
        if not args.flag("quiet"):
            print(text, file=sys.stderr)

    if args.text("pull") != "always":
        say(f"Unable to find image '{name.familiar()}' locally")
    say(f"{name.tag or name.digest}: Pulling from {name.path}")

    def done(got: Got) -> None:
        picture.close()
        say(f"Digest: {got.descriptor.digest}")
        status = "Downloaded newer image" if got.is_new else "Image is up to date"
        say(f"Status: {status} for {name.familiar()}")

    picture = choose(args, "pull")
    try:
        yield picture.listen, done
    except BaseException:
        picture.close()
        raise


def pull(args: Args, engine: Engine) -> int:
    from lamina.engine import shipping

    text = args.rest[0]
    if args.flag("all-platforms") and args.given("platform"):
        raise args.misused("--platform and --all-platforms exclude each other")
    if args.flag("all-tags"):
        names = shipping.tags_of(engine, text)
    else:
        names = [shipping.wanted_name(engine, text)]
        if names[0].tag is not None and not text.endswith(f":{names[0].tag}"):
            _say(args, "Using default tag: latest")
    for name in names:
        _pull_one(args, engine, name)
    print(names[0].name if args.flag("all-tags") else names[0])
    return 0


def _pull_one(args: Args, engine: Engine, name: Reference) -> None:
    label = name.tag or str(name.digest)
    _say(args, f"{label}: Pulling from {name.repository().familiar_name.partition('@')[0]}")
    with shown(args, "pull") as picture:
        got = engine.pull(
            name,
            platform=platform_of(args),
            every=args.flag("all-platforms"),
            workers=jobs(args),
            tell=picture.listen,
        )
    _say(args, f"Digest: {got.descriptor.digest}")
    status = "Downloaded newer image" if got.is_new else "Image is up to date"
    _say(args, f"Status: {status} for {name.familiar()}")


def _say(args: Args, text: str) -> None:
    if not args.flag("quiet"):
        print(text)
        sys.stdout.flush()


PULL = Command(
    run=pull,
    usage="NAME[:TAG|@DIGEST]",
    flags=(
        Flag("all-tags", "a", Kind.BOOL, "Every tag of the repository"),
        ALL_PLATFORMS,
        JOBS,
        PLATFORM,
        PROGRESS,
        QUIET,
    ),
    arguments=(1, 1),
)


def push(args: Args, engine: Engine) -> int:
    from lamina.engine import shipping

    names = shipping.to_push(engine, args.rest[0], every=args.flag("all-tags"))
    manner = _manner(args)
    _say(args, f"The push refers to repository [{names[0].name}]")
    for name in names:
        with shown(args, "push") as picture:
            sent = engine.push(name, manner, platform=platform_of(args), tell=picture.listen)
        _say(args, f"{name.tag}: digest: {sent.descriptor.digest} size: {sent.descriptor.size}")
        if args.flag("quiet"):
            print(name)
    return 0


def _manner(args: Args) -> Manner:
    from lamina.layer.compress import Compressor
    from lamina.transfer.push import WORKERS, Manner

    compression = args.text("compression") or "gzip"
    if compression not in ("gzip", "zstd", "none"):
        raise args.refuse("compression", 'expected "gzip", "zstd" or "none"')
    level = args.number("compression-level")
    if level is not None:
        Compressor(_Nowhere(), compression, level)  # type: ignore[arg-type]  # refuses a level
    return Manner(
        compression=compression,  # type: ignore[arg-type]
        level=level,
        workers=jobs(args) or WORKERS,
    )


class _Nowhere:
    def write(self, data: bytes, /) -> int:
        return len(data)


PUSH = Command(
    run=push,
    usage="NAME[:TAG]",
    flags=(
        Flag("all-tags", "a", Kind.BOOL, "Every tag of the repository that is here"),
        Flag(
            "compression",
            value="kind",
            help="Of layers that are kept plain: gzip (the default), zstd or none",
        ),
        Flag("compression-level", kind=Kind.NUMBER, help="gzip 0 to 9 (1), zstd -7 to 22 (3)"),
        JOBS,
        PLATFORM,
        PROGRESS,
        QUIET,
    ),
    arguments=(1, 1),
)
