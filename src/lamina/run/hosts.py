"""The three files that every container gets from its host: hosts, hostname and resolv.conf."""

from __future__ import annotations

import os

from lamina.run.options import Options
from lamina.runtime.network import Resolver, host_file, hosts_file, resolv_file

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from pathlib import Path

FILES = {"hosts": "/etc/hosts", "hostname": "/etc/hostname", "resolv.conf": "/etc/resolv.conf"}


def write_files(directory: Path | str, options: Options, hostname: str) -> None:
    """Make the three files in the container's directory; they are mounted from there."""
    for name, content in (
        ("hosts", hosts(options, hostname)),
        ("hostname", os.fsencode(f"{hostname}\n")),
        ("resolv.conf", resolv_conf(options)),
    ):
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        descriptor = os.open(f"{directory}/{name}", flags, 0o644)
        try:
            os.fchmod(descriptor, 0o644)
            os.write(descriptor, content)
        finally:
            os.close(descriptor)


def hosts(options: Options, hostname: str) -> bytes:
    """/etc/hosts: the host's own with the host's network, as in Docker; then what was asked for."""
    host = host_file("/etc/hosts") if options.network == "host" else None
    names = f"{hostname}.{options.domainname} {hostname}" if options.domainname else hostname
    return hosts_file(names, options.add_hosts, host=host)


def resolv_conf(options: Options) -> bytes:
    """/etc/resolv.conf: the host's, but for what `--dns…` replaces."""
    change = Resolver(options.dns, options.dns_search, options.dns_options)
    return resolv_file(host_file("/etc/resolv.conf"), change)
