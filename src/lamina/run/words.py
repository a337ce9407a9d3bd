"""Single values of run options in Docker's spelling: sizes, CPUs, limits, hosts, environment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from lamina.errors import Invalid, Unsupported
from lamina.late import re
from lamina.values import dataclass

_SIZE = r"(?i:(\d+(?:\.\d+)?) ?([kmgtp]?)(?:i?b)?)"
_ULIMITS = frozenset(
    {
        "as",
        "core",
        "cpu",
        "data",
        "fsize",
        "locks",
        "memlock",
        "msgqueue",
        "nice",
        "nofile",
        "nproc",
        "rss",
        "rtprio",
        "rttime",
        "sigpending",
        "stack",
    }
)


@dataclass(frozen=True, slots=True)
class Ulimit:
    """One `--ulimit`; -1 is unlimited."""

    name: str  # "nofile"
    soft: int
    hard: int


def parse_size(text: str) -> int:
    """Bytes of "512m", "1.5GiB" or "4096": binary units, as Docker has them for memory."""
    match = re.fullmatch(_SIZE, text.strip())
    if not match:
        raise Invalid(f'"{text}" is not a size', hint='write it as "512m" or "2g"')
    power = " kmgtp".index(match[2].lower()) if match[2] else 0
    return int(float(match[1]) * 1024**power)


def parse_cpus(text: str) -> int:
    """Billionths of a CPU of "1.5"."""
    if not re.fullmatch(r"\d*\.?\d+|\d+\.", text):
        raise Invalid(f'"{text}" is not a number of CPUs', hint='write it as "1.5"')
    whole, _, fraction = text.partition(".")
    if len(fraction) > 9:
        raise Invalid(f'"{text}" is finer than a billionth of a CPU')
    return int(whole or 0) * 1_000_000_000 + int(fraction.ljust(9, "0"))


def parse_ulimit(text: str) -> Ulimit:
    """`name=soft[:hard]`; one number is both."""
    name, equals, limits = text.partition("=")
    soft, colon, hard = limits.partition(":")
    numbers = re.compile(r"-1|\d+")
    if not equals or not numbers.fullmatch(soft) or (colon and not numbers.fullmatch(hard)):
        raise Invalid(f'"{text}" is not a ulimit', hint='write it as "nofile=1024:2048"')
    if name not in _ULIMITS:
        raise Invalid(f'"{name}" is not a ulimit', hint=f"use one of {', '.join(sorted(_ULIMITS))}")
    limit = Ulimit(name, int(soft), int(hard) if colon else int(soft))
    if limit.hard != -1 and (limit.soft == -1 or limit.soft > limit.hard):
        raise Invalid(f'in ulimit "{text}" the soft limit is above the hard limit')
    return limit


def parse_device(text: str) -> tuple[str, str]:
    """(path here, path there) of `--device here[:there[:rwm]]`."""
    here, _, rest = text.partition(":")
    there, _, access = rest.partition(":")
    if there and not access and set(there) <= set("rwm"):
        there, access = "", there
    there = there or here
    if not here.startswith("/") or not there.startswith("/"):
        raise Invalid(f'"{text}" is not a device', hint='write it as "/dev/fuse:/dev/fuse"')
    if set(access) - set("rwm"):
        raise Invalid(f'"{access}" is not an access, in device "{text}"', hint='use "rwm"')
    if access and set(access) != set("rwm"):
        raise Unsupported(f'an access other than "rwm" is not supported, in device "{text}"')
    return here, there


def parse_add_host(text: str) -> tuple[str, str]:
    """(name, address) of `name:address` or `name=address`."""
    name, separator, address = text.partition("=")
    if not separator:
        name, separator, address = text.partition(":")
    address = address.strip()
    if address.startswith("[") and address.endswith("]"):
        address = address[1:-1]
    if not separator or not name or not address or any(c.isspace() for c in name):
        raise Invalid(f'"{text}" is not a host', hint='write it as "name:10.0.0.1"')
    if address == "host-gateway":
        raise Unsupported(
            '"host-gateway" is not supported by this runtime',
            hint="there is no bridge yet; with the host's network the host is 127.0.0.1",
        )
    if not _is_address(address):
        raise Invalid(f'"{address}" is not an IP address, in host "{text}"')
    return name, address


def _is_address(text: str) -> bool:
    import socket

    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, text.partition("%")[0])
            return True
        except (OSError, ValueError):
            continue
    return False


def parse_env(text: str, environ: Mapping[str, str]) -> str:
    """`K=V` as it is; a bare `K` takes the value in `environ`, or stays bare, which unsets it."""
    key, equals, _ = text.partition("=")
    if not key:
        raise Invalid(f'"{text}" is not an environment variable', hint='write it as "NAME=value"')
    if not equals and key in environ:
        return f"{key}={environ[key]}"
    return text


def read_env_file(path: str, environ: Mapping[str, str]) -> list[str]:
    """The variables of an `--env-file`: `K=V` or `K` a line, `#` comments, no quoting."""
    found = []
    for number, line in enumerate(_lines(path), 1):
        line = line.lstrip()
        if not line or line.startswith("#"):
            continue
        key, equals, _ = line.partition("=")
        if not key or any(c.isspace() for c in key):
            raise Invalid(f'"{key}" is not a variable name, in "{path}" line {number}')
        if equals or key in environ:
            found.append(parse_env(line, environ))
    return found


def read_label_file(path: str) -> list[str]:
    """The labels of a `--label-file`, a line each, `#` comments."""
    lines = (line.strip() for line in _lines(path))
    return [line for line in lines if line and not line.startswith("#")]


def parse_labels(texts: Iterable[str]) -> dict[str, str]:
    """`K=V` or `K` (an empty value) each; the last of a key wins."""
    labels = {}
    for text in texts:
        key, _, value = text.partition("=")
        if not key:
            raise Invalid(f'"{text}" is not a label', hint='write it as "key=value"')
        labels[key] = value
    return labels


def merge_env(base: Iterable[str], changes: Iterable[str]) -> tuple[str, ...]:
    """`base` with `changes` over it, each key once, where it first stood; a bare key is removed."""
    merged = {pair.partition("=")[0]: pair for pair in base}
    for pair in changes:
        key, equals, _ = pair.partition("=")
        if equals:
            merged[key] = pair
        else:
            merged.pop(key, None)
    return tuple(merged.values())


def _lines(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8-sig", errors="surrogateescape") as file:
            text = file.read()
    except OSError as error:
        raise Invalid(f'cannot read "{path}": {error.strerror}') from None
    if "\0" in text:
        raise Invalid(f'"{path}" is not text')
    return [line.removesuffix("\r") for line in text.split("\n")]
