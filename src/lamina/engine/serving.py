"""The registry: served, or cleaned up beside its server."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from lamina.errors import Invalid, NotFound

if TYPE_CHECKING:
    from lamina.engine.engine import Engine
    from lamina.oci.digest import Digest
    from lamina.registry import LocalRegistry, Registry
    from lamina.registry.gc import Reason, Report
    from lamina.registry.mirror import Mirrors
    from lamina.serve.settings import Settings

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
    from lamina.serve.settings import check_open

    check_open(chosen)
    root = root_of(engine, chosen)
    sock = server.listen(chosen.address)
    with sock:
        registry = LocalRegistry(engine.store) if local else open_root(chosen, root)
        keys = (engine.root if local else root) / "keys"
        mirrors = _mirrors(engine, chosen, registry)
        with assembled(chosen, registry, keys=keys, log=log, mirrors=mirrors) as app:
            place = server.Address(*sock.getsockname()[:2])
            what = str(engine.root if local else root)
            log({"event": "start", "address": str(place), "root": what, "local": local})
            server.serve(app, sock, tls=chosen.tls)
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
