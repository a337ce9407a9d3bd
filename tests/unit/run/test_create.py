"""Options and an image settle every question between them."""

from __future__ import annotations

from typing import Any

import pytest

from lamina.errors import Error, Invalid, Unsupported
from lamina.oci.config import ImageConfig, RunConfig
from lamina.oci.digest import Digest
from lamina.oci.platform import Platform
from lamina.run.commit import changed, settings_of
from lamina.run.container import Container
from lamina.run.create import settle
from lamina.run.ground import Base
from lamina.run.hosts import hosts, resolv_conf
from lamina.run.mounts import parse_volume
from lamina.run.options import Options, check


def settled(config: RunConfig | None = None, **options: Any) -> Container:
    image = ImageConfig.make(platform=Platform("linux", "arm64", "v8"), config=config)
    base = Base(image, Digest.of(b"manifest"), None)
    asked = Options(image="image", **options)
    return settle(asked, base, id="f" * 64, name="name", created=0)


@pytest.mark.parametrize(
    ("image", "asked", "args"),
    [
        ((None, ("sh",)), (None, ()), ("sh",)),
        ((None, ("sh",)), (None, ("ls",)), ("ls",)),
        ((("e",), ("c",)), (None, ()), ("e", "c")),
        ((("e",), ("c",)), (None, ("x",)), ("e", "x")),
        ((("e",), ("c",)), (("o",), ()), ("o",)),
        ((("e",), ("c",)), (("o",), ("x",)), ("o", "x")),
        ((("e",), ("c",)), ((), ("x",)), ("x",)),
    ],
)
def test_the_command_line_is_dockers(image: Any, asked: Any, args: tuple[str, ...]) -> None:
    config = RunConfig(entrypoint=image[0], cmd=image[1])
    found = settled(config, entrypoint=asked[0], command=asked[1])
    assert found.args == args


def test_no_command_at_all_is_refused() -> None:
    with pytest.raises(Invalid, match="no command"):
        settled(RunConfig(cmd=("c",)), entrypoint=())


def test_the_environment_is_ours_then_the_images_then_theirs() -> None:
    config = RunConfig(cmd=("c",), env=("PATH=/p", "A=1", "GONE=1"))
    found = settled(config, env=("A=2", "GONE", "B=3"), tty=True, hostname="here")
    assert found.env == ("PATH=/p", "HOSTNAME=here", "TERM=xterm", "A=2", "B=3")


def test_the_host_name_is_the_ids_beginning_on_a_network_of_its_own() -> None:
    config = RunConfig(cmd=("c",))
    assert settled(config, network="none").hostname == "f" * 12
    assert settled(config, network="none", hostname="mine").hostname == "mine"


def test_image_volumes_become_anonymous_ones_unless_mounted() -> None:
    config = RunConfig(cmd=("c",), volumes=("/data", "/log/"))
    found = settled(config, mounts=(parse_volume("name:/log"), parse_volume("/here:/data/in")))
    named = {mount.target: mount for mount in found.mounts}
    assert list(named) == ["/log", "/data", "/data/in"]
    assert named["/data"].anonymous
    assert len(named["/data"].name) == 64
    assert named["/log"].name == "name"
    assert named["/data/in"].source == "/here"


def test_what_is_asked_for_goes_over_the_image() -> None:
    config = RunConfig(
        cmd=("c",), user="u", working_dir="/w", labels={"a": "1", "b": "1"}, stop_signal="SIGQUIT"
    )
    found = settled(config)
    assert (found.user, found.workdir, found.stop_signal) == ("u", "/w", "SIGQUIT")
    found = settled(config, user="", workdir="/x", labels={"b": "2"}, stop_signal="SIGINT")
    assert (found.user, found.workdir, found.stop_signal) == ("", "/x", "SIGINT")
    assert found.labels == {"a": "1", "b": "2"}
    assert found.platform == "linux/arm64/v8"


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({"network": "bridge"}, Unsupported),
        ({"network": "container:x"}, Unsupported),
        ({"workdir": "here"}, Invalid),
        ({"memory": 1024}, Invalid),
        ({"memory_swap": 1 << 30}, Invalid),
        ({"memory": 1 << 30, "memory_swap": 1 << 20}, Invalid),
        ({"nano_cpus": 1, "cpu_quota": 1}, Invalid),
        ({"pull": "sometimes"}, Invalid),
        ({"runtime": "kata"}, Invalid),
        ({"log_driver": "syslog"}, Unsupported),
        ({"hostname": "a/b"}, Invalid),
        ({"hostname": "a" * 65}, Invalid),
    ],
)
def test_options_that_contradict_are_refused(options: Any, kind: type[Error]) -> None:
    with pytest.raises(kind):
        check(Options(image="image", **options))


def test_hosts_has_what_was_added() -> None:
    options = Options(image="i", network="none", add_hosts=(("db", "10.0.0.1"),))
    text = hosts(options, "me").decode()
    assert "127.0.0.1\tlocalhost\n" in text
    assert "127.0.1.1\tme\n" in text
    assert text.endswith("10.0.0.1\tdb\n")


def test_name_servers_replace_the_hosts_own() -> None:
    options = Options(image="i", dns=("9.9.9.9",), dns_search=("x.org",), dns_options=("ndots:2",))
    lines = resolv_conf(options).decode().splitlines()
    assert [line for line in lines if line.startswith("nameserver")] == ["nameserver 9.9.9.9"]
    assert "search x.org" in lines
    assert "options ndots:2" in lines


def test_a_commit_keeps_what_was_asked_and_not_what_the_runtime_set() -> None:
    image = RunConfig(cmd=("c",), env=("A=1",), volumes=("/v",))
    found = settled(image, env=("B=2",), command=("x",), labels={"l": "1"}, tty=True)
    config = settings_of(found, image)
    assert config.env == ("A=1", "B=2")
    assert (config.cmd, config.entrypoint) == (("x",), None)
    assert config.labels == {"l": "1"}
    assert config.volumes == ("/v",)


def test_changes_are_dockerfile_instructions() -> None:
    config = changed(
        RunConfig(env=("A=1",), working_dir="/w"),
        [
            'CMD ["a", "b"]',
            "ENTRYPOINT run $A",
            "ENV B=${A}2 C=3",
            "LABEL k=v",
            "EXPOSE 80 90-91/udp",
            "WORKDIR sub",
            "USER me",
            "VOLUME /x",
            "ONBUILD RUN true",
            "STOPSIGNAL SIGINT",
        ],
    )
    assert config.cmd == ("a", "b")
    assert config.entrypoint == ("/bin/sh", "-c", "run $A")
    assert config.env == ("A=1", "B=12", "C=3")
    assert config.labels == {"k": "v"}
    assert sorted(config.exposed_ports) == ["80/tcp", "90/udp", "91/udp"]
    assert (config.working_dir, config.user, config.volumes) == ("/w/sub", "me", ("/x",))
    assert (config.on_build, config.stop_signal) == (("RUN true",), "SIGINT")


@pytest.mark.parametrize("text", ["", "RUN true", "FROM x", "COPY a b", "STOPSIGNAL NOPE"])
def test_other_changes_are_refused(text: str) -> None:
    with pytest.raises(Invalid):
        changed(RunConfig(), [text])
