"""Containers from creation to removal, with the real kernel; the engine in this process."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lamina.engine import Engine, Settings, containers
from lamina.errors import Conflict, Denied, Invalid, NotFound
from lamina.run import changes, copying, lifecycle, output, volumes
from lamina.run.attach import View
from lamina.run.commit import Wish
from lamina.run.container import Container
from lamina.run.exec import Order, execute
from lamina.run.failures import CommandDenied, CommandNotFound
from lamina.run.ground import Ground
from lamina.run.mounts import parse_mount, parse_tmpfs, parse_volume
from lamina.run.options import Options
from lamina.run.owner import Owner
from lamina.run.processes import pids
from lamina.run.shape import inspected
from lamina.run.state import LOST, Status
from lamina.run.words import Ulimit
from lamina.runtime import trampoline

BUSYBOX = Path(__file__).parents[2] / "../shared/images/busybox-musl-x86_64-rootfs.tar.gz"

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="containers need root"),
    pytest.mark.skipif(not BUSYBOX.exists(), reason="../shared/images is missing"),
    pytest.mark.skipif(os.uname().machine != "x86_64", reason="the busybox here is x86_64"),
]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with Engine(Settings(tmp_path_factory.mktemp("root"))) as engine:
        with BUSYBOX.open("rb") as stream:
            engine.import_tar(stream, "box")
        yield engine
        for container, _ in containers.listing(engine):
            lifecycle.discard(containers.ground_of(engine), container, force=True)


@pytest.fixture
def ground(engine: Engine) -> Ground:
    return containers.ground_of(engine)


# For a container that is to run until the test says so, with the test's place at /in.
UNTIL_GO = "while [ ! -e /in/go ]; do usleep 10000; done"


class Box:
    """Makes containers of the test image, and looks at what they print."""

    def __init__(self, engine: Engine, place: Path) -> None:
        self.engine = engine
        self.ground = containers.ground_of(engine)
        self.place = place

    def create(self, *command: str, image: str = "box", **options: Any) -> Container:
        options.setdefault("network", "none")
        asked = Options(image=image, command=command, **options)
        return containers.create(self.engine, asked)

    def start(self, *command: str, **options: Any) -> Container:
        container = self.create(*command, attached=False, **options)
        lifecycle.start(self.ground, container, None)
        return container

    def run(self, *command: str, **options: Any) -> tuple[int, str]:
        """Exit status and all output, of a container that is removed then."""
        return self.look(self.create(*command, remove=True, **options))

    def look(self, container: Container) -> tuple[int, str]:
        path = self.place / "output"
        with path.open("wb") as out:
            view = View(stdout=out.fileno(), stderr=out.fileno(), proxy_signals=False)
            status = lifecycle.start(self.ground, container, view)
        assert isinstance(status, int)
        return status, path.read_text()

    def state(self, container: Container) -> Any:
        return lifecycle.state_of(self.ground, container)

    def has_printed(self, container: Container) -> bool:
        return any(True for _ in output.records(self.ground, container))


@pytest.fixture
def box(engine: Engine, tmp_path: Path) -> Iterator[Box]:
    before = {container.id for container, _ in containers.listing(engine)}
    box = Box(engine, tmp_path)
    yield box
    for container, _ in containers.listing(engine):
        if container.id not in before:
            lifecycle.discard(box.ground, container, force=True, with_volumes=True)


def eventually(claim: Callable[[], bool]) -> None:
    until = time.monotonic() + 10
    while not claim():
        assert time.monotonic() < until, "it did not come true"
        time.sleep(0.01)


# -- what it is given ---------------------------------------------------------------------------


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


# -- its life ------------------------------------------------------------------------------------


def test_a_detached_container_is_watched_until_its_end(box: Box) -> None:
    script = f"echo out; echo err >&2; {UNTIL_GO}"
    container = box.start("sh", "-c", script, mounts=(parse_volume(f"{box.place}:/in"),))
    state = box.state(container)
    assert state.status is Status.RUNNING
    assert state.owner.pid != os.getpid()
    assert state.process.is_alive()
    (box.place / "go").touch()
    assert lifecycle.wait(box.ground, container) == 0
    assert box.state(container).owner is None
    found = {(each.stream, each.data) for each in output.records(box.ground, container)}
    assert found == {("stdout", b"out\n"), ("stderr", b"err\n")}
    eventually(lambda: container.id not in box.ground.ledger.live())


def test_a_removed_one_leaves_nothing(box: Box) -> None:
    container = box.start("sleep", "0.1", remove=True)
    assert lifecycle.wait(box.ground, container) in (0, LOST)
    eventually(lambda: container.id not in box.ground.ledger.ids())
    assert container.draft_key not in box.ground.snapshotter().drafts()


def test_stop_asks_first_and_kills_then(box: Box) -> None:
    polite = box.start("sh", "-c", "trap 'exit 3' TERM; echo; while :; do sleep 0.05; done")
    eventually(lambda: box.has_printed(polite))
    lifecycle.stop(box.ground, polite)
    assert box.state(polite).exit_code == 3
    deaf = box.start("sleep", "100")
    lifecycle.stop(box.ground, deaf, timeout=0)
    assert box.state(deaf).exit_code == 137
    lifecycle.stop(box.ground, deaf)


def test_the_stop_signal_is_the_containers_own(box: Box) -> None:
    container = box.start(
        "sh", "-c", "trap 'exit 4' USR1; echo; while :; do sleep 0.05; done", stop_signal="SIGUSR1"
    )
    eventually(lambda: box.has_printed(container))
    lifecycle.stop(box.ground, container)
    assert box.state(container).exit_code == 4


def test_what_does_not_run_is_refused(box: Box) -> None:
    container = box.create("true")
    for act in (lifecycle.kill, lifecycle.pause, lifecycle.unpause, lifecycle.running):
        with pytest.raises(Conflict, match="not running"):
            act(box.ground, container)
    with pytest.raises(Conflict):
        execute(box.ground, container, Order(args=("true",)), None)


def test_a_running_one_is_only_removed_by_force(box: Box) -> None:
    container = box.start("sleep", "100")
    with pytest.raises(Conflict):
        lifecycle.discard(box.ground, container)
    lifecycle.discard(box.ground, container, force=True)
    lifecycle.discard(box.ground, container, force=True)


def test_starting_again_keeps_files_and_log(box: Box) -> None:
    container = box.create("sh", "-c", "echo x >> /count; wc -l < /count")
    assert box.look(container) == (0, "1\n")
    assert box.look(container) == (0, "2\n")
    assert [each.data for each in output.records(box.ground, container)] == [b"1\n", b"2\n"]


def test_a_paused_one_stands_still(box: Box) -> None:
    container = box.start("sh", "-c", "while :; do echo x; sleep 0.01; done")
    log = Path(box.ground.ledger.directory(container.id), "log.json")
    eventually(lambda: box.has_printed(container))
    lifecycle.pause(box.ground, container)
    assert box.state(container).status is Status.PAUSED
    with pytest.raises(Conflict):
        lifecycle.pause(box.ground, container)
    with pytest.raises(Conflict, match="paused"):
        execute(box.ground, container, Order(args=("true",)), None)
    sizes = [-1, log.stat().st_size]

    def is_still() -> bool:  # what it printed before may be on its way to the log yet
        time.sleep(0.1)
        sizes.append(log.stat().st_size)
        return sizes[-1] == sizes[-2]

    eventually(is_still)
    size = sizes[-1]
    lifecycle.unpause(box.ground, container)
    eventually(lambda: log.stat().st_size > size)
    lifecycle.pause(box.ground, container)
    lifecycle.kill(box.ground, container)
    assert not list(Path("/sys/fs/cgroup").glob(f"*/lamina/paused-{container.id}"))


def test_exec_joins_the_container(box: Box) -> None:
    container = box.start("sleep", "100", env=("A=1",), user="1000", hostname="joined")
    out = box.place / "out"

    def run(*args: str, **order: Any) -> tuple[Any, str]:
        with out.open("wb") as file:
            view = View(stdout=file.fileno(), stderr=file.fileno(), proxy_signals=False)
            status = execute(box.ground, container, Order(args=args, **order), view)
        return status, out.read_text()

    assert run("sh", "-c", "hostname; id -u; echo $A; exit 3") == (3, "joined\n1000\n1\n")
    assert run("sh", "-c", "id -u; pwd; echo $A", user="0", workdir="/tmp", env=("A=2",)) == (
        0,
        "0\n/tmp\n2\n",
    )
    with pytest.raises(CommandNotFound):
        run("nosuch")
    assert execute(box.ground, container, Order(args=("touch", "/tmp/done")), None) is None
    eventually(lambda: run("ls", "/tmp/done")[0] == 0)


def test_a_terminal_is_one_and_has_a_size(box: Box) -> None:
    import pty
    import termios

    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (33, 77))
    container = box.create(
        "sh", "-c", "tty; stty size; echo $TERM; read x; echo got $x", tty=True, interactive=True
    )
    view = View(stdin=slave, stdout=slave, terminal=True)
    os.write(master, b"word\n")
    assert lifecycle.start(box.ground, container, view) == 0
    os.close(slave)
    text = os.read(master, 65536).decode()
    os.close(master)
    assert "/dev/" in text
    assert "33 77" in text
    assert "xterm" in text
    assert "got word" in text


# -- what crashes leave --------------------------------------------------------------------------


def test_a_killed_watcher_takes_its_container_along(box: Box) -> None:
    container = box.start("sleep", "100")
    state = box.state(container)
    os.kill(state.owner.pid, signal.SIGKILL)
    assert state.process.ended(10)
    eventually(lambda: not state.owner.is_alive())
    found = {each.id: now for each, now in containers.listing(box.engine)}[container.id]
    assert (found.status, found.exit_code, found.owner) == (Status.EXITED, LOST, None)
    assert lifecycle.wait(box.ground, container) == LOST
    lifecycle.discard(box.ground, container)


def test_a_killed_watcher_of_a_container_to_be_removed_removes_it(box: Box) -> None:
    container = box.start("sleep", "100", remove=True)
    state = box.state(container)
    os.kill(state.owner.pid, signal.SIGKILL)
    assert state.process.ended(10)
    eventually(lambda: not state.owner.is_alive())
    containers.listing(box.engine)
    assert container.id not in box.ground.ledger.ids()
    assert container.draft_key not in box.ground.snapshotter().drafts()


KILLED = """
import os, signal, sys
from pathlib import Path
from lamina.engine import Engine, Settings, containers
from lamina.run import create, removal
from lamina.run.options import Options
from lamina.run.owner import Owner
where, after = sys.argv[2].split(":")
room = {"create": create, "removal": removal}[where]
original = getattr(room, after)
def fatal(*args, **words):
    original(*args, **words)
    os.kill(os.getpid(), signal.SIGKILL)
