"""Which system calls a container may make.

The default refuses what Docker's default refuses: calls that need a capability which the
container lacks, and calls that reach around namespaces or into rarely walked corners of the
kernel. It is stated as what is refused, and turned into the list of what is allowed.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from functools import cache

from lamina.errors import Invalid, Unsupported
from lamina.oci.bundle import Seccomp, SyscallArgument, SyscallRule
from lamina.runtime import bpf

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from typing import Any

_ALLOW, _ERRNO = "SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO"
_EPERM, _ENOSYS = 1, 38

_OF_MACHINE = {
    "x86_64": ("SCMP_ARCH_X86_64", "SCMP_ARCH_X86"),
    "aarch64": ("SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"),
}

# Allowed with the capability, refused without.
_NEEDS = {
    "CAP_SYS_ADMIN": (
        *("mount", "umount", "umount2", "fsopen", "fsconfig", "fsmount", "fspick"),
        *("open_tree", "open_tree_attr", "move_mount", "mount_setattr"),
        *("statmount", "listmount", "setns", "unshare", "sethostname", "setdomainname"),
        *("quotactl", "quotactl_fd", "fanotify_init", "lookup_dcookie"),
        *("bpf", "perf_event_open", "syslog"),
    ),
    "CAP_BPF": ("bpf",),
    "CAP_PERFMON": ("perf_event_open",),
    "CAP_SYSLOG": ("syslog",),
    "CAP_DAC_READ_SEARCH": ("open_by_handle_at",),
    "CAP_SYS_BOOT": ("reboot",),
    "CAP_SYS_CHROOT": ("chroot",),
    "CAP_SYS_MODULE": ("init_module", "finit_module", "delete_module"),
    "CAP_SYS_NICE": ("get_mempolicy", "set_mempolicy", "set_mempolicy_home_node", "mbind"),
    "CAP_SYS_PACCT": ("acct",),
    "CAP_SYS_PTRACE": ("kcmp", "pidfd_getfd", "process_madvise"),
    "CAP_SYS_RAWIO": ("ioperm", "iopl"),
    "CAP_SYS_TIME": ("settimeofday", "stime", "clock_settime", "clock_settime64"),
    "CAP_SYS_TTY_CONFIG": ("vhangup",),
}

# Refused to everybody.
_NEVER = frozenset(
    (
        *("add_key", "request_key", "keyctl"),  # keyrings are not in any namespace
        *("kexec_load", "kexec_file_load", "pivot_root", "swapon", "swapoff"),
        *("migrate_pages", "move_pages", "userfaultfd", "nfsservctl"),
        *("io_uring_setup", "io_uring_enter", "io_uring_register"),  # too many holes so far
        *("_sysctl", "sysfs", "ustat", "uselib", "vm86", "vm86old", "bdflush"),
        *("create_module", "get_kernel_syms", "query_module", "lsm_set_self_attr"),
        *("afs_syscall", "getpmsg", "putpmsg", "security", "tuxcall", "vserver"),
        *("break", "ftime", "gtty", "idle", "lock", "mpx", "prof", "profil", "stty", "ulimit"),
        *("pciconfig_iobase", "pciconfig_read", "pciconfig_write", "usr26", "usr32"),
    )
)

_NEW_NAMESPACES = 0x7E020000  # every CLONE_NEW… flag of clone(2) but CLONE_NEWTIME
_AF_VSOCK = 40  # reaches the hypervisor
# What uname(2) and the address layout may be told: linux32, no randomisation, both; or "tell me".
_PERSONALITIES = (0x0, 0x8, 0x20000, 0x20008, 0xFFFFFFFF)


@cache
def default(machine: str, capabilities: frozenset[str]) -> Seccomp:
    """The filter of a container that has `capabilities`, on a `machine` named as uname(2) does."""
    architectures = _architectures(machine)
    tables = bpf.numbers()
    known = {name for a in architectures for name in tables[bpf.ARCHITECTURES[a][0]]}
    allowed = known - _NEVER - {"clone", "clone3", "socket", "personality"}
    allowed -= {name for names in _NEEDS.values() for name in names}
    for capability in capabilities & _NEEDS.keys():
        allowed |= known.intersection(_NEEDS[capability])
    if "CAP_SYS_ADMIN" in capabilities:
        allowed |= {"clone", "clone3"}
    rules = [SyscallRule(tuple(sorted(allowed)), _ALLOW), *_conditions()]
    if "CAP_SYS_ADMIN" not in capabilities:
        rules += _without_namespaces()
    return Seccomp(_ERRNO, architectures, tuple(rules), _EPERM)


def _conditions() -> Iterable[SyscallRule]:
    for value in _PERSONALITIES:
        equal = SyscallArgument(0, value, "SCMP_CMP_EQ")
        yield SyscallRule(("personality",), _ALLOW, args=(equal,))
    other = SyscallArgument(0, _AF_VSOCK, "SCMP_CMP_NE")
    yield SyscallRule(("socket",), _ALLOW, args=(other,))


def _without_namespaces() -> Iterable[SyscallRule]:
    none = SyscallArgument(0, _NEW_NAMESPACES, "SCMP_CMP_MASKED_EQ", 0)
    yield SyscallRule(("clone",), _ALLOW, args=(none,))
    # Its flags are in memory, out of a filter's sight; C libraries fall back to clone.
    yield SyscallRule(("clone3",), _ERRNO, _ENOSYS)


def allows(filter: Seccomp, names: Iterable[str]) -> bool:
    """Whether calls of all these names are let through, whatever their arguments."""
    for name in names:
        actions = {rule.action for rule in filter.syscalls if name in rule.names}
        if any(rule.args for rule in filter.syscalls if name in rule.names):
            return False
        if not (actions or {filter.default_action}) <= {_ALLOW, "SCMP_ACT_LOG"}:
            return False
    return True


def _architectures(machine: str) -> tuple[str, ...]:
    if machine not in _OF_MACHINE:
        raise Unsupported(f'no seccomp filter is known for architecture "{machine}"')
    return _OF_MACHINE[machine]


def load(text: str, machine: str, capabilities: frozenset[str]) -> Seccomp:
    """A profile in Docker's JSON (docker, "Seccomp security profiles"), for this container.

    Its `includes` and `excludes` are decided here. Invalid if it is no such profile.
    """
    from lamina.late import json

    try:
        document = json.loads(text)
        architectures = _declared(document, machine)
        rules = tuple(
            SyscallRule(
                tuple(entry["names"] if "names" in entry else [entry["name"]]),
                entry["action"],
                entry.get("errnoRet"),
                tuple(_argument(argument) for argument in entry.get("args") or ()),
            )
            for entry in document["syscalls"]
            if _applies(entry, machine, capabilities)
        )
        errno = document.get("defaultErrnoRet")
        profile = Seccomp(document["defaultAction"], architectures, rules, errno)
        bpf.compile(profile)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Invalid(f"not a seccomp profile: {error!r}") from error
    return profile


def _declared(document: Mapping[str, Any], machine: str) -> tuple[str, ...]:
    own = _architectures(machine)
    if document.get("architectures"):
        return tuple(document["architectures"])
    for entry in document.get("archMap") or ():
        if entry["architecture"] == own[0]:
            return (entry["architecture"], *(entry.get("subArchitectures") or ()))
    return own


def _argument(document: Mapping[str, Any]) -> SyscallArgument:
    index, value, two = document["index"], document["value"], document.get("valueTwo", 0)
    if not all(isinstance(number, int) for number in (index, value, two)):
        raise TypeError("arguments of system calls are compared with numbers")
    return SyscallArgument(index, value, document["op"], two)


_GO_NAMES = {"x86_64": {"amd64", "x86", "x32"}, "aarch64": {"arm64", "arm"}}


def _applies(entry: Mapping[str, Any], machine: str, capabilities: frozenset[str]) -> bool:
    includes, excludes = entry.get("includes") or {}, entry.get("excludes") or {}
    names = _GO_NAMES[machine]
    if includes.get("arches") and not names & set(includes["arches"]):
        return False
    if not set(includes.get("caps") or ()) <= capabilities:
        return False
    if names & set(excludes.get("arches") or ()):
        return False
    if capabilities & set(excludes.get("caps") or ()):
        return False
    return not _is_older(includes.get("minKernel", ""))


def _is_older(wanted: str) -> bool:
    """Whether this host's kernel is older than `wanted` ("5.10")."""
    if not wanted:
        return False
    running = os.uname().release.split("-")[0].split(".")[:2]
    return [int(part) for part in running] < [int(part) for part in wanted.split(".")[:2]]
