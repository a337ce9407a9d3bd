"""`serve`, and `registry gc` and `registry why-kept` beside it."""

from __future__ import annotations

from pathlib import Path

from lamina.cli import units
from lamina.cli.command import Args, Command, Flag, Kind
from lamina.errors import NotFound
from lamina.values import replace

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from lamina.engine import Engine
    from lamina.registry.gc import Reason
    from lamina.serve.settings import Settings

_ROOT = Flag(
    "root", value="directory", help="Where the registry is, instead of LAMINA_ROOT/registry"
)
_CONFIG = Flag("config", value="file", help="Settings in TOML; see docs/serve.md")
_GRACE = Flag("grace", value="duration", help="How long what nothing refers to yet stays (24h)")
_DELETE_UNTAGGED = Flag(
    "delete-untagged", kind=Kind.BOOL, help="Manifests that no tag leads to are not needed either"
)


def _settings(args: Args) -> Settings:
    """The configuration file's settings, with what the flags say before them."""
    from lamina.engine import serving

    config, root = args.text("config"), args.text("root")
    chosen = serving.settings(Path(config) if config is not None else None)
    return replace(chosen, root=Path(root).absolute()) if root is not None else chosen


def serve(args: Args, engine: Engine) -> int:
    from lamina.engine import serving
    from lamina.serve.lines import Lines
    from lamina.serve.server import Address

    chosen = _settings(args)
    address = args.text("addr")
    if address is not None:
        chosen = replace(chosen, address=Address.parse(address))
    if args.flag("insecure-no-auth"):
        chosen = replace(chosen, insecure_no_auth=True)
    workers = args.number("workers")
    if workers is not None:
        chosen = replace(chosen, workers=workers)
    serving.serve(engine, chosen, local=args.flag("local"), log=Lines(2))
    return 0


SERVE = Command(
    run=serve,
    flags=(
        Flag("addr", value="host:port", help="Where to listen (127.0.0.1:5000)"),
        _ROOT,
        _CONFIG,
        Flag("workers", kind=Kind.NUMBER, help="How many processes serve (1)"),
        Flag("local", kind=Kind.BOOL, help="Serve the images of this store, read-only"),
        Flag(
            "insecure-no-auth",
            kind=Kind.BOOL,
            help="Let everybody on the network push and delete",
        ),
    ),
    about="Speaks the OCI distribution specification. Logs JSON lines to stderr.",
)


def collect(args: Args, engine: Engine) -> int:
    from lamina.engine import serving
    from lamina.serve.table import Table

    chosen = _settings(args)
    if args.text("grace") is not None:
        table = Table({"--grace": args.text("grace")}, "", Path())
        chosen = replace(chosen, grace=table.seconds("--grace", 0))
    dry_run = args.flag("dry-run")
    report = serving.collect(
        engine, chosen, delete_untagged=args.flag("delete-untagged"), dry_run=dry_run
    )
    for title, found in (("manifest", report.manifests), ("blob", report.links)):
        for name, digests in found.items():
            for digest in digests:
                print(f"{title} {name}@{digest}")
    verb = "Would free" if dry_run else "Freed"
    print(f"{verb} {report.bytes} bytes ({units.human_size(report.bytes)})")
    return 0


GC = Command(
    run=collect,
    flags=(
        Flag("dry-run", kind=Kind.BOOL, help="Only say what would go, to the byte"),
        _DELETE_UNTAGGED,
        _GRACE,
        _ROOT,
        _CONFIG,
    ),
    about="May run while the registry is served.",
)


def why_kept(args: Args, engine: Engine) -> int:
    from lamina.engine import serving
    from lamina.registry.repository import parse_digest

    name, _, text = args.rest[0].rpartition("@")
    digest = parse_digest(text)
    told = serving.why_kept(
        engine,
        _settings(args),
        digest,
        name=name or None,
        delete_untagged=args.flag("delete-untagged"),
    )
    if not told:
        raise NotFound(f'"{args.rest[0]}" is in no repository here')
    for repository, steps in told.items():
        print(f"{repository}@{digest}")
        for at, reason in steps:
            print(f"  {at}: {_in_words(reason)}")
        if not steps:
            print("  nothing keeps it: the next gc takes it away")
    return 0


def _in_words(reason: Reason) -> str:
    from lamina.registry.gc import Cause

    if reason.cause is Cause.TAG:
        return f'the tag "{reason.tag}" means it'
    if reason.cause is Cause.RECENT:
        from datetime import UTC, datetime

        until = datetime.fromtimestamp((reason.until or 0) / 1e9, UTC)
        return f"it is new, until {until:%Y-%m-%d %H:%M:%S} UTC"
    if reason.cause is Cause.UNTAGGED:
        return "untagged manifests are kept, unless --delete-untagged"
    return {
        Cause.CHILD: "the index above refers to it",
        Cause.REFERRER: "its subject is above",
        Cause.CONTENT: "the manifest above refers to it",
    }[reason.cause]


WHY_KEPT = Command(
    run=why_kept,
    usage="[NAME@]DIGEST",
    flags=(_DELETE_UNTAGGED, _ROOT, _CONFIG),
    arguments=(1, 1),
)
