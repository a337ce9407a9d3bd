"""What a person may ask of a new container: `lamina run` and `create`, as one value."""

from __future__ import annotations

from collections.abc import Mapping

from lamina.errors import Invalid, Unsupported
from lamina.run.mounts import MountRequest
from lamina.run.words import Ulimit
from lamina.values import dataclass, field

DEFAULT_SHM = 64 * 1024 * 1024  # bytes, as Docker's
MIN_MEMORY = 6 * 1024 * 1024  # bytes, Docker's least for -m


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """All of it parsed, nothing of it resolved against an image yet."""

    image: str
    command: tuple[str, ...] = ()
    name: str | None = None
    remove: bool = False  # --rm
    interactive: bool = False  # stdin stays open
    tty: bool = False
    attached: bool = True  # somebody looks on from the start; not -d
    env: tuple[str, ...] = ()  # "K=V" sets, "K" unsets
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    mounts: tuple[MountRequest, ...] = ()
    workdir: str | None = None
    user: str | None = None
    groups: tuple[str, ...] = ()  # --group-add, names or numbers
    entrypoint: tuple[str, ...] | None = None  # () clears the image's
    hostname: str | None = None
    domainname: str = ""
    add_hosts: tuple[tuple[str, str], ...] = ()  # (name, address)
    dns: tuple[str, ...] = ()
    dns_search: tuple[str, ...] = ()
    dns_options: tuple[str, ...] = ()
    network: str = "host"  # "host" or "none"
    read_only: bool = False
    init: bool = False
    privileged: bool = False
    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    no_new_privileges: bool = False
    seccomp: str | None = None  # "unconfined", or a profile's JSON text
    devices: tuple[tuple[str, str], ...] = ()  # (path here, path there)
    memory: int | None = None  # bytes
    memory_swap: int | None = None  # bytes, memory included; -1 is unlimited
    cpu_shares: int | None = None
    cpu_period: int | None = None  # microseconds
    cpu_quota: int | None = None  # microseconds of each period
    cpuset_cpus: str | None = None
    cpuset_mems: str | None = None
    nano_cpus: int | None = None  # billionths of a CPU
    pids_limit: int | None = None  # 0 and -1 are unlimited
    shm_size: int = DEFAULT_SHM  # bytes
    oom_score_adj: int | None = None
    ulimits: tuple[Ulimit, ...] = ()
    sysctls: Mapping[str, str] = field(default_factory=dict)
    exposed_ports: tuple[str, ...] = ()  # "80/tcp"
    stop_signal: str | None = None
    stop_timeout: int | None = None  # seconds; -1 waits for ever
    platform: str | None = None
    pull: str = "missing"
    runtime: str = "native"
    log_driver: str = "json-file"


def check(options: Options) -> Options:
    """`options`; Invalid or Unsupported if they contradict each other or this runtime."""
    if options.network not in ("host", "none"):
        raise Unsupported(
            f'network "{options.network}" is not supported by this runtime',
            hint='use "--network host" (the default) or "--network none"',
        )
    if options.workdir is not None and not options.workdir.startswith("/"):
        raise Invalid(f'working directory "{options.workdir}" is not an absolute path')
    if options.memory is not None and 0 < options.memory < MIN_MEMORY:
        raise Invalid(f"a memory limit of {options.memory} bytes is too small, the least is 6 MB")
    if options.nano_cpus is not None and (options.cpu_period or options.cpu_quota):
        raise Invalid('"--cpus" cannot be used together with "--cpu-period" or "--cpu-quota"')
    if options.memory_swap is not None and options.memory_swap != -1:
        if not options.memory:
            raise Invalid('"--memory-swap" needs "--memory"')
        if options.memory_swap < options.memory:
            raise Invalid('"--memory-swap" is memory and swap together, it cannot be less')
    if options.pull not in ("always", "missing", "never"):
        raise Invalid(f'"{options.pull}" is not a pull policy', hint="use always, missing or never")
    if options.runtime not in ("native", "crun", "runc"):
        raise Invalid(f'"{options.runtime}" is not a runtime', hint="use native, crun or runc")
    if options.log_driver not in ("json-file", "none"):
        raise Unsupported(
            f'log driver "{options.log_driver}" is not supported by this runtime',
            hint='use "json-file" or "none"',
        )
    if options.hostname is not None and (
        not options.hostname or len(options.hostname) > 64 or "/" in options.hostname
    ):
        raise Invalid(f'"{options.hostname}" is not a host name')
    return options
