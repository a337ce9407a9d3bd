from __future__ import annotations

from pathlib import Path

import pytest

from lamina.errors import Invalid, Unsupported
from lamina.fs.mounts import Bind
from lamina.oci.bundle import Device, Resources, Rlimit
from lamina.oci.config import RunConfig
from lamina.runtime import command, defaults
from lamina.runtime.accounts import Accounts
from lamina.runtime.command import BindMount, FileMount, NoCommand, Options, TmpfsMount, TreeMount
from lamina.runtime.container import File, Tree
from lamina.runtime.host import Host
from lamina.values import replace

NOTHING = Options()
LIMITS = {"RLIMIT_NOFILE": 20000, "RLIMIT_CORE": -1}
HOST = Host(hard_limits=LIMITS)
POOR = Host(
    hard_limits=LIMITS, capabilities=frozenset(defaults.CAPABILITIES) - {"CAP_SYS_RESOURCE"}
)
CONFIG = RunConfig(entrypoint=("/entry",), cmd=("default",), env=("A=1", "PATH=/p"))


def plan(options: Options = NOTHING, config: RunConfig = CONFIG, host: Host = HOST) -> command.Plan:
    return command.plan("0123456789abcdef", config, options, Accounts(), host)


def environment(options: Options, config: RunConfig = CONFIG) -> dict[str, str]:
    env = plan(options, config).bundle.spec.process.env
    return dict(entry.partition("=")[::2] for entry in env)


@pytest.mark.parametrize(
    ("config", "options", "line"),
    [
        (CONFIG, Options(), ("/entry", "default")),
        (CONFIG, Options(args=("x", "y")), ("/entry", "x", "y")),
        (CONFIG, Options(args=()), ("/entry", "default")),
        (CONFIG, Options(entrypoint=("/other",)), ("/other",)),
        (CONFIG, Options(entrypoint=("/other",), args=("x",)), ("/other", "x")),
        (CONFIG, Options(entrypoint=(), args=("x",)), ("x",)),
        (RunConfig(cmd=("only",)), Options(), ("only",)),
        (RunConfig(entrypoint=("e",)), Options(), ("e",)),
    ],
)
def test_the_command_line_is_put_together_as_docker_does(
    config: RunConfig, options: Options, line: tuple[str, ...]
) -> None:
    assert command.command_line(config, options) == line


@pytest.mark.parametrize("options", [Options(), Options(args=()), Options(entrypoint=())])
def test_nothing_to_run_is_refused(options: Options) -> None:
    with pytest.raises(NoCommand):
        command.command_line(RunConfig(), options)


def test_the_environment_is_the_image_s_with_the_asked_over_it() -> None:
    options = Options(env=("A=2", "B=", "PATH"), tty=True, hostname="h")
    assert environment(options) == {
        "A": "2",
        "B": "",
        "HOSTNAME": "h",
        "TERM": "xterm",
        "HOME": "/",
    }
    assert environment(Options(), RunConfig(cmd=("x",)))["PATH"] == defaults.PATH


@pytest.mark.parametrize("entry", ["=x", "", "A=\0"])
def test_an_impossible_variable_is_refused(entry: str) -> None:
    with pytest.raises(Invalid):
        plan(Options(env=(entry,)))


@pytest.mark.parametrize(
    ("image", "asked", "cwd"),
    [("", None, "/"), ("/a", None, "/a"), ("/a", "/b/../c", "/c"), ("rel", None, "/rel")],
)
def test_the_working_directory_is_absolute(image: str, asked: str | None, cwd: str) -> None:
    made = plan(Options(cwd=asked), replace(CONFIG, working_dir=image))
    assert made.bundle.spec.process.cwd == cwd


def capabilities(options: Options, host: Host = HOST) -> set[str]:
    return set(plan(options, host=host).bundle.spec.process.capabilities)


def test_the_default_capabilities_are_docker_s_fourteen() -> None:
    assert len(capabilities(Options())) == 14


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (Options(cap_drop=("ALL",)), set()),
        (Options(cap_drop=("all",), cap_add=("chown",)), {"CAP_CHOWN"}),
        (Options(cap_add=("ALL",)), set(defaults.CAPABILITIES)),
        (
            Options(cap_add=("ALL",), cap_drop=("SYS_ADMIN",)),
            set(defaults.CAPABILITIES) - {"CAP_SYS_ADMIN"},
        ),
        (Options(privileged=True), set(defaults.CAPABILITIES)),
    ],
)
def test_capabilities_are_added_and_dropped(options: Options, expected: set[str]) -> None:
    assert capabilities(options) == expected


def test_a_capability_that_the_host_lacks_is_told() -> None:
    made = plan(Options(cap_add=("sys_resource",)), host=POOR)
    assert "CAP_SYS_RESOURCE" not in made.bundle.spec.process.capabilities
    assert "CAP_SYS_RESOURCE" in made.notices[0]
    assert plan(Options(privileged=True), host=POOR).notices == ()


