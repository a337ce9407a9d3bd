"""The flags of `lamina run` and `create`, and what they ask for.

All of docker's 102 are known here. What is not built is refused by name, never ignored.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from lamina.cli.command import Args, Flag, Kind, UsageError
from lamina.errors import Invalid, Unsupported

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from typing import Any

    from lamina.run.mounts import MountRequest
    from lamina.run.options import Options

_LIST, _BOOL, _NUMBER = Kind.LIST, Kind.BOOL, Kind.NUMBER


class Refused(Unsupported):
    """A flag that Docker has and this runtime has not."""

    exit_status = 125


FLAGS = (
    Flag("add-host", kind=_LIST, value="host:ip", help="Add a line to /etc/hosts"),
    Flag("annotation", kind=_LIST, value="name=value", help="Set an annotation of the OCI bundle"),
    Flag("cap-add", kind=_LIST, help="Add Linux capabilities"),
    Flag("cap-drop", kind=_LIST, help="Drop Linux capabilities"),
    Flag("cidfile", value="file", help="Write the container's ID to a file"),
    Flag("cpu-period", kind=_NUMBER, help="Period of the CPU quota, in microseconds"),
    Flag("cpu-quota", kind=_NUMBER, help="CPU time in each period, in microseconds"),
    Flag("cpu-shares", "c", _NUMBER, "Weight of CPU time beside other containers"),
    Flag("cpus", value="decimal", help="How many CPUs it may use"),
    Flag("cpuset-cpus", help="CPUs it may run on (0-3, 0,1)"),
    Flag("cpuset-mems", help="Memory nodes it may use (0-3, 0,1)"),
    Flag("device", kind=_LIST, help="Give it a device of this host"),
    Flag("dns", kind=_LIST, help="Set name servers"),
    Flag("dns-option", kind=_LIST, help="Set options of the resolver"),
    Flag("dns-search", kind=_LIST, help="Set search domains"),
    Flag("domainname", help="NIS domain name"),
    Flag("entrypoint", help="Replace the image's entrypoint"),
    Flag("env", "e", _LIST, "Set a variable, or take this shell's", value="name[=value]"),
    Flag("env-file", kind=_LIST, value="file", help="Read variables from a file"),
    Flag("expose", kind=_LIST, value="port", help="Note a port that it listens on"),
    Flag("group-add", kind=_LIST, help="Add a group"),
    Flag("hostname", "h", help="Host name"),
    Flag("init", kind=_BOOL, help="Run an init that forwards signals and reaps processes"),
    Flag("interactive", "i", _BOOL, "Keep stdin open"),
    Flag("label", "l", _LIST, "Set a label", value="name[=value]"),
    Flag("label-file", kind=_LIST, value="file", help="Read labels from a file"),
    Flag("log-driver", value="driver", help="json-file or none"),
    Flag("memory", "m", value="bytes", help="Memory limit"),
    Flag("memory-swap", value="bytes", help="Limit of memory and swap together; -1 is none"),
    Flag("mount", kind=_LIST, value="type=…", help="Mount a directory, a volume or a tmpfs"),
    Flag("name", help="Name of the container"),
    Flag("network", value="network", help="host (the default, until there is a bridge) or none"),
    Flag("no-healthcheck", kind=_BOOL, help="Run no health checks (none are run anyway)"),
    Flag("oom-score-adj", kind=_NUMBER, help="Which to kill first when memory is short"),
    Flag("pids-limit", kind=_NUMBER, help="How many processes; -1 is any number"),
    Flag("platform", value="os/arch", help="Which platform of the image"),
    Flag("privileged", kind=_BOOL, help="Give it every right that this host's root has"),
    Flag("pull", value="policy", help="always, missing or never", default="missing"),
    Flag("quiet", "q", _BOOL, "Say nothing about pulling"),
    Flag("read-only", kind=_BOOL, help="Mount its root read-only"),
    Flag("rm", kind=_BOOL, help="Remove it, and its anonymous volumes, when it ends"),
    Flag("runtime", help="What executes it: native, crun or runc"),
    Flag("security-opt", kind=_LIST, help="no-new-privileges, seccomp=unconfined or a profile"),
    Flag("shm-size", value="bytes", help="Size of /dev/shm"),
    Flag("stop-signal", value="signal", help="What stops it"),
    Flag("stop-timeout", kind=_NUMBER, value="seconds", help="How long it may take to stop"),
    Flag("sysctl", kind=_LIST, value="name=value", help="Set a kernel parameter"),
    Flag("tmpfs", kind=_LIST, value="path[:options]", help="Mount an empty tmpfs"),
    Flag("tty", "t", _BOOL, "Give it a terminal"),
    Flag("ulimit", kind=_LIST, value="name=soft[:hard]", help="Set a limit"),
    Flag("user", "u", value="user[:group]", help="Who it runs as, by name or number"),
    Flag("volume", "v", _LIST, "Mount a directory or a volume", value="source:target[:options]"),
    Flag("workdir", "w", value="directory", help="Where it starts"),
    # Other spellings.
    Flag("net", value="network", hidden=True),
    Flag("dns-opt", kind=_LIST, hidden=True),
)

_REFUSED_LISTS = (
    "attach",
    "blkio-weight-device",
    "device-cgroup-rule",
    "device-read-bps",
    "device-read-iops",
    "device-write-bps",
    "device-write-iops",
    "link",
    "link-local-ip",
    "log-opt",
    "net-alias",
    "network-alias",
    "publish",
    "storage-opt",
    "volumes-from",
)
_REFUSED_TEXTS = (
    "blkio-weight",
    "cgroup-parent",
    "cgroupns",
    "cpu-count",
    "cpu-percent",
    "cpu-rt-period",
    "cpu-rt-runtime",
    "gpus",
    "health-cmd",
    "health-interval",
    "health-retries",
    "health-start-interval",
    "health-start-period",
    "health-timeout",
    "io-maxbandwidth",
    "io-maxiops",
    "ip",
    "ip6",
    "ipc",
    "isolation",
    "kernel-memory",
    "mac-address",
    "memory-reservation",
    "memory-swappiness",
    "pid",
    "restart",
    "userns",
    "uts",
    "volume-driver",
)
_REFUSED_BOOLS = ("oom-kill-disable", "publish-all", "use-api-socket")
_REFUSED_SHORTS = {"attach": "a", "publish": "p", "publish-all": "P"}
# What Docker does when these are said, this runtime does anyway.
_HARMLESS = {
    "cgroupns": ("private",),
    "ipc": ("private", ""),
    "isolation": ("default", ""),
    "pid": ("",),
    "restart": ("no", ""),
    "userns": ("",),
    "uts": ("",),
    "volume-driver": ("local", ""),
}
_REFUSED_HINTS = {
    "publish": 'with "--network host", the default, its ports are this host\'s',
    "publish-all": 'with "--network host", the default, its ports are this host\'s',
    "restart": "let your service manager start it again",
}


def _refused_flags() -> tuple[Flag, ...]:
    kinds = ((_REFUSED_LISTS, _LIST), (_REFUSED_TEXTS, Kind.TEXT), (_REFUSED_BOOLS, _BOOL))
    return (
        *tuple(
            Flag(name, _REFUSED_SHORTS.get(name, ""), kind, "Not supported", hidden=True)
            for names, kind in kinds
            for name in names
        ),
        Flag("disable-content-trust", kind=_BOOL, hidden=True, default="true"),
    )


REFUSED = _refused_flags()


def refuse_unsupported(args: Args) -> None:
    """Refused, by name, for the first flag that is not built here."""
    for name in (*_REFUSED_LISTS, *_REFUSED_TEXTS):
        for value in args.texts(name):
            if value not in _HARMLESS.get(name, ()):
                said = f'"--{name} {value}"' if name in _HARMLESS else f'"--{name}"'
                raise Refused(
                    f"{said} is not supported by this runtime", hint=_REFUSED_HINTS.get(name)
                )
    for name in _REFUSED_BOOLS:
        if args.flag(name):
            raise Refused(
                f'"--{name}" is not supported by this runtime', hint=_REFUSED_HINTS.get(name)
            )
    if not args.flag("disable-content-trust"):
        raise Refused('"--disable-content-trust=false" is not supported by this runtime')


def read_options(args: Args, *, attached: bool, runtime: str) -> Options:
    """What the flags and arguments ask for; UsageError for a value that cannot be read.

    `runtime` is the one of the settings.
    """
    from lamina.run import words
    from lamina.run.options import DEFAULT_SHM, Options

    refuse_unsupported(args)
    entrypoint = args.text("entrypoint")
    add_hosts = _each(args, "add-host", words.parse_add_host)
    labels = [line for path in args.texts("label-file") for line in words.read_label_file(path)]
    security = _security(args)
    return Options(
        image=args.rest[0],
        command=args.rest[1:],
        name=args.text("name"),
        remove=args.flag("rm"),
        interactive=args.flag("interactive"),
        tty=args.flag("tty"),
        attached=attached,
        env=_environment(args),
        labels={**words.parse_labels(labels), **words.parse_labels(args.texts("label"))},
        annotations=words.parse_labels(args.texts("annotation")),
        mounts=_mounts(args),
        workdir=args.text("workdir"),
        user=args.text("user"),
        groups=args.texts("group-add"),
        entrypoint=None if entrypoint is None else ((entrypoint,) if entrypoint else ()),
        hostname=args.text("hostname"),
        domainname=args.text("domainname") or "",
        add_hosts=tuple(add_hosts),
        dns=args.texts("dns"),
        dns_search=args.texts("dns-search"),
        dns_options=(*args.texts("dns-option"), *args.texts("dns-opt")),
        network=args.text("network") or args.text("net") or "host",
        read_only=args.flag("read-only"),
        init=args.flag("init"),
        privileged=args.flag("privileged"),
        cap_add=args.texts("cap-add"),
        cap_drop=args.texts("cap-drop"),
        no_new_privileges=security[0],
        seccomp=security[1],
        devices=tuple(_each(args, "device", words.parse_device)),
        memory=_one(args, "memory", words.parse_size),
        memory_swap=_one(args, "memory-swap", _size_or_unlimited),
        cpu_shares=args.number("cpu-shares"),
        cpu_period=args.number("cpu-period"),
        cpu_quota=args.number("cpu-quota"),
        cpuset_cpus=args.text("cpuset-cpus"),
        cpuset_mems=args.text("cpuset-mems"),
        nano_cpus=_one(args, "cpus", words.parse_cpus),
        pids_limit=args.number("pids-limit"),
        shm_size=_one(args, "shm-size", words.parse_size) or DEFAULT_SHM,
        oom_score_adj=args.number("oom-score-adj"),
        ulimits=tuple(_each(args, "ulimit", words.parse_ulimit)),
        sysctls=words.parse_labels(args.texts("sysctl")),
        exposed_ports=_ports(args),
        stop_signal=args.text("stop-signal"),
        stop_timeout=args.number("stop-timeout"),
        platform=args.text("platform") or os.environ.get("DOCKER_DEFAULT_PLATFORM") or None,
        pull=args.text("pull") or "missing",
        runtime=args.text("runtime") or runtime,
        log_driver=args.text("log-driver") or "json-file",
    )


def environment(args: Args) -> tuple[str, ...]:
    """The variables of `--env-file` and then of `--env`."""
    return _environment(args)


def _environment(args: Args) -> tuple[str, ...]:
    from lamina.run import words

    found = [
        line for path in args.texts("env-file") for line in words.read_env_file(path, os.environ)
    ]
    found += _each(args, "env", lambda text: words.parse_env(text, os.environ))
    return tuple(found)


def _mounts(args: Args) -> tuple[MountRequest, ...]:
    if not any(args.given(name) for name in ("volume", "mount", "tmpfs")):
        return ()
    from lamina.run import mounts

    found = _each(args, "volume", mounts.parse_volume)
    found += _each(args, "mount", mounts.parse_mount)
    found += _each(args, "tmpfs", mounts.parse_tmpfs)
    return mounts.unique_targets(found)


def _ports(args: Args) -> tuple[str, ...]:
    if not args.given("expose"):
        return ()
    from lamina.dockerfile.ports import parse_ports

    return tuple(port for ports in _each(args, "expose", parse_ports) for port in ports)


def _security(args: Args) -> tuple[bool, str | None]:
    """Whether privileges may not grow, and the seccomp profile's text or "unconfined"."""
    no_new, seccomp = False, None
    for text in args.texts("security-opt"):
        key, _, value = text.replace(":", "=", 1).partition("=")
        if key == "no-new-privileges" and value in ("", "true", "false"):
            no_new = value != "false"
        elif key == "seccomp" and value in ("unconfined", "builtin"):
            seccomp = "unconfined" if value == "unconfined" else None
        elif key == "seccomp" and value:
            seccomp = _profile(value)
        elif (key, value) in (("apparmor", "unconfined"), ("label", "disable")):
            continue  # neither confines a container here, which is what this asks for
        else:
            raise Refused(f'"--security-opt {text}" is not supported by this runtime')
    return no_new, seccomp


def _profile(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except (OSError, ValueError) as error:
        raise Invalid(f'cannot read the seccomp profile "{path}": {error}') from None


def _size_or_unlimited(text: str) -> int:
    from lamina.run.words import parse_size

    return -1 if text == "-1" else parse_size(text)


def _each(args: Args, name: str, parse: Callable[[str], Any]) -> list[Any]:
    return [_parsed(args, name, text, parse) for text in args.texts(name)]


def _one(args: Args, name: str, parse: Callable[[str], Any]) -> Any:
    text = args.text(name)
    return None if text is None else _parsed(args, name, text, parse)


def _parsed(args: Args, name: str, text: str, parse: Callable[[str], Any]) -> Any:
    """The value; a fault becomes one of the command line, which shows the usage."""
    try:
        return parse(text)
    except Invalid as error:
        hint = f" ({error.hint})" if error.hint else ""
        raise UsageError(
            f'invalid argument "{text}" for "--{name}": {error.message}{hint}',
            words=args.words,
            usage=args.usage,
            exit_status=125,
        ) from None
