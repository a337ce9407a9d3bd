"""From an image's config and what a person asked for to a bundle: pure, nothing is started.

Docker's rules where they differ from the spec's silence: the entrypoint hides the image's
command when it is replaced, PATH, HOSTNAME, HOME and TERM are set, and the rest of the defaults
is in `defaults`.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping

from lamina.errors import Invalid
from lamina.fs.mounts import RootPlan
from lamina.oci import bundle as oci
from lamina.oci.config import RunConfig
from lamina.runtime import defaults, seccomp
from lamina.runtime.accounts import Accounts
from lamina.runtime.container import Bundle, File, Source, Tree
from lamina.runtime.host import Host
from lamina.runtime.network import check_network
from lamina.values import dataclass, field, replace

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class BindMount:
    """A directory or file of the host at `target`."""

    target: str
    source: Path | str
    read_only: bool = False
    recursive: bool = True  # with what is mounted below the source
    propagation: str = "rprivate"


@dataclass(frozen=True, slots=True)
class TreeMount:
    """A directory or file of another tree at `target`; what is written there goes to its upper."""

    target: str
    plan: RootPlan
    path: str = "/"
    read_only: bool = True


@dataclass(frozen=True, slots=True)
class TmpfsMount:
    """An empty file system in memory at `target`."""

    target: str
    size: int | None = None  # bytes
    options: tuple[str, ...] = ("nosuid", "noexec", "nodev")  # as mount(8) has them


@dataclass(frozen=True, slots=True)
class FileMount:
    """A file that exists in memory only, such as a secret, at `target`."""

    target: str
    data: bytes
    mode: int = 0o400
    uid: int = 0
    gid: int = 0
    read_only: bool = True


AnyMount = BindMount | TreeMount | TmpfsMount | FileMount


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What one container is asked to be; None leaves the image's or Docker's choice."""

    entrypoint: tuple[str, ...] | None = None  # () clears the image's
    args: tuple[str, ...] | None = None  # in place of the image's command
    env: tuple[str, ...] = ()  # "K=V" sets, "K" unsets
    user: str | None = None  # user[:group], names or numbers
    groups: tuple[str, ...] = ()  # more supplementary groups, names or numbers
    cwd: str | None = None
    hostname: str = ""
    domainname: str = ""
    network: str = "none"  # or "host"
    tty: bool = False
    size: tuple[int, int] | None = None  # rows and columns of the terminal
    init: bool = False
    read_only: bool = False
    privileged: bool = False
    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    no_new_privileges: bool = False
    seccomp: str | None = None  # "unconfined", or a profile in Docker's JSON
    devices: tuple[oci.Device, ...] = ()
    mounts: tuple[AnyMount, ...] = ()  # made in this order, parents first
    shm_size: int = defaults.SHM_SIZE  # bytes
    ulimits: tuple[oci.Rlimit, ...] = ()
    resources: oci.Resources = field(default_factory=oci.Resources)
    oom_score_adj: int | None = None
    sysctls: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    die_with_starter: bool = True
    directory: Path | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """A bundle, and what could not be as asked and is worth telling."""

    bundle: Bundle
    notices: tuple[str, ...] = ()


class NoCommand(Invalid):
    """Neither the image nor the caller says what to run."""


def plan(id: str, config: RunConfig, options: Options, accounts: Accounts, host: Host) -> Plan:
    """The bundle of a container of `config`; Invalid for what cannot be meant.

    Rights that this host's root lacks itself are left out and named in the notices.
    """
    network = check_network(options.network)
    process, notices = _process(config, options, accounts, host)
    own = _nested_order(options.mounts)
    spec = oci.Spec(
        process=process,
        hostname=options.hostname or ("" if network == "host" else id[:12]),
        domainname=options.domainname,
        read_only=options.read_only,
        mounts=(*_base_mounts(options, own), *(_mount(mount) for mount in own)),
        namespaces=_namespaces(network),
        masked_paths=() if options.privileged else defaults.MASKED_PATHS,
        read_only_paths=() if options.privileged else defaults.READ_ONLY_PATHS,
        devices=(*(host.devices if options.privileged else ()), *options.devices),
        resources=_resources(options),
        sysctls=options.sysctls,
        seccomp=_seccomp(options, process.capabilities, host),
        cgroups_path=f"/lamina/{id}",
        annotations=options.annotations,
    )
    sources = {m.target: s for m in own if (s := _source(m)) is not None}
    bundle = Bundle(
        id=id,
        spec=spec,
        sources=sources,
        init=options.init,
        die_with_starter=options.die_with_starter,
        directory=options.directory,
    )
    return Plan(bundle, tuple(notices))