def test_an_unknown_capability_is_refused() -> None:
    with pytest.raises(Invalid, match="FLY"):
        plan(Options(cap_add=("FLY",)))


def test_limits_are_clamped_and_told_where_they_cannot_be_raised() -> None:
    asked = Options(ulimits=(Rlimit("RLIMIT_NOFILE", -1, 30000), Rlimit("RLIMIT_CORE", 0, -1)))
    with pytest.raises(Invalid, match="soft limit unlimited exceeds"):
        plan(asked)
    asked = Options(ulimits=(Rlimit("RLIMIT_NOFILE", 30000, 30000),))
    assert plan(asked).bundle.spec.process.rlimits == asked.ulimits
    clamped = plan(asked, host=POOR)
    assert clamped.bundle.spec.process.rlimits == (Rlimit("RLIMIT_NOFILE", 20000, 20000),)
    assert "from 30000 to 20000" in clamped.notices[0]
    with pytest.raises(Invalid, match="RLIMIT_LOVE"):
        plan(Options(ulimits=(Rlimit("RLIMIT_LOVE", 1, 1),)))


def test_privileged_takes_the_guards_away_and_brings_the_devices() -> None:
    disk = Device("/dev/sda", "b", 8, 0)
    spec = plan(Options(privileged=True), host=replace(HOST, devices=(disk,))).bundle.spec
    assert spec.seccomp is None
    assert spec.masked_paths == spec.read_only_paths == ()
    assert spec.devices == (disk,)
    assert spec.resources.devices == defaults.ALL_DEVICES
    assert {m.destination: m for m in spec.mounts}["/sys"].options[-1] == "rw"


def test_networks_are_none_and_host() -> None:
    assert "network" in plan().bundle.spec.namespaces
    assert "network" not in plan(Options(network="host")).bundle.spec.namespaces
    with pytest.raises(Unsupported, match='"bridge"'):
        plan(Options(network="bridge"))


def test_the_host_name_is_the_short_id_unless_the_network_is_the_host_s() -> None:
    assert plan().bundle.spec.hostname == "0123456789ab"
    assert plan(Options(network="host")).bundle.spec.hostname == ""
    assert plan(Options(network="host", hostname="x")).bundle.spec.hostname == "x"


def test_mounts_become_binds_with_sources() -> None:
    tree = Bind(Path("/trees/1"), read_only=True)
    mounts = (
        BindMount("/b/", Path("/host"), read_only=True),
        TreeMount("/t", tree, "/sub"),
        FileMount("/run/secrets/s", b"x", 0o440, 1, 2),
        TmpfsMount("/m", 4096),
    )
    bundle = plan(Options(mounts=mounts)).bundle
    found = {m.destination: m for m in bundle.spec.mounts}
    assert found["/b"].options == ("rbind", "ro", "rprivate")
    assert found["/b"].source == "/host"
    assert found["/m"].options[-1] == "size=4096"
    assert bundle.sources == {
        "/t": Tree(tree, "/sub"),
        "/run/secrets/s": File(b"x", 0o440, 1, 2),
    }


def test_a_mount_takes_the_place_of_a_default_one() -> None:
    mounts = plan(Options(mounts=(BindMount("/dev", Path("/dev")),))).bundle.spec.mounts
    destinations = [m.destination for m in mounts]
    assert destinations.count("/dev") == 1
    assert not [d for d in destinations if d.startswith("/dev/")]


@pytest.mark.parametrize("target", ["/", "//", "relative", "/.."])
def test_a_mount_over_the_root_is_refused(target: str) -> None:
    with pytest.raises(Invalid):
        plan(Options(mounts=(TmpfsMount(target),)))


def test_exec_takes_after_the_first_process() -> None:
    base = plan(Options(user="7:8")).bundle.spec.process
    process = command.exec_process(
        base, ("ls",), Accounts(), HOST, env=("B=2", "PATH"), user="9", tty=True
    )
    assert process.args == ("ls",)
    assert process.user.uid == 9
    assert process.cwd == base.cwd
    assert set(process.env) == {"A=1", "B=2", "HOME=/", "TERM=xterm"}
    assert command.exec_process(base, ("ls",), Accounts(), HOST).user == base.user
    with pytest.raises(NoCommand):
        command.exec_process(base, (), Accounts(), HOST)


def test_limits_of_the_container_are_in_its_spec() -> None:
    made = plan(Options(resources=Resources(memory=1 << 26, pids=10, cpu_quota=1000)))
    assert made.bundle.spec.resources.is_limited
    assert not plan().bundle.spec.resources.is_limited
    document = made.bundle.spec.to_json()["linux"]["resources"]
    assert document["memory"] == {"limit": 1 << 26}
    assert document["pids"] == {"limit": 10}
    assert document["cpu"] == {"quota": 1000}
