"""What the registry is told in a TOML file (docs/serve.md). A key that nobody knows is refused."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from lamina.errors import Invalid, NotFound, Unsupported
from lamina.oci.distribution.endpoint import BadName, check_name
from lamina.oci.document import MANIFEST_LIMIT
from lamina.oci.reference import is_domain
from lamina.serve.events import Listener
from lamina.serve.limits import Limits
from lamina.serve.rights import Action, Rights, Rule
from lamina.serve.server import TLS, Address
from lamina.serve.table import BadSetting, Table
from lamina.values import dataclass, field

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from typing import Any

_DAY = 24 * 3600.0
MODES = ("none", "basic", "token")
MOST_WORKERS = 64


@dataclass(frozen=True, slots=True)
class Auth:
    """How clients prove who they are."""

    mode: str = "none"
    htpasswd: Path | None = None
    service: str = "lamina"  # the audience of tokens
    issuer: str = "lamina"
    realm: str | None = None  # URL of the token endpoint, as clients see it
    jwks: Path | None = None  # public keys of another's token endpoint


@dataclass(frozen=True, slots=True)
class UpstreamSettings:
    """A registry whose repositories are mirrored."""

    registry: str
    prefix: str
    namespaces: frozenset[str]
    fresh: float = 60.0  # seconds


@dataclass(frozen=True, slots=True)
class Settings:
    """All that can be set."""

    address: Address = field(default_factory=lambda: Address("127.0.0.1", 5000))
    workers: int = 1  # processes
    root: Path | None = None
    tls: TLS | None = None
    insecure_no_auth: bool = False
    access_log: bool = True
    forwarded: bool = False  # believe the X-Forwarded headers of a proxy
    warning: str | None = None
    web: bool = False  # pages for people below /ui/
    web_entries: int = 400_000  # of an image that they read
    sparse: bool = False
    schema1: bool = False  # speak it with clients that know nothing newer
    grace: float = _DAY  # seconds
    upload_expiry: float = _DAY  # seconds
    gc_interval: float = 0.0  # seconds; 0: never by itself
    delete_untagged: bool = False
    auth: Auth = field(default_factory=Auth)
    rights: Rights | None = None  # None: everything for whoever has logged in
    limits: Limits = field(default_factory=Limits)
    listeners: tuple[Listener, ...] = ()
    upstreams: tuple[UpstreamSettings, ...] = ()


def load(path: Path) -> Settings:
    """The settings in a file; NotFound, or BadSetting, which names the key."""
    import tomllib

    try:
        with open(path, "rb") as file:
            found = tomllib.load(file)
    except FileNotFoundError:
        raise NotFound(f'there is no configuration "{path}"') from None
    except OSError as error:
        raise Invalid(f'the configuration "{path}" cannot be read: {error}') from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadSetting(f'"{path}" is not TOML: {error}') from None
    return read(found, base=path.parent)


def read(found: Mapping[str, Any], *, base: Path) -> Settings:
    """The settings of a TOML document; paths in it are relative to `base`."""
    top = Table(found, "", base)
    web = top.table("web")
    server, registry, gc = top.table("server"), top.table("registry"), top.table("gc")
    settings = Settings(
        address=Address.parse(server.text("address", "127.0.0.1:5000")),
        workers=_workers(server),
        root=registry.path("root"),
        tls=_tls(server.table("tls")),
        insecure_no_auth=server.boolean("insecure-no-auth", False),
        access_log=server.boolean("access-log", True),
        forwarded=server.boolean("forwarded", False),
        warning=_warning(server),
        web=web.boolean("enabled", False),
        web_entries=int(web.number("entries", 400_000)),
        sparse=registry.boolean("sparse", False),
        schema1=registry.boolean("schema1", False),
        grace=gc.seconds("grace", _DAY),
        upload_expiry=gc.seconds("upload-expiry", _DAY),
        gc_interval=gc.seconds("interval", 0.0),
        delete_untagged=gc.boolean("delete-untagged", False),
        auth=_auth(top.table("auth")),
        rights=_rights(top),
        limits=_limits(top.table("limits")),
        listeners=tuple(_listener(each) for each in top.tables("events")),
        upstreams=tuple(_upstream(each) for each in top.tables("upstream")),
    )
    top.finish()
    return settings


def _workers(table: Table) -> int:
    found = table.number("workers", 1)
    if found != int(found):
        raise BadSetting('"server.workers" is not a whole number')
    return int(found)


def _tls(table: Table) -> TLS | None:
    certificate, key = table.path("certificate"), table.path("key")
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise BadSetting('"server.tls" needs both "certificate" and "key"')
    return TLS(certificate, key)


def _warning(table: Table) -> str | None:
    text = table.optional_text("warning")
    if text is not None and not all(" " <= each <= "~" and each not in '"\\' for each in text):
        raise BadSetting('"server.warning" may hold printable ASCII only, and no quotes')
    return text or None


def _auth(table: Table) -> Auth:
    auth = Auth(
        mode=table.text("mode", "none"),
        htpasswd=table.path("htpasswd"),
        service=table.text("service", "lamina"),
        issuer=table.text("issuer", "lamina"),
        realm=table.optional_text("realm"),
        jwks=table.path("jwks"),
    )
    if auth.mode not in MODES:
        raise BadSetting(f'"auth.mode" is "{auth.mode}": expected {" or ".join(MODES)}')
    if auth.jwks is not None and auth.realm is None:
        raise BadSetting('"auth.jwks" are the keys of a token service: set "auth.realm" too')
    if auth.mode == "basic" and auth.htpasswd is None:
        raise BadSetting('"auth.mode" is "basic": "auth.htpasswd" is missing')
    if auth.mode == "token" and auth.htpasswd is None and auth.jwks is None:
        raise BadSetting('"auth.mode" is "token": set "auth.htpasswd", or "realm" and "jwks"')
    return auth


def _rights(top: Table) -> Rights | None:
    groups = {name: frozenset(members) for name, members in top.text_lists("groups").items()}
    rules = []
    for table in top.tables("rights"):
        who = frozenset(table.texts("who"))
        for each in who:
            if each.startswith("@") and each[1:] not in groups:
                raise BadSetting(f'"{table.where}.who" names "{each}": no such group')
        actions = table.texts("actions")
        for action in actions:
            if action not in list(Action):
                raise BadSetting(
                    f'"{table.where}.actions" has "{action}": expected {", ".join(Action)}'
                )
        repositories = tuple(table.texts("repositories"))
        rules.append(Rule(who, repositories, frozenset(Action(action) for action in actions)))
    if not rules and not groups:
        return None
    return Rights(rules, groups)


def _limits(table: Table) -> Limits:
    usual = Limits()
    limits = Limits(
        blob=table.size("blob", usual.blob),
        manifest=table.size("manifest", usual.manifest),
        request=table.size("request", usual.request),
        patience=table.seconds("patience", usual.patience),
        rate=table.number("rate", usual.rate),
        burst=int(table.number("burst", usual.burst)),
    )
    if limits.manifest > MANIFEST_LIMIT:
        raise BadSetting(f'"limits.manifest" is larger than {MANIFEST_LIMIT} bytes')
    if limits.burst < 1:
        raise BadSetting('"limits.burst" is less than 1')
    return limits


def _listener(table: Table) -> Listener:
    url = table.text("url", "")
    if not url.startswith(("http://", "https://")):
        raise BadSetting(f'"{table.where}.url" is not an http or https URL')
    usual = Listener(url)
    return Listener(
        url,
        headers=table.text_map("headers"),
        actions=frozenset(table.texts("actions", ())),
        timeout=table.seconds("timeout", usual.timeout),
        tries=int(table.number("tries", usual.tries)),
        queue=int(table.number("queue", usual.queue)),
    )


def _upstream(table: Table) -> UpstreamSettings:
    registry = table.text("registry", "")
    if not is_domain(registry):
        raise BadSetting(f'"{table.where}.registry" is not a registry: expected host[:port]')
    prefix = table.text("prefix", registry)
    try:
        check_name(prefix)
    except BadName as error:
        raise BadSetting(f'"{table.where}.prefix": {error.message}', hint=error.hint) from None
    namespaces = frozenset(table.texts("namespaces", [registry]))
    return UpstreamSettings(registry, prefix, namespaces, table.seconds("fresh", 60.0))


def check_workers(settings: Settings) -> None:
    """Invalid, or Unsupported if what is set would not hold across several processes."""
    if not 1 <= settings.workers <= MOST_WORKERS:
        raise Invalid(f"{settings.workers} workers: expected 1 to {MOST_WORKERS}")
    if settings.workers == 1:
        return
    if settings.limits.rate:
        raise Unsupported(
            '"limits.rate" with several workers is not supported: each would count by itself',
            hint="serve with one worker, or let the proxy before it count",
        )
    if settings.upstreams:
        raise Unsupported(
            '"upstream" with several workers is not supported: each would fetch by itself',
            hint="serve mirrors with one worker",
        )


def check_open(settings: Settings) -> None:
    """Invalid if anybody on the network could do anything, unless that is said to be meant."""
    is_open = settings.auth.mode == "none" and not settings.insecure_no_auth
    if is_open and not settings.address.is_loopback:
        raise Invalid(
            f'"{settings.address}" is open to the network, and nobody has to log in',
            hint='set "auth.mode", or say --insecure-no-auth if everybody may push and delete',
        )
