"""`login` and `logout`, in Docker's words."""

from __future__ import annotations

import sys

from lamina.cli.command import Args, Command, Flag, Kind
from lamina.errors import Denied, Invalid, Unsupported

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from lamina.engine import Engine
    from lamina.engine.remotes import Remotes
    from lamina.remote.keychain import Credential

_HUB = "docker.io"


def login(args: Args, engine: Engine) -> int:
    from lamina.remote.keychain import Credential

    domain = _domain(args)
    username, secret = args.text("username") or "", _given_secret(args)
    remotes = engine.remotes
    _warn_of_variable(remotes)
    if not username and not secret:
        kept = remotes.keychain.credential(domain)
        if kept is not None and _is_still_taken(remotes, domain, kept):
            print("Login Succeeded")
            return 0
    if not username or not secret:
        username, secret = _asked(username, secret)
    file = remotes.login(domain, Credential(username, secret))
    if file is not None:
        print(
            f'WARNING! Your credentials are stored unencrypted in "{file}".\n'
            "A credential helper keeps them better: see credsStore in that file.",
            file=sys.stderr,
        )
    print("Login Succeeded")
    return 0


LOGIN = Command(
    run=login,
    usage="[HOST]",
    flags=(
        Flag("username", "u", help="Who you are"),
        Flag("password", "p", help="Your password or token, for all to see"),
        Flag("password-stdin", kind=Kind.BOOL, help="Read the password or token from stdin"),
    ),
    arguments=(0, 1),
    about="Without a host, it is Docker Hub.\n"
    "The registry is asked first; what it does not take is not kept.",
)


def logout(args: Args, engine: Engine) -> int:
    domain = _domain(args)
    _warn_of_variable(engine.remotes)
    print(f"Removing login credentials for {_shown(domain)}")
    if not engine.remotes.logout(domain):
        print(f"Not logged in to {_shown(domain)}")
    return 0


LOGOUT = Command(
    run=logout, usage="[HOST]", arguments=(0, 1), about="Without a host, it is Docker Hub."
)


def _domain(args: Args) -> str:
    """The registry to speak of, host[:port]; a URL loses its scheme and its path."""
    from lamina.oci.reference import is_domain
    from lamina.remote.keychain import normal

    if not args.rest:
        return _HUB
    given = args.rest[0]
    domain = normal(given)
    if "/" in domain and is_domain(domain.partition("/")[0]):
        raise Unsupported(
            f'"{given}" is a path of a registry, and credentials are kept for registries here',
            hint=f'log in to "{domain.partition("/")[0]}"',
        )
    if not is_domain(domain):
        raise Invalid(f'"{given}" is not a registry', hint="expected host[:port]")
    return domain


def _given_secret(args: Args) -> str:
    if args.given("password"):
        print(
            "WARNING! Using --password via the CLI is insecure. Use --password-stdin.",
            file=sys.stderr,
        )
        if args.flag("password-stdin"):
            raise args.misused("--password and --password-stdin are mutually exclusive")
    if not args.flag("password-stdin"):
        return args.text("password") or ""
    if not args.text("username"):
        raise args.misused("--password-stdin needs --username too")
    secret = sys.stdin.buffer.read(1 << 20).decode("utf-8", "surrogateescape")
    secret = secret.removesuffix("\n").removesuffix("\r")
    if not secret:
        raise Invalid("there is no password on stdin")
    return secret


def _asked(username: str, secret: str) -> tuple[str, str]:
    """The same with what is missing, asked on the terminal; the password is not echoed."""
    if not sys.stdin.isatty():
        raise Invalid(
            "cannot perform an interactive login from a non TTY device",
            hint="use --username and --password-stdin",
        )
    if not username:
        print("Username: ", end="", file=sys.stderr, flush=True)
        username = sys.stdin.readline().strip()
        if not username:
            raise Invalid("there is no username")
    if not secret:
        from getpass import getpass

        secret = getpass("Password: ")
        if not secret:
            raise Invalid("there is no password")
    return username, secret


def _is_still_taken(remotes: Remotes, domain: str, kept: Credential) -> bool:
    name = f" [Username: {kept.username}]" if kept.username else ""
    print(f"Authenticating with existing credentials...{name}")
    try:
        remotes.verify(domain, kept)
    except Denied:
        print("Stored credentials invalid or expired", file=sys.stderr)
        return False
    return True


def _warn_of_variable(remotes: Remotes) -> None:
    if remotes.settings.credentials.text:
        print(
            "WARNING! The variable DOCKER_AUTH_CONFIG is set, and comes before what is kept.",
            file=sys.stderr,
        )


def _shown(domain: str) -> str:
    from lamina.remote.keychain import server

    return server(domain)
