"""The flags of `lamina build`, and what they ask for.

All of docker's are known. What is not built is refused by name, so that no build silently lacks
what its caller asked for.
"""

from __future__ import annotations

import io
import os
from collections.abc import Mapping

from lamina.cli.command import Args, Flag, Kind
from lamina.errors import Invalid, NotFound, Unsupported

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from typing import Any, BinaryIO

    from lamina.build import Secret, Ulimit
    from lamina.build.outputs import Output
    from lamina.engine.building import BuildRequest

_LIST, _BOOL, _TEXT = Kind.LIST, Kind.BOOL, Kind.TEXT

FLAGS: tuple[Flag, ...] = (
    Flag("add-host", kind=_LIST, value="host:ip", help="Add a line to /etc/hosts of RUN steps"),
    Flag("build-arg", kind=_LIST, value="name[=value]", help="Set an ARG"),
    Flag("build-context", kind=_LIST, value="name=path", help="Add a named context"),
    Flag(
        "ca-bundle",
        value="file",
        default="auto",
        help="Certificates that RUN steps trust and no layer holds: a file, auto or none",
    ),
    Flag(
        "call",
        value="method",
        default="build",
        help='Build nothing: "check" makes docker\'s checks, "outline" tells the parameters, '
        '"targets" the stages; with ",format=json" as JSON',
    ),
    Flag("check", kind=_BOOL, help="The same as --call=check"),
    Flag("explain", kind=_BOOL, help="Say afterwards why each step was done anew"),
    Flag("file", "f", value="path", help='The Dockerfile (default "PATH/Dockerfile")'),
    Flag(
        "http-proxy",
        kind=_BOOL,
        default="true",
        help="Offer this shell's proxy variables to RUN steps",
    ),
    Flag("iidfile", value="file", help="Write the image's ID to a file"),
    Flag("jobs", kind=Kind.NUMBER, value="n", help="How many steps may run at once"),
    Flag("label", kind=_LIST, value="name=value", help="Set a label"),
    Flag("load", kind=_BOOL, help="Keep the image in the store, beside other outputs"),
    Flag("metadata-file", value="file", help="Write what was built to a file as JSON"),
    Flag("network", default="default", help="Of RUN steps: default, none or host"),
    Flag("no-cache", kind=_BOOL, help="Do every step anew"),
    Flag("no-cache-filter", kind=_LIST, value="stage", help="Do every step of a stage anew"),
    Flag("output", "o", _LIST, value="type=…", help="Where to, beside or instead of the store"),
    Flag("platform", value="os/arch", help="What the image is to run on"),
    Flag("progress", value="how", help="auto, plain, tty, rawjson, quiet or none"),
    Flag("pull", kind=_BOOL, help="Look for newer base images in their registries"),
    Flag("push", kind=_BOOL, help="Send the image to the registries that its names say"),
    Flag("quiet", "q", _BOOL, "Print the image's ID and nothing else"),
    Flag(
        "record-reads",
        kind=_BOOL,
        help="Record which copied files each RUN opens, as evidence for check",
    ),
    Flag("runtime", value="name", help="What executes RUN steps: native, crun or runc"),
    Flag("secret", kind=_LIST, value="id=…,src=…", help="Offer a secret to RUN steps"),
    Flag("shm-size", value="bytes", help="Size of /dev/shm in RUN steps"),
    Flag("tag", "t", _LIST, value="name[:tag]", help="A name for the image"),
    Flag("target", value="stage", help="The stage to build (default: the last one)"),
    Flag("ulimit", kind=_LIST, value="name=soft[:hard]", help="A limit of RUN steps"),
    # Said by habit, and what happens anyway.
    Flag("rm", kind=_BOOL, default="true", hidden=True),
    Flag("force-rm", kind=_BOOL, hidden=True),
)

# Docker's, not built here. A bool that is given as false asks for nothing.
_REFUSED_BOOLS = ("compress", "squash")
_REFUSED = (
    *("allow", "annotation", "attest", "builder", "cache-from", "cache-to"),
    *("cgroup-parent", "cpu-period", "cpu-quota", "cpu-shares", "cpuset-cpus", "cpuset-mems"),
    *("isolation", "memory", "memory-swap", "policy", "provenance", "resource", "sbom"),
    *("security-opt", "ssh"),
)
FLAGS += tuple(Flag(name, kind=_BOOL, hidden=True) for name in _REFUSED_BOOLS)
FLAGS += tuple(
    Flag(name, kind=_LIST, hidden=True, implied="true" if name in ("sbom", "provenance") else None)
    for name in _REFUSED
)

_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY")
_CA_VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
_ARCHIVE_HEADS = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd")