def exec_process(
    base: oci.Process,
    args: tuple[str, ...],
    accounts: Accounts,
    host: Host,
    *,
    env: tuple[str, ...] = (),
    user: str | None = None,
    cwd: str | None = None,
    tty: bool = False,
    size: tuple[int, int] | None = None,
    privileged: bool = False,
) -> oci.Process:
    """One more process for the container whose first one is `base` (docker exec)."""
    if not args:
        raise NoCommand("no command specified")
    variables = dict(entry.partition("=")[::2] for entry in base.env)
    identity = base.user
    if user is not None:
        login = accounts.login(user)
        identity = login.user
        variables["HOME"] = login.home
    if tty:
        variables.setdefault("TERM", "xterm")
    _change(variables, env)
    return replace(
        base,
        args=args,
        env=tuple(f"{key}={value}" for key, value in variables.items()),
        cwd=cwd or base.cwd,
        user=identity,
        terminal=tty,
        size=size,
        capabilities=_all_capabilities(host) if privileged else base.capabilities,
    )


def command_line(config: RunConfig, options: Options) -> tuple[str, ...]:
    """Entrypoint and arguments together (moby, "merge"); NoCommand if there is nothing."""
    entrypoint, args = config.entrypoint or (), options.args
    if options.entrypoint is not None:
        entrypoint = options.entrypoint
        line = (*entrypoint, *(args or ()))
    else:
        line = (*entrypoint, *(args if args else config.cmd or ()))
    if not line:
        raise NoCommand("no command specified", hint="the image has none either: name one")
    return line


def _process(
    config: RunConfig, options: Options, accounts: Accounts, host: Host
) -> tuple[oci.Process, list[str]]:
    login = accounts.login(
        config.user if options.user is None else options.user, extra_groups=options.groups
    )
    capabilities, notices = _capabilities(options, host)
    rlimits, clamped = _rlimits(options.ulimits, host)
    process = oci.Process(
        args=command_line(config, options),
        env=_environment(config, options, login.home),
        cwd=_cwd(config, options),
        user=login.user,
        terminal=options.tty,
        size=options.size,
        capabilities=capabilities,
        rlimits=rlimits,
        no_new_privileges=options.no_new_privileges,
        oom_score_adj=options.oom_score_adj,
    )
    return process, [*notices, *clamped]


def _cwd(config: RunConfig, options: Options) -> str:
    cwd = options.cwd or config.working_dir or "/"
    return _normal(posixpath.join("/", cwd))


def _environment(config: RunConfig, options: Options, home: str) -> tuple[str, ...]:
    variables = {"PATH": defaults.PATH}
    if options.hostname:
        variables["HOSTNAME"] = options.hostname
    if options.tty:
        variables["TERM"] = "xterm"
    variables |= config.environment()
    _change(variables, options.env)
    variables.setdefault("HOME", home)
    return tuple(f"{key}={value}" for key, value in variables.items())


def _change(variables: dict[str, str], entries: tuple[str, ...]) -> None:
    for entry in entries:
        key, equals, value = entry.partition("=")
        if not key or "\0" in entry:
            raise Invalid(f'"{entry}" is not an environment variable')
        if equals:
            variables[key] = value
        else:
            variables.pop(key, None)


def _all_capabilities(host: Host) -> tuple[str, ...]:
    return tuple(name for name in defaults.CAPABILITIES if name in host.capabilities)


def _capabilities(options: Options, host: Host) -> tuple[tuple[str, ...], list[str]]:
    add = [capability(name) for name in options.cap_add]
    drop = [capability(name) for name in options.cap_drop]
    if options.privileged:
        return _all_capabilities(host), []
    wanted = set(defaults.DEFAULT_CAPABILITIES)
    if "ALL" in drop:
        wanted = set()
    if "ALL" in add:
        wanted = set(host.capabilities)
    wanted = (wanted | set(add)) - set(drop) - {"ALL"}
    lacking = sorted(wanted - host.capabilities)
    notices = [f'capability "{name}" is not given: this host\'s root lacks it' for name in lacking]
    granted = tuple(n for n in defaults.CAPABILITIES if n in wanted and n in host.capabilities)
    return granted, notices


def capability(name: str) -> str:
    """The full name of a capability, "ALL" as it is; Invalid for one that Linux does not know."""
    upper = name.upper()
    if upper == "ALL":
        return upper
    full = upper if upper.startswith("CAP_") else f"CAP_{upper}"
    if full not in defaults.CAPABILITIES:
        raise Invalid(f'unknown capability "{name}"', hint='such as "NET_ADMIN", or "ALL"')
    return full


