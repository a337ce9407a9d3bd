"""EXPOSE."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lamina.dockerfile import instructions as ins
from lamina.lint.file import File
from lamina.lint.finding import Edit, Hit
from lamina.lint.rule import Phase
from lamina.lint.rules.kin import ERROR, buildkit, hadolint

_PORT = re.compile(r"([0-9]+)(?:-([0-9]+))?(?:/[A-Za-z]+)?")
_HIGHEST = 65535


def expose_proto_casing(file: File) -> Iterator[Hit]:
    """The protocol of EXPOSE is in lower case.

    Tools that compare the text of a port do not find it otherwise.

        EXPOSE 80/TcP    # no
        EXPOSE 80/tcp    # yes
    """
    for item, port in file.trace.ports:
        container = port.rpartition(":")[2]
        protocol = container.partition("/")[2]
        if protocol != protocol.lower():
            message = f"Defined protocol '{port}' in EXPOSE instruction should be lowercase"
            span = file.find(item, port)
            number = port.removesuffix(protocol)
            edits = (Edit(span, number + protocol.lower()),) if span != item.span else ()
            yield file.hit(item, message, at=port, edits=edits)


def expose_invalid_format(file: File) -> Iterator[Hit]:
    """EXPOSE names the container's port alone.

    Addresses and ports of the host belong to `run -p`; here they mean nothing.

        EXPOSE 127.0.0.1:80:80    # no
        EXPOSE 80                 # yes
    """
    for item, port in file.trace.ports:
        if ":" in port:
            message = (
                "EXPOSE instruction should not define an IP address or host-port mapping,"
                f" found '{port}'"
            )
            span = file.find(item, port)
            edits = (Edit(span, port.rpartition(":")[2]),) if span != item.span else ()
            yield file.hit(item, message, at=port, edits=edits)


def port_range(file: File) -> Iterator[Hit]:
    """A port is a number from 0 to 65535."""
    for item in file.of(ins.Expose):
        line = item.instruction
        assert isinstance(line, ins.Expose)
        for port in line.ports:
            match = _PORT.fullmatch(port)
            if match and max(int(match[1]), int(match[2] or 0)) > _HIGHEST:
                yield file.hit(item, f'"{port}" is no port', at=port)
                break


RULES = (
    buildkit(
        "ExposeProtoCasing", "Protocol in EXPOSE instruction should be lowercase",
        expose_proto_casing, Phase.STEPS,
    ),
    buildkit(
        "ExposeInvalidFormat",
        "IP address and host-port mapping should not be used in EXPOSE instruction. This will"
        " become an error in a future release",
        expose_invalid_format,
        Phase.STEPS,
    ),
    hadolint("DL3011", "port-range", ERROR, "a port is above 65535", port_range),
)  # fmt: skip
