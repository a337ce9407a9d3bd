"""A server put together from its settings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from lamina.registry import LocalRegistry, Registry, open_registry
from lamina.serve.access import Access
from lamina.serve.app import App
from lamina.serve.metrics import Metrics
from lamina.serve.rights import ALL, ANYBODY, LOGGED_IN, Rights, Rule
from lamina.serve.settings import Settings

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from lamina.registry.mirror import Mirrors
    from lamina.serve.events import Webhook
    from lamina.serve.old import Old
    from lamina.serve.tally import Tally
    from lamina.serve.web.shelf import Analyst, Shelf
    from lamina.serve.web.site import Site

Log = Callable[[dict[str, object]], None]


def open_root(settings: Settings, root: Path) -> Registry:
    """The registry at `root`, as the settings want it."""
    return open_registry(
        root,
        grace=int(settings.grace * 1e9),
        complete=not settings.sparse,
        manifest_limit=settings.limits.manifest,
    )


@contextmanager
def assembled(
    settings: Settings,
    registry: Registry | LocalRegistry,
    *,
    keys: Path,
    log: Log,
    mirrors: Mirrors | None = None,
    pages: Callable[[Old | None], tuple[Shelf, Analyst]] | None = None,
    tally: Tally | None = None,
    cleans: bool = True,
) -> Iterator[App]:
    """The application and what runs beside it, until the block ends. `keys` is a directory.

    `pages` makes what the pages for people show; there are none without. Of several processes
    each has a `tally`, and one `cleans`, if gc is to run at all.
    """
    metrics = Metrics(tally)
    with ExitStack() as stack:
        hooks = _hooks(settings, metrics)
        for hook in hooks:
            stack.callback(hook.close)
        if isinstance(registry, Registry) and settings.gc_interval and cleans:
            from lamina.serve.chores import Chores

            chores = Chores(
                registry,
                interval=settings.gc_interval,
                upload_expiry=settings.upload_expiry,
                delete_untagged=settings.delete_untagged,
                log=log,
                freed=metrics.collected.add,
            )
            stack.enter_context(chores)
        doorkeeper = access(settings, keys)
        old = _old(keys) if settings.schema1 else None
        app = App(
            registry,
            access=doorkeeper,
            limits=settings.limits,
            metrics=metrics,
            listeners=[hook.put for hook in hooks],
            log=log if settings.access_log else None,
            warning=settings.warning,
            mirrors=mirrors,
            old=old,
            forwarded=settings.forwarded,
            site=_site(settings, pages(old), doorkeeper) if pages is not None else None,
        )
        stack.callback(app.close)
        yield app


def _hooks(settings: Settings, metrics: Metrics) -> list[Webhook]:
    if not settings.listeners:
        return []
    from lamina.serve.events import Webhook

    return [
        Webhook(listener, count=lambda url, what: metrics.events.add(1, url, what))
        for listener in settings.listeners
    ]


def _old(keys: Path) -> Old:
    from lamina.serve.old import Old

    return Old(keys / "schema1.pem")


def _site(settings: Settings, pages: tuple[Shelf, Analyst], doorkeeper: Access) -> Site:
    from lamina.serve.web.site import Site

    return Site(*pages, access=doorkeeper, entries=settings.web_entries)


def access(settings: Settings, keys: Path) -> Access:
    """The doorkeeper that the settings describe."""
    auth = settings.auth
    who = ANYBODY if auth.mode == "none" else LOGGED_IN
    rights = settings.rights or Rights((Rule(frozenset({who}), ("**",), ALL),))
    if auth.mode == "none":
        return Access(rights, service=auth.service)
    from lamina.serve.passwords import Passwords
    from lamina.serve.tokens import Issuer, Verifier, read_keys

    passwords = Passwords(auth.htpasswd) if auth.htpasswd is not None else None
    if auth.mode == "basic":
        return Access(rights, passwords=passwords, service=auth.service)
    if auth.jwks is not None:
        verifier = Verifier(read_keys(auth.jwks), issuer=auth.issuer, service=auth.service)
        return Access(
            rights,
            passwords=passwords,
            verifier=verifier,
            realm=auth.realm,
            service=auth.service,
            trusts_rules=False,
        )
    issuer = Issuer(keys / "token.json", issuer=auth.issuer, service=auth.service)
    return Access(
        rights,
        passwords=passwords,
        verifier=Verifier(issuer.keys, issuer=auth.issuer, service=auth.service),
        issuer=issuer,
        realm=auth.realm,
        service=auth.service,
    )
