"""What a container is given: user, variables, limits, mounts, volumes, a network."""

from __future__ import annotations

from pathlib import Path

import pytest

from boxes import NEEDS, Box
from lamina.errors import Invalid, NotFound
from lamina.run import lifecycle, volumes
from lamina.run.attach import View
from lamina.run.failures import CommandDenied, CommandNotFound
from lamina.run.mounts import parse_mount, parse_tmpfs, parse_volume
from lamina.run.state import Status
from lamina.run.words import Ulimit

pytestmark = NEEDS


def test_the_exit_status_is_the_commands(box: Box) -> None:
    status, text = box.run("sh", "-c", "echo out; echo err >&2; exit 7")
    assert (status, sorted(text.split())) == (7, ["err", "out"])  # two pipes have no order


def test_a_signal_is_128_and_its_number(box: Box) -> None:
    container = box.start("sleep", "100")
    lifecycle.kill(box.ground, container)
    assert box.state(container).exit_code == 137


@pytest.mark.parametrize(
    ("command", "kind"), [("nosuch", CommandNotFound), ("/etc/passwd", CommandDenied)]
)
def test_what_cannot_be_executed_is_told_apart(
    box: Box, command: str, kind: type[Exception]
) -> None:
    container = box.create(command)
    with pytest.raises(kind):
        box.look(container)
    state = box.state(container)
    assert state.status is Status.CREATED
    assert state.error
    assert state.owner is None


def test_a_container_that_did_not_start_can_be_started_again_or_removed(box: Box) -> None:
    container = box.create("nosuch", remove=True)
    with pytest.raises(CommandNotFound):
        box.look(container)
    with pytest.raises(NotFound):
        box.ground.ledger.container(container.id)


def test_only_what_is_thrown_away_at_its_end_is_never_synced(box: Box) -> None:
    look = ("grep", "-c", "^overlay / overlay .*volatile", "/proc/self/mounts")
    assert box.run(*look) == (0, "1\n")
    assert box.look(box.create(*look)) == (1, "0\n")


def test_user_directory_variables_and_hosts_are_as_asked(box: Box) -> None:
    status, text = box.run(
        "sh",
        "-c",
        "id -u; id -g; pwd; echo $A $HOSTNAME; hostname; grep db /etc/hosts; cat /etc/hostname",
        user="1000:1001",
        workdir="/made/here",
        env=("A=b",),
        hostname="me",
        add_hosts=(("db", "10.0.0.9"),),
    )
    assert status == 0
    assert text == "1000\n1001\n/made/here\nb me\nme\n10.0.0.9\tdb\nme\n"


def test_an_unknown_user_is_refused(box: Box) -> None:
    with pytest.raises(NotFound, match="nobodyhere"):
        box.run("true", user="nobodyhere")


def test_limits_hold(box: Box) -> None:
    status, text = box.run(
        "sh", "-c", "ulimit -n; ulimit -c", ulimits=(Ulimit("nofile", 64, 64), Ulimit("core", 0, 0))
    )
    assert (status, text) == (0, "64\n0\n")


def test_a_read_only_root_is(box: Box) -> None:
    status, text = box.run(
        "sh",
        "-c",
        "touch /x; touch /run/y && echo ok",
        read_only=True,
        mounts=(parse_tmpfs("/run"),),
    )
    assert status == 0
    assert "Read-only file system" in text
    assert "ok\n" in text


def test_an_init_is_the_first_process(box: Box) -> None:
    assert box.run("sh", "-c", "echo $$", init=True) != (0, "1\n")
    assert box.run("sh", "-c", "exit 9", init=True)[0] == 9


def test_input_is_read_to_its_end(box: Box) -> None:
    container = box.create("wc", "-c", interactive=True)
    source, sink = box.place / "in", box.place / "out"
    source.write_bytes(bytes(300_000))
    with source.open("rb") as stdin, sink.open("wb") as out:
        view = View(stdin=stdin.fileno(), stdout=out.fileno(), proxy_signals=False)
        assert lifecycle.start(box.ground, container, view) == 0
    assert sink.read_text().strip() == "300000"


def test_a_host_directory_is_seen_and_may_be_read_only(box: Box) -> None:
    (box.place / "file").write_text("here")
    where = f"{box.place}:/in"
    script = "cat /in/file; touch /in/new"
    assert box.run("sh", "-c", script, mounts=(parse_volume(where),)) == (0, "here")
    assert (box.place / "new").exists()
    status, text = box.run("sh", "-c", script, mounts=(parse_volume(f"{where}:ro"),))
    assert status == 1
    assert "Read-only" in text


def test_a_missing_source_is_made_by_v_and_refused_by_mount(box: Box) -> None:
    missing = box.place / "missing"
    with pytest.raises(Invalid, match="does not exist"):
        box.create("true", mounts=(parse_mount(f"type=bind,src={missing},dst=/in"),))
    assert not missing.exists()
    assert box.run("true", mounts=(parse_volume(f"{missing}:/in"),))[0] == 0
    assert missing.is_dir()


def test_a_new_volume_is_filled_from_the_image_once(box: Box) -> None:
    mounts = (parse_volume("filled:/etc"),)
    status, text = box.run(
        "sh", "-c", "ls /etc/passwd; rm /etc/passwd; echo x >/etc/new", mounts=mounts
    )
    assert (status, text) == (0, "/etc/passwd\n")
    assert box.run("ls", "/etc", mounts=mounts)[1].split().count("new") == 1
    assert "passwd" not in box.run("ls", "/data", mounts=(parse_volume("filled:/data"),))[1].split()
    status, text = box.run("ls", "/etc", mounts=(parse_volume("empty:/etc:nocopy"),))
    assert text == ""


def test_anonymous_volumes_go_with_the_container(box: Box) -> None:
    box.run("true", mounts=(parse_volume("/data"),))
    container = box.create("true", mounts=(parse_volume("/data"),))
    name = container.mounts[0].name
    assert name in volumes.names(box.ground.volumes)
    lifecycle.discard(box.ground, container, with_volumes=True)
    assert name not in volumes.names(box.ground.volumes)


def test_the_network_is_the_hosts_or_none(box: Box) -> None:
    assert box.run("ls", "/sys/class/net")[1].split() == ["lo"]
    inside = box.run("cat", "/proc/net/dev", network="host")[1]
    assert {line.split(":")[0] for line in inside.splitlines()[2:]} == {
        line.split(":")[0] for line in Path("/proc/net/dev").read_text().splitlines()[2:]
    }