def request(args: Args, environment: Mapping[str, str], stdin: BinaryIO) -> BuildRequest:
    """The build that a command line asks for; Invalid, or Unsupported by the flag's name."""
    from lamina.build.reach import Options
    from lamina.engine.building import BuildRequest
    from lamina.oci import platform

    _refuse(args)
    context, dockerfile, in_context = _sources(args, stdin)
    chosen = args.text("platform") or environment.get("DOCKER_DEFAULT_PLATFORM")
    if chosen and "," in chosen:
        raise Unsupported(
            f"--platform={chosen}: several platforms at once are not built yet",
            hint="build them one after the other",
        )
    return BuildRequest(
        context=context,
        dockerfile=dockerfile,
        in_context=in_context,
        options=Options(
            target=args.text("target"),
            build_args=_build_args(args, environment),
            labels=dict(_pair(text, "--label") for text in args.texts("label")),
            platform=platform.parse(chosen) if chosen else None,
            network=_network(args),
            hosts=tuple(_host(text) for text in args.texts("add-host")),
            ulimits=tuple(_ulimit(text) for text in args.texts("ulimit")),
            shm_size=_bytes(args, "shm-size"),
            use_cache=not args.flag("no-cache"),
            uncached_stages=_stages(args),
        ),
        names=args.texts("tag"),
        words=args.as_typed(),
        named_contexts=dict(_pair(text, "--build-context") for text in args.texts("build-context")),
        outputs=_outputs(args) if args.given("output") else (),
        secrets=_secrets(args, environment),
        ca_bundle=_ca_bundle(args, environment),
        proxies=_proxies(environment) if args.flag("http-proxy") else (),
        runtime=args.text("runtime"),
        pull=args.flag("pull"),
        record_reads=args.flag("record-reads"),
        workers=max(1, args.number("jobs") or os.cpu_count() or 1),
    )


def _outputs(args: Args) -> tuple[Output, ...]:
    from lamina.build.outputs import Output, parse

    wanted = tuple(parse(text) for text in args.texts("output"))
    return (*wanted, Output("image")) if args.flag("load") else wanted


def called(args: Args) -> tuple[str, str]:
    """What --call and --check ask for: build, check, outline or targets; and the form."""
    text = args.text("call") or "build"
    method, _, rest = text.partition(",")
    if args.flag("check"):
        if method not in ("build", "check", "lint"):
            raise Invalid(f"--check and --call={text} exclude one another")
        method = "check"
    form = rest.removeprefix("format=") or "text"
    if method == "subrequests.describe":
        raise Unsupported(f"--call={text} is not built yet")
    method = "check" if method == "lint" else method
    if method not in ("build", "check", "outline", "targets") or form not in ("text", "json"):
        hint = "use build, check, outline or targets, and format=json behind a comma"
        raise Invalid(f'invalid --call "{text}"', hint=hint)
    return method, form


def _refuse(args: Args) -> None:
    for name in _REFUSED_BOOLS:
        if args.flag(name):
            raise Unsupported(f"--{name} is not built yet")
    for name in _REFUSED:
        if any(text != "false" for text in args.texts(name)):
            raise Unsupported(f"--{name} is not built yet")
    if not args.flag("rm"):
        raise Unsupported("--rm=false: a build leaves no intermediate containers to keep")


# -- sources -------------------------------------------------------------------------------


def _sources(args: Args, stdin: BinaryIO) -> tuple[str | BinaryIO | None, str | bytes | None, str]:
    """Context, Dockerfile, and the Dockerfile's name where the context is a tar."""
    where, file = args.rest[0], args.text("file")
    if where == "-":
        if file == "-":
            raise Invalid("standard input cannot be the context and the Dockerfile at once")
        return _from_stdin(stdin, file)
    if file == "-":
        return where, stdin.read(), "Dockerfile"
    return where, file, "Dockerfile"


def _from_stdin(stdin: BinaryIO, file: str | None) -> tuple[BinaryIO | None, bytes | None, str]:
    """A tar is a context, compressed or not; anything else is a Dockerfile without one."""
    if stdin.isatty():
        raise Invalid(
            "standard input is a terminal: expected a Dockerfile or a tar",
            hint="lamina build - < Dockerfile",
        )
    head = b""
    while len(head) < 512 and (more := stdin.read(512 - len(head))):
        head += more
    if head.startswith(_ARCHIVE_HEADS) or head[257:262] == b"ustar":
        rest = io.BufferedReader(_Rejoined(head, stdin), 1 << 20)
        return rest, None, file or "Dockerfile"
    return None, head + stdin.read(), "Dockerfile"