setattr(room, after, fatal)
with Engine(Settings(Path(sys.argv[1]))) as engine:
    container = containers.create(engine, Options(image="box", command=("true",), remove=True))
    ground = containers.ground_of(engine)
    removal.remove(ground, container)
"""


@pytest.mark.parametrize("point", ["create:write_files", "create:_furnish", "removal:dismantle"])
def test_a_command_killed_half_way_is_cleaned_up_by_the_next(box: Box, point: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(box.engine.root), point], check=False, cwd="/"
    )
    assert done.returncode == -signal.SIGKILL
    containers.listing(box.engine)
    assert box.ground.ledger.ids() == []
    assert box.ground.ledger.live() == []
    assert not [key for key in box.ground.snapshotter().drafts() if key.startswith("container-")]


@pytest.mark.parametrize("name", ["container.json", "state.json"])
def test_what_a_power_cut_tore_is_swept(box: Box, name: str) -> None:
    container = box.create("true")
    ledger = box.ground.ledger
    ledger.change(container.id, lambda state: state.but(owner=state_owner()))
    Path(ledger.directory(container.id), name).write_bytes(b"\0\0\0")
    containers.listing(box.engine)
    assert container.id not in ledger.ids()
    assert container.draft_key not in box.ground.snapshotter().drafts()
    containers.listing(box.engine)


def state_owner() -> Owner:
    return Owner(os.getpid(), 1, "an earlier boot")


# -- its files -----------------------------------------------------------------------------------


def test_diff_shows_what_was_done_and_no_mount_point(box: Box) -> None:
    container = box.create(
        "sh",
        "-c",
        "echo x > /etc/new; rm /etc/passwd; echo y >> /etc/group; mkdir -p /a/b; chmod 700 /tmp",
        mounts=(parse_tmpfs("/made/for/mount"), parse_volume(f"{box.place}:/other")),
    )
    assert box.look(container)[0] == 0
    assert changes.listed(box.ground, container) == [
        ("A", "/a"),
        ("A", "/a/b"),
        ("C", "/etc"),
        ("C", "/etc/group"),
        ("A", "/etc/new"),
        ("D", "/etc/passwd"),
        ("C", "/tmp"),
    ]


def test_a_container_that_did_nothing_has_no_changes(box: Box) -> None:
    container = box.create("true", mounts=(parse_tmpfs("/made/for/mount"),))
    box.look(container)
    assert changes.listed(box.ground, container) == []


def test_a_commit_is_an_image_that_runs(box: Box) -> None:
    container = box.create("sh", "-c", "echo kept > /file; rm /etc/passwd", env=("A=1",))
    box.look(container)
    wish = Wish(
        name="docker.io/library/child:latest",
        author="me",
        message="why",
        changes=('CMD ["sh", "-c", "cat /file; echo $A$B; ls /etc/passwd"]', "ENV B=2"),
    )
    id = containers.commit(box.engine, container, wish, pausing=True)
    status, text = box.run(image="child")
    assert (status, text.splitlines()[:2]) == (1, ["kept", "12"])
    _, image = box.engine.image("child")
    assert image.id == id
    assert len(image.layers) == 2
    assert (image.config.author, image.config.history[-1].comment) == ("me", "why")
    from lamina.image.validate import validate

    assert validate(box.engine.store.blobs, image.descriptor) == []
    box.engine.remove_image("child")


def test_a_running_container_is_committed_while_it_stands_still(box: Box) -> None:
    container = box.start("sh", "-c", "while :; do echo x >> /grow; sleep 0.01; done")
    wish = Wish(name="docker.io/library/still:latest")
    containers.commit(box.engine, container, wish, pausing=True)
    assert box.state(container).status is Status.RUNNING
    box.engine.remove_image("still")


def test_export_is_the_whole_tree_without_what_is_mounted(box: Box) -> None:
    (box.place / "secret").write_text("x")
    container = box.start(
        "sh",
        "-c",
        "echo x > /new; rm /etc/passwd; exec sleep 100",
        mounts=(parse_volume(f"{box.place}:/in"),),
    )
    eventually(lambda: ("A", "/new") in changes.listed(box.ground, container))
    out = io.BytesIO()
    containers.export(box.engine, container, out)
    out.seek(0)
    with tarfile.open(fileobj=out) as tar:
        names = {name.rstrip("/") for name in tar.getnames()}
    assert {"bin/busybox", "new", "etc/group"} <= names
    assert not {"etc/passwd", "in/secret", "proc/self"} & names


@pytest.fixture(params=["created", "running"])
def files(request: pytest.FixtureRequest, box: Box) -> tuple[Box, Container]:
    mounts = (parse_volume("/vol"),)
    if request.param == "running":
        return box, box.start("sleep", "100", mounts=mounts)
    return box, box.create("sleep", "100", mounts=mounts)


def copy(box: Box, source: str, target: str, **options: bool) -> None:
    with containers.place(box.engine, source) as one, containers.place(box.engine, target) as two:
        copying.copy(one, two, **options)


def test_files_are_copied_both_ways(files: tuple[Box, Container]) -> None:
    box, container = files
    here, name = box.place, container.name
    (here / "file").write_text("one")
    (here / "tree/sub").mkdir(parents=True)
    (here / "tree/sub/leaf").write_text("leaf")
    os.link(here / "tree/sub/leaf", here / "tree/hard")
    (here / "tree/link").symlink_to("/nowhere")
    os.chown(here / "file", 1000, 1000)
    for source, target in [
        ("file", "/tmp"),
        ("file", "/tmp/renamed"),
        ("file", "/vol/"),
        ("tree", "/tmp"),
        ("tree/.", "/tmp/content"),
        ("tree", "/tmp/fresh"),
    ]:
        copy(box, f"{here}/{source}", f"{name}:{target}")
    copy(box, f"{here}/file", f"{name}:/tmp/owned", keep_owner=True)
    copy(box, f"{name}:/tmp", str(here / "back"))
    copy(box, f"{name}:/vol/file", str(here / "from-volume"))
    back = here / "back"
    assert (back / "file").read_text() == (back / "renamed").read_text() == "one"
    assert (here / "from-volume").read_text() == "one"
    for top in ("tree", "content", "fresh"):
        assert (back / top / "sub/leaf").read_text() == "leaf"
        assert os.readlink(back / top / "link") == "/nowhere"
        assert os.path.samefile(back / top / "hard", back / top / "sub/leaf")
    copy(box, f"{name}:/tmp/owned", str(here / "owned"), keep_owner=True)
    assert (here / "owned").stat().st_uid == 1000
    copy(box, f"{name}:/tmp/file", str(here / "mine"), keep_owner=True)
    assert (here / "mine").stat().st_uid == 0


def test_tars_go_in_and_out(files: tuple[Box, Container]) -> None:
    box, container = files
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w:gz") as out:
        entry = tarfile.TarInfo("top/.wh.name")
        entry.size = 3
        out.addfile(entry, io.BytesIO(b"abc"))
    tar.seek(0)
    with containers.place(box.engine, f"{container.name}:/tmp") as place:
        copying.receive(place, tar)
    back = io.BytesIO()
    with containers.place(box.engine, f"{container.name}:/tmp/top") as place:
        copying.send(place, back)
    back.seek(0)
    with tarfile.open(fileobj=back) as found:
        assert found.getnames() == ["top", "top/.wh.name"]


def test_no_link_of_the_container_leads_out_of_it(files: tuple[Box, Container]) -> None:
    box, container = files
    victim = box.place / "victim"
    victim.mkdir()
    (box.place / "file").write_text("x")
    (box.place / "out").symlink_to(victim)
    (box.place / "up").symlink_to("/../../../../../../.." + str(victim))
    name = container.name
    for link in ("out", "up"):
        copy(box, str(box.place / link), f"{name}:/tmp")
        with pytest.raises(NotFound):
            copy(box, f"{name}:/tmp/{link}/.", str(box.place / "stolen"))
        with pytest.raises(NotFound):
            copy(box, str(box.place / "file"), f"{name}:/tmp/{link}/")
    copy(box, str(box.place / "file"), f"{name}:/../../../../../tmp/../../../up")
    assert list(victim.iterdir()) == []


@pytest.mark.parametrize(
    ("source", "target", "kind"),
    [
        ("{c}:/nosuch", "{h}", NotFound),
        ("{h}/nosuch", "{c}:/tmp", NotFound),
        ("{h}/file", "{c}:/no/such/", NotFound),
        ("{h}/file", "{c}:/no/such", NotFound),
        ("{h}", "{c}:/etc/group", Invalid),
        ("{h}/file", "{c}:/etc/group/", NotFound),
        ("nobody:/x", "{h}", NotFound),
    ],
)
def test_a_copy_that_cannot_be_is_refused(
    files: tuple[Box, Container], source: str, target: str, kind: type[Exception]
) -> None:
    box, container = files
    (box.place / "file").write_text("x")
    where = {"c": container.name, "h": box.place}
    with pytest.raises(kind):
        copy(box, source.format(**where), target.format(**where))


def test_nothing_is_copied_into_what_is_read_only(box: Box) -> None:
    (box.place / "file").write_text("x")
    container = box.create("true", read_only=True)
    with pytest.raises(Denied):
        copy(box, str(box.place / "file"), f"{container.name}:/tmp")
    mounts = (parse_volume(f"{box.place}:/in:ro"),)
    container = box.create("true", mounts=mounts)
    with pytest.raises(Denied):
        copy(box, str(box.place / "file"), f"{container.name}:/in/new")
    assert not (box.place / "new").exists()


# -- what is said of it --------------------------------------------------------------------------


def test_inspect_has_the_shape_of_dockers(box: Box) -> None:
    container = box.start(
        "sleep", "100", labels={"a": "b"}, memory=64 << 20, mounts=(parse_volume("named:/data"),)
    )
    document = json.loads(json.dumps(inspected(box.ground, container, box.state(container))))
    assert document["Id"] == container.id
    assert document["Name"] == f"/{container.name}"
    assert document["State"]["Running"]
    assert document["State"]["Pid"] == box.state(container).process.pid
    assert document["Config"]["Labels"] == {"a": "b"}
    assert document["Config"]["Cmd"] == ["sleep", "100"]
    assert document["HostConfig"]["Memory"] == 64 << 20
    assert document["HostConfig"]["NetworkMode"] == "none"
    mount = document["Mounts"][0]
    assert (mount["Type"], mount["Name"], mount["Destination"]) == ("volume", "named", "/data")
    assert Path(mount["Source"]).is_dir()


def test_the_processes_are_those_in_its_namespace(box: Box) -> None:
    container = box.start("sh", "-c", "sleep 100 & exec sleep 100")
    first = box.state(container).process
    eventually(lambda: len(pids(first)) == 2)
    assert first.pid in pids(first)
    assert os.getpid() not in pids(first)


_LAUNCH = """
import os, signal, sys
from pathlib import Path
from lamina.engine import Engine, Settings, containers
from lamina.fs import syscalls
from lamina.run.launcher import Launcher
from lamina.run.options import Options

syscalls.prctl(syscalls.PR_SET_CHILD_SUBREAPER, 1)  # who is left by others comes to this process
signal.alarm(20)
if not os.fork():
    with Engine(Settings(Path(sys.argv[1]))) as engine:
        options = Options(image="box", command=("true",), network="none")
        launcher = Launcher(containers.ground_of(engine), options)
        if sys.argv[2] == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        launcher.close()
    os._exit(0)
ended = 0
while True:
    try:
        os.wait()
    except ChildProcessError:
        break
    ended += 1
print(ended)
"""


@pytest.mark.parametrize("how", ["closed", "killed"])
def test_what_waits_for_a_command_ends_with_it(engine: Engine, how: str) -> None:
    words = [sys.executable, "-c", _LAUNCH, str(engine.root), how]
    out = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    # The command, its watcher, the fork between if killed; and the interpreter of the container,
    # where the watcher cannot clone itself.
    expected = (3 if how == "killed" else 2) + (not trampoline.is_known())
    assert int(out) == expected
