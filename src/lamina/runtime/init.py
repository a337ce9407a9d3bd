"""The process that becomes a container: a fresh interpreter, or a clone; it ends in an exec.

The outside (`native`) starts `main` with descriptor 3 to read orders from and 4 to report on;
or clones itself (`fork`), and the clone goes on with `follow`.
A first process unshares the PID namespace and makes, as its own sibling, the one that is PID 1:
so the starter itself is its parent and waits for it, and nothing stays in between.

    outside                    first                     PID 1
    spawn ─────────────────────►
    orders on 3 ───────────────► unshare, clone ─────────►
    ◄───────────────────────────  "pid", exit             namespaces, mounts, rights
    ◄──────────────────────────────────────────────────── "created", "terminal", "error"
    ◄──────────────────────────────────────────────────── end of 4: the command runs
"""

from __future__ import annotations

import os

from lamina.fs import syscalls
from lamina.runtime.inside import reaper, rights, root, sources
from lamina.runtime.inside.report import Refused, explain, receive, send

TYPE_CHECKING = False  # the `typing` module is too heavy for here
if TYPE_CHECKING:
    from typing import Any, NoReturn

_ORDERS, REPORT = 3, 4
_NAMESPACES = {
    "mount": syscalls.CLONE_NEWNS,
    "ipc": syscalls.CLONE_NEWIPC,
    "uts": syscalls.CLONE_NEWUTS,
    "network": syscalls.CLONE_NEWNET,
    "pid": syscalls.CLONE_NEWPID,
    "cgroup": syscalls.CLONE_NEWCGROUP,
}
SETUP_FAILED = 125


def main() -> NoReturn:
    """Read the orders, make the process that follows them, and end."""
    try:
        os.set_inheritable(REPORT, False)
        os.set_inheritable(_ORDERS, False)
        message = receive(_ORDERS)
        if message is None:
            os._exit(SETUP_FAILED)
        orders: dict[str, Any] = message[0]
        load(orders["process"])
    except BaseException as error:
        _fail(error)
    begin(orders)


def begin(orders: dict[str, Any], program: int | None = None) -> NoReturn:
    """In the first process: make the one that follows the orders, as a sibling, and end."""
    try:
        child = _join(orders) if "enter" in orders else _unshare(orders)
        if child:
            send(REPORT, "pid", child)
            os._exit(0)
    except BaseException as error:
        _fail(error)
    follow(orders, program)


def follow(orders: dict[str, Any], program: int | None = None) -> NoReturn:
    """In the process that is to be the command: follow the orders, and execute it.

    Descriptors are open to 4; or to `program`, which is executed and executes the command.
    """
    try:
        _follow(orders, program)
    except BaseException as error:
        _fail(error)


def _fail(error: BaseException) -> NoReturn:
    """Whatever it is, the outside must hear of it: there is no other ear."""
    if isinstance(error, Refused):
        send(REPORT, "error", error.kind, error.message)
    else:
        send(REPORT, "error", "setup", f"{type(error).__name__}: {error}")
    os._exit(SETUP_FAILED)


def load(process: dict[str, Any]) -> None:
    """What is not always needed, while the path of modules is still the host's."""
    if process["terminal"]:
        from lamina.runtime.inside import terminal  # noqa: F401
    if process.get("rlimits"):
        import resource  # noqa: F401


def namespaces(orders: dict[str, Any]) -> int:
    """Flags for clone(2): those that PID 1 has from its beginning."""
    kinds = [_NAMESPACES[entry["type"]] for entry in orders["config"]["linux"]["namespaces"]]
    # The control group namespace is rooted where the process is when it makes it: later.
    return sum(kinds) & ~syscalls.CLONE_NEWCGROUP


def _unshare(orders: dict[str, Any]) -> int:
    try:
        syscalls.unshare(syscalls.CLONE_NEWPID)
        flags = namespaces(orders) & ~syscalls.CLONE_NEWPID
        return syscalls.clone(syscalls.CLONE_PARENT | flags)
    except OSError as error:
        raise Refused("setup", explain("making namespaces:", error)) from error


def _join(orders: dict[str, Any]) -> int:
    # The processes inside must not look into this one, which still holds the host's files.
    syscalls.prctl(syscalls.PR_SET_DUMPABLE, 0)
    try:
        _enter_cgroups(orders["cgroups"])
        rights.score(orders["process"])
        syscalls.setns(orders["enter"], sum(_NAMESPACES.values()))
        return syscalls.clone(syscalls.CLONE_PARENT)
    except OSError as error:
        raise Refused("setup", explain("entering the container:", error)) from error