def _rlimits(
    limits: tuple[oci.Rlimit, ...], host: Host
) -> tuple[tuple[oci.Rlimit, ...], list[str]]:
    """Limits no higher than this host's root may set them."""
    result, notices = [], []
    for limit in limits:
        if limit.name not in host.hard_limits:
            raise Invalid(f'unknown resource limit "{limit.name}"')
        hard = host.hard_limits[limit.name]
        soft_text, hard_text = (_amount(n) for n in (limit.soft, limit.hard))
        if limit.hard != -1 and (limit.soft == -1 or limit.soft > limit.hard):
            raise Invalid(
                f'ulimit "{limit.name}": soft limit {soft_text} exceeds hard limit {hard_text}'
            )
        above = hard != -1 and (limit.hard == -1 or limit.hard > hard)
        if above and "CAP_SYS_RESOURCE" not in host.capabilities:
            soft = hard if limit.soft == -1 else min(limit.soft, hard)
            result.append(oci.Rlimit(limit.name, soft, hard))
            notices.append(
                f'ulimit "{limit.name}" is clamped from {hard_text} to {hard}:'
                " raising it further needs CAP_SYS_RESOURCE"
            )
        else:
            result.append(limit)
    return tuple(result), notices


def _amount(limit: int) -> str:
    return "unlimited" if limit == -1 else str(limit)


def _resources(options: Options) -> oci.Resources:
    rules = defaults.ALL_DEVICES if options.privileged else defaults.DEVICE_RULES
    rules += tuple(oci.DeviceRule(True, d.type, d.major, d.minor) for d in options.devices)
    return replace(options.resources, devices=rules)


def _seccomp(options: Options, capabilities: tuple[str, ...], host: Host) -> oci.Seccomp | None:
    if options.seccomp == "unconfined" or (options.privileged and options.seccomp is None):
        return None
    if options.seccomp is None:
        return seccomp.default(host.machine, frozenset(capabilities))
    return seccomp.load(options.seccomp, host.machine, frozenset(capabilities))


def usual_filter(host: Host) -> oci.Seccomp:
    """The filter of a container that asks for nothing special."""
    capabilities, _ = _capabilities(Options(), host)
    return seccomp.default(host.machine, frozenset(capabilities))


def _namespaces(network: str) -> tuple[str, ...]:
    kinds = ("pid", "ipc", "uts", "mount", "cgroup")
    return (*kinds, "network") if network == "none" else kinds


def _nested_order(mounts: tuple[AnyMount, ...]) -> tuple[AnyMount, ...]:
    """Parents before what lies in them; of two at one target the later one counts."""
    last = {_normal(mount.target): mount for mount in mounts}
    for target in last:
        if not target.startswith("/") or target == "/":
            raise Invalid(f'"{target}" is not a mount target', hint="an absolute path below /")
    ordered = sorted(last.items(), key=lambda item: item[0].count("/"))
    return tuple(replace(mount, target=target) for target, mount in ordered)


def _normal(path: str) -> str:
    # POSIX leaves "//" alone, where Linux does not.
    path = posixpath.normpath(path)
    return path[1:] if path.startswith("//") else path


def _base_mounts(options: Options, own: tuple[AnyMount, ...]) -> tuple[oci.Mount, ...]:
    """The default ones, without those whose place is taken."""
    base = defaults.mounts(shm_size=options.shm_size, privileged=options.privileged)
    taken = {mount.target for mount in own}
    return tuple(
        mount
        for mount in base
        if mount.destination not in taken
        and not ("/dev" in taken and mount.destination.startswith("/dev/"))
    )


def _mount(mount: AnyMount) -> oci.Mount:
    match mount:
        case BindMount():
            kind = "rbind" if mount.recursive else "bind"
            access = "ro" if mount.read_only else "rw"
            options = (kind, access, mount.propagation)
            return oci.Mount(mount.target, "bind", str(mount.source), options)
        case TmpfsMount():
            size = () if mount.size is None else (f"size={mount.size}",)
            return oci.Mount(mount.target, "tmpfs", "tmpfs", (*mount.options, *size))
        case TreeMount() | FileMount():
            options = ("bind", "ro" if mount.read_only else "rw", "private")
            return oci.Mount(mount.target, "bind", "", options)


def _source(mount: AnyMount) -> Source | None:
    match mount:
        case TreeMount():
            return Tree(mount.plan, mount.path)
        case FileMount():
            return File(mount.data, mount.mode, mount.uid, mount.gid)
        case _:
            return None
