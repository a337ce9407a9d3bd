"""The last steps before the command: limits, working directory, rights given up, and the exec."""

from __future__ import annotations

import errno
import os
import stat

from lamina.fs import syscalls
from lamina.runtime.inside.report import Refused, explain

TYPE_CHECKING = False  # the `typing` module is too heavy for here
if TYPE_CHECKING:
    from typing import Any, NoReturn

_SIGKILL, _SIGPIPE, _SIGXFSZ = 9, 13, 25
_LAST_CAPABILITY = 63


def score(process: dict[str, Any]) -> None:
    """The OOM score, while /proc is still the host's."""
    if "oomScoreAdj" in process:
        try:
            with open("/proc/self/oom_score_adj", "w") as file:
                file.write(str(process["oomScoreAdj"]))
        except OSError as error:
            raise Refused("setup", explain("setting the OOM score", error)) from error


def limit(process: dict[str, Any]) -> None:
    """Resource limits; late, for they would bind the preparations too."""
    limits = process.get("rlimits", ())
    if limits:
        import resource  # `init` has seen to it that the host's is loaded
    for entry in limits:
        infinity = 2**64 - 1
        pair = tuple(-1 if entry[key] == infinity else entry[key] for key in ("soft", "hard"))
        try:
            resource.setrlimit(getattr(resource, entry["type"]), (pair[0], pair[1]))
        except (OSError, ValueError) as error:
            raise Refused("setup", f'setting limit "{entry["type"]}": {error}') from error


def move_to(path: str) -> None:
    """The working directory, made if missing; refused if it is not below the root.

    A descriptor of the host's that survived could be named by /proc/self/fd.
    """
    try:
        os.makedirs(path, 0o755, exist_ok=True)
        os.chdir(path)
        os.getcwd()
    except OSError as error:
        raise Refused("setup", explain(f'working directory "{path}":', error)) from error


def give_up(process: dict[str, Any], mask: int, program: bytes, *, die_with_parent: bool) -> None:
    """Take on the user, keep the capabilities of `mask` only, and install the filter."""
    user = process["user"]
    silent = process["noNewPrivileges"]
    try:
        _drop_bounding(mask)
        if program and not silent:
            # Without no_new_privs this takes CAP_SYS_ADMIN, which is about to go.
            syscalls.seccomp_filter(program)
        os.setgroups(user.get("additionalGids", []))
        os.setresgid(user["gid"], user["gid"], user["gid"])
        os.setresuid(user["uid"], user["uid"], user["uid"])
        kept = mask if user["uid"] == 0 else 0
        syscalls.capset(effective=kept, permitted=kept, inheritable=0)
        if die_with_parent:
            # A change of user would undo it.
            syscalls.prctl(syscalls.PR_SET_PDEATHSIG, _SIGKILL)
        os.umask(user.get("umask", 0o022))
        for ignored in (_SIGPIPE, _SIGXFSZ):
            syscalls.ignore_or_default(ignored, ignore=False)
        if silent:
            syscalls.prctl(syscalls.PR_SET_NO_NEW_PRIVS, 1)
            if program:
                syscalls.seccomp_filter(program)
    except OSError as error:
        raise Refused("setup", explain("giving up rights", error)) from error


def _drop_bounding(mask: int) -> None:
    for number in range(_LAST_CAPABILITY + 1):
        if not mask >> number & 1:
            try:
                syscalls.prctl(syscalls.PR_CAPBSET_DROP, number)
            except OSError as error:
                if error.errno == errno.EINVAL:
                    return  # past the last one that this kernel knows
                raise


def execute(process: dict[str, Any], program: int | None = None) -> NoReturn:
    """Become the command, or what executes it in turn; Refused with what a shell would say."""
    environment = dict(entry.partition("=")[::2] for entry in process["env"])
    name = process["args"][0]
    path = _find(name, environment.get("PATH", ""))
    try:
        if program is None:
            os.execve(path, process["args"], environment)
        else:
            os.execve(program, [path, *process["args"]], environment)
    except OSError as error:
        raise refusal(name, error.errno or 0) from error


def refusal(name: str, number: int) -> Refused:
    """Why a command was not executed, by the errno of execve(2)."""
    kind = "not found" if number == errno.ENOENT else "not executable"
    if number in (errno.E2BIG, errno.ENOMEM, errno.EAGAIN):
        kind = "setup"
    return Refused(kind, f'exec: "{name}": {os.strerror(number).lower()}')


def _find(name: str, search: str) -> str:
    """Where the command is (Go's exec.LookPath, whose words users know)."""
    if "/" in name:
        problem = _problem(name)
        if problem is None:
            return name
        kind = "not found" if problem in (errno.ENOENT, errno.ENOTDIR) else "not executable"
        raise Refused(kind, f'exec: "{name}": {os.strerror(problem).lower()}')
    forbidden = False
    for directory in search.split(":"):
        path = f"{directory or '.'}/{name}"
        problem = _problem(path)
        if problem is None and name:
            return path
        forbidden = forbidden or problem == errno.EACCES
    if forbidden:
        raise Refused("not executable", f'exec: "{name}": permission denied')
    raise Refused("not found", f'exec: "{name}": executable file not found in $PATH')


def _problem(path: str) -> int | None:
    try:
        mode = os.stat(path).st_mode
    except OSError as error:
        return error.errno
    if stat.S_ISDIR(mode):
        return errno.EISDIR
    return None if mode & 0o111 else errno.EACCES