def _follow(orders: dict[str, Any], program: int | None) -> NoReturn:
    os.setsid()
    os.umask(0)
    process = orders["process"]
    if "config" in orders:
        _prepare(orders)
    if process["terminal"]:
        _take_terminal(process, is_console="config" in orders)
    os.close(_ORDERS)
    syscalls.close_from((REPORT if program is None else program) + 1)
    os.umask(0o022)
    rights.move_to(process["cwd"])
    rights.limit(process)
    rights.give_up(process, orders["capabilities"], orders["filter"], die_with_parent=orders["die"])
    if orders.get("init"):
        child = reaper.fork(with_terminal=process["terminal"])
        if child:
            syscalls.prctl(syscalls.PR_SET_DUMPABLE, 0)
            os.close(REPORT)
            reaper.serve(child)
    rights.execute(process, program)


def _prepare(orders: dict[str, Any]) -> None:
    """Everything of the container but its process: runtime-spec's `create`."""
    config = orders["config"]
    linux = config["linux"]
    kinds = {entry["type"] for entry in linux["namespaces"]}
    with_devices = orders["with_devices"]
    _enter_cgroups(orders["cgroups"])
    rights.score(orders["process"])
    try:
        if "cgroup" in kinds:
            syscalls.unshare(syscalls.CLONE_NEWCGROUP)
        if "network" in kinds:
            syscalls.loopback_up()
        if config.get("hostname"):
            syscalls.sethostname(config["hostname"])
        if config.get("domainname"):
            syscalls.setdomainname(config["domainname"])
        syscalls.mount(None, "/", None, syscalls.MS_REC | syscalls.MS_SLAVE)
    except OSError as error:
        raise Refused("setup", explain("setting up namespaces:", error)) from error

    scratch = sources.Scratch(orders["scratch"])
    binds = sources.open_binds(config["mounts"], orders["sources"], scratch)
    nodes = orders["devices"]
    node_binds = [] if with_devices else scratch.devices(nodes)
    fd = sources.open_root(orders["root"], with_devices=with_devices)
    root.enter(fd, orders["scratch"])
    tree = root.Tree()
    try:
        _mount(tree, config, binds, orders, node_binds)
    finally:
        for path in tree.created:
            send(REPORT, "created", path)


def _mount(
    tree: root.Tree,
    config: dict[str, Any],
    binds: dict[str, int],
    orders: dict[str, Any],
    node_binds: list[int],
) -> None:
    linux = config["linux"]
    with_devices = orders["with_devices"]
    for mount in config["mounts"]:
        if mount["type"] == "cgroup":
            tree.cgroups(mount, orders["hierarchies"])
        else:
            tree.mount(mount, binds.get(mount["destination"]), with_devices=with_devices)
        if mount["destination"] == "/dev" and mount["type"] == "tmpfs":
            tree.devices(orders["devices"], node_binds)
    for name, value in linux.get("sysctl", {}).items():
        _set(name, value)
    for path in linux["maskedPaths"]:
        tree.mask(path)
    for path in linux["readonlyPaths"]:
        tree.read_only(path)
    if config["root"]["readonly"]:
        rights.move_to(orders["process"]["cwd"])
        tree.seal()


def _set(name: str, value: str) -> None:
    try:
        with open("/proc/sys/" + name.replace(".", "/"), "w") as file:
            file.write(value)
    except OSError as error:
        raise Refused("setup", explain(f'setting sysctl "{name}":', error)) from error


def _enter_cgroups(paths: list[str]) -> None:
    for path in paths:
        try:
            with open(f"{path}/cgroup.procs", "w") as file:
                file.write("0")
        except OSError as error:
            raise Refused("setup", explain("entering control group", error)) from error


def _take_terminal(process: dict[str, Any], *, is_console: bool) -> None:
    from lamina.runtime.inside import terminal

    master, slave, path = terminal.open_pair(process)
    if is_console:
        try:
            os.close(os.open("/dev/console", os.O_WRONLY | os.O_CREAT, 0o600))
            syscalls.mount(path, "/dev/console", None, syscalls.MS_BIND)
        except OSError as error:
            raise Refused("setup", explain("making the console", error)) from error
    send(REPORT, "terminal", master)
    receive(_ORDERS)  # the outside has its own copy of the master now
    os.close(master)
    terminal.control(slave)