class _Rejoined(io.RawIOBase):
    """A stream with the bytes that were read from it to look at put back in front."""

    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        self._head = head
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._head[: len(buffer)] or self._rest.read(len(buffer))
        self._head = self._head[len(data) :] if self._head else b""
        buffer[: len(data)] = data
        return len(data)


# -- values --------------------------------------------------------------------------------


def _pair(text: str, flag: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or (not equals and flag != "--label"):
        raise Invalid(f'invalid {flag} "{text}"', hint="expected name=value")
    return name, value


def _build_args(args: Args, environment: Mapping[str, str]) -> dict[str, str]:
    """ARGs as given; a name alone takes its value from the environment, if it has one."""
    found: dict[str, str] = {}
    if "SOURCE_DATE_EPOCH" in environment:
        found["SOURCE_DATE_EPOCH"] = environment["SOURCE_DATE_EPOCH"]
    for text in args.texts("build-arg"):
        name, equals, value = text.partition("=")
        if not name:
            raise Invalid(f'invalid --build-arg "{text}"', hint="expected name=value")
        if equals:
            found[name] = value
        elif name in environment:
            found[name] = environment[name]
    return found


def _network(args: Args) -> str:
    network = args.text("network") or "default"
    if network not in ("default", "none", "host"):
        raise Unsupported(f"--network={network} is not built yet", hint="use none or host")
    return network


def _host(text: str) -> tuple[str, str]:
    """`name:address` or `name=address`; an IPv6 address may stand in brackets."""
    import ipaddress

    separator = "=" if "=" in text else ":"
    name, found, address = text.partition(separator)
    address = address.removeprefix("[").removesuffix("]")
    if address == "host-gateway":
        raise Unsupported(f'--add-host "{text}": host-gateway is not built yet')
    try:
        ipaddress.ip_address(address)
    except ValueError:
        found = ""
    if not name or not found:
        raise Invalid(f'invalid --add-host "{text}"', hint="expected name:address")
    return name, address


def _ulimit(text: str) -> Ulimit:
    from lamina.build import Ulimit
    from lamina.run.words import parse_ulimit

    limit = parse_ulimit(text)
    return Ulimit(limit.name, limit.soft, limit.hard)


def _bytes(args: Args, name: str) -> int | None:
    text = args.text(name)
    if text is None:
        return None
    from lamina.run.words import parse_size

    return parse_size(text)


def _stages(args: Args) -> frozenset[str]:
    names = [name for text in args.texts("no-cache-filter") for name in text.split(",")]
    return frozenset(name.strip().lower() for name in names)


def _secrets(args: Args, environment: Mapping[str, str]) -> dict[str, Secret]:
    return {
        secret.id: secret
        for secret in (_secret(text, environment) for text in args.texts("secret"))
    }


def _secret(text: str, environment: Mapping[str, str]) -> Secret:
    """`id=ID,src=FILE` or `id=ID,env=NAME`; the ID alone is a variable, or else a file."""
    from lamina.build import Secret

    fields: dict[str, str] = {}
    for part in text.split(","):
        name, _, value = part.partition("=")
        fields[name.strip().lower()] = value
    name = fields.pop("id", "")
    kind = fields.pop("type", "")
    variable = fields.pop("env", None)
    path = fields.pop("src", None) or fields.pop("source", None)
    if fields or not name or kind not in ("", "file", "env"):
        wrong = next(iter(fields), "type" if name else "id")
        raise Invalid(f'invalid --secret "{text}": "{wrong}"', hint="expected id=ID,src=FILE")
    if kind == "env" and path is not None and variable is None:
        variable, path = path, None
    if variable is None and path is None and kind != "file" and name in environment:
        variable = name
    if variable is not None:
        if variable not in environment:
            raise NotFound(f'--secret {name}: the variable "{variable}" is not set')
        data = os.fsencode(environment[variable])
        return Secret(name, lambda: data)
    file = path or name
    if not os.path.isfile(file):
        raise NotFound(f'--secret {name}: the file "{file}" does not exist')
    return Secret(name, lambda: _content(file))


def _content(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _ca_bundle(args: Args, environment: Mapping[str, str]) -> str | None:
    """The bundle to offer: auto takes the one that this shell's programs are told to trust."""
    text = args.text("ca-bundle") or "auto"
    if text == "none":
        return None
    if text == "auto":
        named = (environment.get(name) for name in _CA_VARIABLES)
        return next((path for path in named if path and os.path.isfile(path)), None)
    if not os.path.isfile(text):
        raise NotFound(f'--ca-bundle: the file "{text}" does not exist')
    return text


def _proxies(environment: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    found: dict[str, str] = {}
    for name in _PROXIES:
        value = environment.get(name) or environment.get(name.lower())
        if value:
            found[name] = found[name.lower()] = value
    return tuple(found.items())
