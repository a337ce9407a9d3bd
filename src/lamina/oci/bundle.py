"""OCI runtime bundles as values: what `config.json` says (runtime-spec, config*.md).

Only what Lamina sets. `Spec.to_json` gives the document; the order of fields is the spec's own
examples', so the same values give the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping

from lamina.values import dataclass, field

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from typing import Any

VERSION = "1.0.2"  # the least that knows every field here: crun before 1.9 refuses a later one


@dataclass(frozen=True, slots=True)
class User:
    """Numbers only; names are looked up before (config.md, "User")."""

    uid: int = 0
    gid: int = 0
    groups: tuple[int, ...] = ()  # supplementary
    umask: int | None = None

    def to_json(self) -> dict[str, Any]:
        document: dict[str, Any] = {"uid": self.uid, "gid": self.gid}
        if self.umask is not None:
            document["umask"] = self.umask
        if self.groups:
            document["additionalGids"] = list(self.groups)
        return document

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> User:
        return cls(
            document["uid"],
            document["gid"],
            tuple(document.get("additionalGids", ())),
            document.get("umask"),
        )


@dataclass(frozen=True, slots=True)
class Rlimit:
    """One resource limit by its name, such as "RLIMIT_NOFILE"."""

    name: str
    soft: int
    hard: int

    def to_json(self) -> dict[str, Any]:
        # Unsigned in the spec: what setrlimit(2) calls RLIM_INFINITY is the largest number.
        soft, hard = (limit % 2**64 for limit in (self.soft, self.hard))
        return {"type": self.name, "hard": hard, "soft": soft}

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> Rlimit:
        soft, hard = (-1 if document[k] == 2**64 - 1 else document[k] for k in ("soft", "hard"))
        return cls(document["type"], soft, hard)


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """What runs, and with which rights (config.md, "Process")."""

    args: tuple[str, ...]
    env: tuple[str, ...] = ()  # "K=V"
    cwd: str = "/"
    user: User = User()
    terminal: bool = False
    size: tuple[int, int] | None = None  # rows and columns of the terminal
    capabilities: tuple[str, ...] = ()  # "CAP_…": bounding, effective and permitted alike
    rlimits: tuple[Rlimit, ...] = ()
    no_new_privileges: bool = False
    oom_score_adj: int | None = None

    def to_json(self) -> dict[str, Any]:
        document: dict[str, Any] = {"terminal": self.terminal}
        if self.size is not None:
            document["consoleSize"] = {"height": self.size[0], "width": self.size[1]}
        sets = ("bounding", "effective", "permitted")
        document |= {
            "user": self.user.to_json(),
            "args": list(self.args),
            "env": list(self.env),
            "cwd": self.cwd,
            "capabilities": {name: list(self.capabilities) for name in sets},
        }
        if self.rlimits:
            document["rlimits"] = [limit.to_json() for limit in self.rlimits]
        document["noNewPrivileges"] = self.no_new_privileges
        if self.oom_score_adj is not None:
            document["oomScoreAdj"] = self.oom_score_adj
        return document

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> Process:
        """What `to_json` wrote."""
        size = document.get("consoleSize")
        return cls(
            args=tuple(document["args"]),
            env=tuple(document["env"]),
            cwd=document["cwd"],
            user=User.parse(document["user"]),
            terminal=document["terminal"],
            size=None if size is None else (size["height"], size["width"]),
            capabilities=tuple(document["capabilities"]["bounding"]),
            rlimits=tuple(Rlimit.parse(limit) for limit in document.get("rlimits", ())),
            no_new_privileges=document["noNewPrivileges"],
            oom_score_adj=document.get("oomScoreAdj"),
        )


@dataclass(frozen=True, slots=True)
class Mount:
    """One mount, in the order in which they are made (config.md, "Mounts")."""

    destination: str
    type: str  # "bind", or a file system
    source: str
    options: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "destination": self.destination,
            "type": self.type,
            "source": self.source,
            "options": list(self.options),
        }


@dataclass(frozen=True, slots=True)
class Device:
    """A device node made in the container's /dev (config-linux.md, "Devices")."""

    path: str
    type: str  # "c", "b" or "p"
    major: int
    minor: int
    mode: int = 0o666
    uid: int = 0
    gid: int = 0

    def to_json(self) -> dict[str, Any]:
        return {
            "path": self.path,
            "type": self.type,
            "major": self.major,
            "minor": self.minor,
            "fileMode": self.mode,
            "uid": self.uid,
            "gid": self.gid,
        }


