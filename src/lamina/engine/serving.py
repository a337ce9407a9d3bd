"""The registry: served, or cleaned up beside its server."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from lamina.errors import Invalid, NotFound, Unsupported

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from socket import socket

    from lamina.engine.engine import Engine
    from lamina.oci.digest import Digest
    from lamina.registry import LocalRegistry, Registry
    from lamina.registry.gc import Reason, Report
    from lamina.registry.mirror import Mirrors
    from lamina.serve.old import Old
    from lamina.serve.server import Address
    from lamina.serve.settings import Settings
    from lamina.serve.tally import Tally
    from lamina.serve.web.shelf import Analyst, Shelf

_ENTRIES = 2_000_000  # of an image in the pages of this machine's own images: some 1.2 GB
Log = Callable[[dict[str, object]], None]


def settings(config: Path | None) -> Settings:
    """What a configuration file says, or what is usual."""
    from lamina.serve.settings import Settings, load

    return load(config) if config is not None else Settings()


def root_of(engine: Engine, chosen: Settings) -> Path:
    """Where the registry is: as configured, else beside the images."""
    return chosen.root or engine.root / "registry"


def serve(engine: Engine, chosen: Settings, *, local: bool, log: Log) -> None:
    """Serve the registry, or with `local` the images here, until a signal ends it."""
    from lamina.registry import LocalRegistry
    from lamina.serve import server
    from lamina.serve.assemble import assembled, open_root
    from lamina.serve.settings import check_open, check_workers

    _need("serving", "httptools")
    if chosen.auth.htpasswd is not None:
        _need("a login", "bcrypt")
    if chosen.auth.mode == "token" or chosen.schema1:
        _need("signing", "joserfc")
    if chosen.web:
        _need("showing images", "jinja2")
    check_open(chosen)
    check_workers(chosen)
    server.check(chosen.tls)
    root = root_of(engine, chosen)
    sock = server.listen(chosen.address)
    with sock:
        place = server.Address(*sock.getsockname()[:2])
        home = engine.root if local else root

        def started() -> None:
            log({"event": "start", "address": str(place), "root": str(home), "local": local})

        def work(number: int, line: socket | None, tally: Tally | None) -> None:
            registry = LocalRegistry(engine.store) if local else open_root(chosen, root)
            with assembled(
                chosen,
                registry,
                keys=home / "keys",
                log=log,
                pages=partial(_pages, registry) if chosen.web else None,
                mirrors=_mirrors(engine, chosen, registry),
                tally=tally,
                cleans=number == 0,
            ) as app:
                if line is None:
                    started()
                server.serve(app, sock, tls=chosen.tls, line=line)

        if chosen.workers == 1:
            work(0, None, None)
        else:
            from lamina.serve import workers
            from lamina.serve.tally import Board

            board = Board(chosen.workers)
            workers.run(
                chosen.workers,
                lambda number, line: work(number, line, board.slot(number)),
                grace=server.GRACE + 5,
                ready=started,
                log=log,
            )
        log({"event": "stop"})


def _mirrors(
    engine: Engine, chosen: Settings, registry: Registry | LocalRegistry
) -> Mirrors | None:
    """What is mirrored, reached as this user reaches other registries."""
    from lamina.registry import Registry
    from lamina.registry.mirror import Mirrors, Upstream

    if not chosen.upstreams:
        return None
    if not isinstance(registry, Registry):
        raise Invalid("images of the store and mirrors of registries are not served together")
    return Mirrors(
        registry,
        [
            Upstream(
                each.registry,
                each.prefix,
                each.namespaces,
                int(each.fresh * 1e9),
                engine.remotes.repository,
            )
            for each in chosen.upstreams
        ],
    )


def _pages(registry: Registry | LocalRegistry, old: Old | None) -> tuple[Shelf, Analyst]:
    from lamina.engine.registry_shelf import RegistryShelf
    from lamina.engine.shelves import Analyst

    return RegistryShelf(registry, old=old), Analyst()


def show(
    engine: Engine,
    address: Address,
    *,
    ready: Callable[[Address], None],
    failed: Callable[[Exception], None],
) -> None:
    """Serve the pages of the images here until a signal ends it.

    `ready` hears where, `failed` of pages that could not be made by a fault of ours.
    """
    from lamina.engine.shelves import Analyst, StoreShelf
    from lamina.serve import server
    from lamina.serve.web.site import Alone, Site

    _need("showing images", "jinja2", "httptools")
    sock = server.listen(address)
    with sock:
        place = server.Address(*sock.getsockname()[:2])
        names = _local_names(place.port) if place.is_loopback else None
        site = Site(StoreShelf(engine), Analyst(), entries=_ENTRIES)
        app = Alone(site, hosts=lambda host: names is None or host.lower() in names, failed=failed)
        try:
            server.serve(app, sock, ready=lambda: ready(place))
        finally:
            app.close()


def _local_names(port: int) -> frozenset[str]:
    """How a browser on this machine may call it."""
    return frozenset(f"{name}:{port}" for name in ("localhost", "127.0.0.1", "[::1]"))


def _need(what: str, *names: str) -> None:
    """Unsupported if a library of the extra `serve` is not installed, before anything is made."""
    from importlib.util import find_spec

    for name in names:
        if find_spec(name) is None:
            raise Unsupported(f'{what} needs "{name}"', hint="pip install 'lamina[serve]'")


def collect(
    engine: Engine, chosen: Settings, *, delete_untagged: bool = False, dry_run: bool = False
) -> Report:
    """Take away from the registry what nobody needs."""
    from lamina.registry.gc import collect

    registry = _there(engine, chosen)
    return collect(
        registry,
        delete_untagged=delete_untagged or chosen.delete_untagged,
        upload_expiry=int(chosen.upload_expiry * 1e9),
        dry_run=dry_run,
    )


def why_kept(
    engine: Engine,
    chosen: Settings,
    digest: Digest,
    *,
    name: str | None,
    delete_untagged: bool = False,
) -> dict[str, list[tuple[Digest, Reason]]]:
    """How something comes to stay in the registry, for each repository that has it."""
    from lamina.registry.gc import why_kept

    return why_kept(
        _there(engine, chosen),
        digest,
        name=name,
        delete_untagged=delete_untagged or chosen.delete_untagged,
    )


def _there(engine: Engine, chosen: Settings) -> Registry:
    from lamina.serve.assemble import open_root

    root = root_of(engine, chosen)
    if not (root / "registry.db").exists():
        raise NotFound(f'there is no registry in "{root}"', hint="say where it is with --root")
    return open_root(chosen, root)
