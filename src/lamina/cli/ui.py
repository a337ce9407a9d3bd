"""`ui`: pages to look at the images here."""

from __future__ import annotations

import sys

from lamina.cli.command import Args, Command, Flag, Kind
from lamina.errors import Invalid

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from lamina.engine import Engine
    from lamina.serve.server import Address

_USUAL = "127.0.0.1:5001"


def ui(args: Args, engine: Engine) -> int:
    from lamina.engine import serving
    from lamina.serve.server import Address

    address = Address.parse(args.text("addr") or _USUAL)
    if not address.is_loopback and not args.flag("insecure-no-auth"):
        raise Invalid(
            f'"{address}" is open to the network, and nobody has to log in',
            hint="say --insecure-no-auth if everybody may look at every image here",
        )
    serving.show(engine, address, ready=_say, failed=_warn)
    return 0


def _say(place: Address) -> None:
    print(f"http://{place}/", flush=True)


def _warn(error: Exception) -> None:
    print(f"lamina: a page could not be made: {type(error).__name__}: {error}", file=sys.stderr)


UI = Command(
    run=ui,
    flags=(
        Flag("addr", value="host:port", help=f"Where to listen ({_USUAL}); port 0 is any free one"),
        Flag(
            "insecure-no-auth",
            kind=Kind.BOOL,
            help="Let everybody on the network look at the images",
        ),
    ),
    about="Prints the address to open in a browser, and serves until it is interrupted.\n"
    "Nothing can be changed there.",
)