@dataclass(frozen=True, slots=True)
class DeviceRule:
    """Which devices may be used (config-linux.md, "Allowed Device list"); None is any number."""

    allow: bool
    type: str = "a"
    major: int | None = None
    minor: int | None = None
    access: str = "rwm"

    def to_json(self) -> dict[str, Any]:
        document: dict[str, Any] = {"allow": self.allow, "type": self.type}
        if self.major is not None:
            document["major"] = self.major
        if self.minor is not None:
            document["minor"] = self.minor
        return document | {"access": self.access}


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """Limits of the whole container; None is none (config-linux.md, "Control groups")."""

    memory: int | None = None  # bytes
    memory_swap: int | None = None  # bytes of memory and swap together; -1 is no limit
    pids: int | None = None
    cpu_quota: int | None = None  # microseconds of each period
    cpu_period: int | None = None  # microseconds
    cpu_shares: int | None = None
    cpuset_cpus: str | None = None
    cpuset_mems: str | None = None
    devices: tuple[DeviceRule, ...] = ()

    @property
    def is_limited(self) -> bool:
        """Whether anything here needs a control group of the container's own."""
        return bool({"memory", "pids", "cpu"} & self.to_json().keys())

    def to_json(self) -> dict[str, Any]:
        document: dict[str, Any] = {}
        if self.devices:
            document["devices"] = [rule.to_json() for rule in self.devices]
        memory = {"limit": self.memory, "swap": self.memory_swap}
        cpu = {
            "shares": self.cpu_shares,
            "quota": self.cpu_quota,
            "period": self.cpu_period,
            "cpus": self.cpuset_cpus,
            "mems": self.cpuset_mems,
        }
        for name, group in (("memory", memory), ("cpu", cpu), ("pids", {"limit": self.pids})):
            given = {key: value for key, value in group.items() if value is not None}
            if given:
                document[name] = given
        return document


@dataclass(frozen=True, slots=True)
class SyscallArgument:
    """A condition on one argument (config-linux.md, "Seccomp")."""

    index: int
    value: int
    op: str  # "SCMP_CMP_EQ", …
    value_two: int = 0  # the compared value of SCMP_CMP_MASKED_EQ

    def to_json(self) -> dict[str, Any]:
        document = {"index": self.index, "value": self.value, "op": self.op}
        if self.value_two:
            document["valueTwo"] = self.value_two
        return document


@dataclass(frozen=True, slots=True)
class SyscallRule:
    """What happens to calls of these names, if every one of `args` holds."""

    names: tuple[str, ...]
    action: str  # "SCMP_ACT_ALLOW", …
    errno: int | None = None
    args: tuple[SyscallArgument, ...] = ()

    def to_json(self) -> dict[str, Any]:
        document: dict[str, Any] = {"names": list(self.names), "action": self.action}
        if self.errno is not None:
            document["errnoRet"] = self.errno
        if self.args:
            document["args"] = [argument.to_json() for argument in self.args]
        return document


@dataclass(frozen=True, slots=True)
class Seccomp:
    """A filter of system calls (config-linux.md, "Seccomp")."""

    default_action: str
    architectures: tuple[str, ...]  # "SCMP_ARCH_X86_64", …
    syscalls: tuple[SyscallRule, ...]
    default_errno: int | None = None

    def to_json(self) -> dict[str, Any]:
        document: dict[str, Any] = {"defaultAction": self.default_action}
        if self.default_errno is not None:
            document["defaultErrnoRet"] = self.default_errno
        document["architectures"] = list(self.architectures)
        document["syscalls"] = [rule.to_json() for rule in self.syscalls]
        return document


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """One container: config.json as a value."""

    process: Process
    hostname: str = ""
    domainname: str = ""
    root: str = "rootfs"  # where the runtime finds the tree, relative to the bundle
    read_only: bool = False
    mounts: tuple[Mount, ...] = ()
    namespaces: tuple[str, ...] = ("pid", "ipc", "uts", "mount", "network", "cgroup")
    masked_paths: tuple[str, ...] = ()
    read_only_paths: tuple[str, ...] = ()
    devices: tuple[Device, ...] = ()
    resources: Resources = Resources()
    sysctls: Mapping[str, str] = field(default_factory=dict)
    seccomp: Seccomp | None = None
    cgroups_path: str = ""
    annotations: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The document of config.json."""
        document: dict[str, Any] = {
            "ociVersion": VERSION,
            "process": self.process.to_json(),
            "root": {"path": self.root, "readonly": self.read_only},
        }
        if self.hostname:
            document["hostname"] = self.hostname
        if self.domainname:
            document["domainname"] = self.domainname
        document["mounts"] = [mount.to_json() for mount in self.mounts]
        if self.annotations:
            document["annotations"] = dict(sorted(self.annotations.items()))
        return document | {"linux": self._linux()}

    def _linux(self) -> dict[str, Any]:
        linux: dict[str, Any] = {"resources": self.resources.to_json()}
        if self.sysctls:
            linux["sysctl"] = dict(sorted(self.sysctls.items()))
        if self.cgroups_path:
            linux["cgroupsPath"] = self.cgroups_path
        linux["namespaces"] = [{"type": kind} for kind in self.namespaces]
        if self.devices:
            linux["devices"] = [device.to_json() for device in self.devices]
        if self.seccomp is not None:
            linux["seccomp"] = self.seccomp.to_json()
        linux["maskedPaths"] = list(self.masked_paths)
        linux["readonlyPaths"] = list(self.read_only_paths)
        return linux
