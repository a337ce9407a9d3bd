"""`lamina run` and its companions, as typed."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lamina.cli.containers import RUN

BUSYBOX = Path(__file__).parents[2] / "../shared/images/busybox-musl-x86_64-rootfs.tar.gz"

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="containers need root"),
    pytest.mark.skipif(not BUSYBOX.exists(), reason="../shared/images is missing"),
    pytest.mark.skipif(os.uname().machine != "x86_64", reason="the busybox here is x86_64"),
]

# docker 28.2, docker run --help
DOCKER_FLAGS = """
add-host annotation attach blkio-weight blkio-weight-device cap-add cap-drop cgroup-parent cgroupns
cidfile cpu-count cpu-percent cpu-period cpu-quota cpu-rt-period cpu-rt-runtime cpu-shares cpus
cpuset-cpus cpuset-mems detach detach-keys device device-cgroup-rule device-read-bps
device-read-iops device-write-bps device-write-iops disable-content-trust dns dns-option dns-search
domainname entrypoint env env-file expose gpus group-add health-cmd health-interval health-retries
health-start-interval health-start-period health-timeout hostname init interactive
io-maxbandwidth io-maxiops ip ip6 ipc isolation kernel-memory label label-file link link-local-ip
log-driver log-opt mac-address memory memory-reservation memory-swap memory-swappiness mount name
network network-alias no-healthcheck oom-kill-disable oom-score-adj pid pids-limit platform
privileged publish publish-all pull quiet read-only restart rm runtime security-opt shm-size
sig-proxy stop-signal stop-timeout storage-opt sysctl tmpfs tty ulimit use-api-socket user userns
uts volume volume-driver volumes-from workdir
"""


class Lamina:
    """The command with a store of its own."""

    def __init__(self, root: Path) -> None:
        self.words = [sys.executable, "-m", "lamina", "--root", str(root)]
        self.root = root

    def __call__(self, *args: str, stdin: bytes | None = None) -> subprocess.CompletedProcess[str]:
        given = {"stdin": subprocess.DEVNULL} if stdin is None else {"input": stdin.decode()}
        return subprocess.run(
            [*self.words, *args], capture_output=True, text=True, timeout=60, check=False, **given
        )

    def ok(self, *args: str) -> str:
        done = self(*args)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def lamina(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lamina]:
    lamina = Lamina(tmp_path_factory.mktemp("root"))
    lamina.ok("import", str(BUSYBOX), "box")
    yield lamina
    ids = lamina.ok("ps", "-aq").split()
    if ids:
        lamina("rm", "-fv", *ids)


def eventually(claim: Callable[[], bool]) -> None:
    until = time.monotonic() + 20
    while not claim():
        assert time.monotonic() < until, "it did not come true"
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("args", "status"),
    [
        (("box", "true"), 0),
        (("box", "sh", "-c", "exit 42"), 42),
        (("box", "nosuch"), 127),
        (("box", "/etc"), 126),
        (("box", "/etc/passwd"), 126),
        (("--pull", "never", "nosuchimage", "true"), 125),
        (("--nosuchflag", "box", "true"), 125),
        (("-w", "relative", "box", "true"), 125),
        (("-m", "lots", "box", "true"), 125),
        (("--network", "bridge", "box", "true"), 125),
        (("-p", "80:80", "box", "true"), 125),
        (("-u", "nobodyhere", "box", "true"), 125),
        (("--init", "box", "sh", "-c", "kill -TERM $$"), 143),
    ],
)
def test_the_exit_status_is_dockers(lamina: Lamina, args: tuple[str, ...], status: int) -> None:
    done = lamina("run", "--rm", *args)
    assert done.returncode == status, done.stderr
    assert (status < 125 or status > 128) or done.stderr.startswith("lamina: ")
    assert lamina.ok("ps", "-aq") == ""


def test_every_flag_of_dockers_is_known() -> None:
    known = {flag.name for flag in RUN.flags}
    assert set(DOCKER_FLAGS.split()) <= known


@pytest.mark.parametrize(
    "flag",
    [
        "--restart=always",
        "--link=a:b",
        "--volumes-from=x",
        "--gpus=all",
        "--health-cmd=true",
        "--pid=host",
        "--ipc=host",
        "--userns=host",
        "--uts=host",
        "--cgroupns=host",
        "--blkio-weight=10",
        "--device-read-bps=/dev/sda:1mb",
        "--memory-reservation=1g",
        "--oom-kill-disable",
        "-P",
        "--log-opt=max-size=1m",
        "--log-driver=syslog",
        "--security-opt=apparmor=x",
        "--mount=type=image,src=a,dst=/b",
        "--add-host=a:host-gateway",
        "--storage-opt=size=1g",
        "-a=stdout",
    ],
)
def test_what_is_not_built_is_refused_by_name(lamina: Lamina, flag: str) -> None:
    done = lamina("run", "--rm", flag, "box", "true")
    assert done.returncode == 125
    name = flag.partition("=")[0].lstrip("-")
    name = {"P": "publish-all", "a": "attach", "add-host": "host-gateway", "mount": "image"}.get(
        name, name.replace("log-driver", "log driver")
    )
    assert name in done.stderr
    assert "not supported" in done.stderr


def test_a_command_that_is_its_own_executor_never_becomes_this_python(
    lamina: Lamina, tmp_path: Path
) -> None:
    """CVE-2019-5736: a file of the host that a container's process executes can be reached."""
    script = tmp_path / "self"
    script.write_text("#!/proc/self/exe\nimport os; os._exit(42)\n")
    script.chmod(0o755)
    (tmp_path / "link").symlink_to("/proc/self/exe")
    for command in ("self", "link"):
        done = lamina("run", "--rm", "-v", f"{tmp_path}:/in", "box", f"/in/{command}")
        assert done.returncode == 125, done.stderr


def test_output_and_input_are_passed_on(lamina: Lamina) -> None:
    done = lamina("run", "--rm", "-i", "box", "sh", "-c", "cat; echo err >&2", stdin=b"in\n")
    assert (done.stdout, done.stderr) == ("in\n", "err\n")
    assert lamina("run", "--rm", "box", "cat", stdin=b"in\n").stdout == ""


def test_a_terminal_needs_one(lamina: Lamina) -> None:
    done = lamina("run", "--rm", "-it", "box", "true", stdin=b"")
    assert done.returncode == 1
    assert "the input device is not a TTY" in done.stderr
    assert lamina("run", "--rm", "-t", "box", "tty").stdout.startswith("/dev/")


def test_environment_files_and_this_shells_variables(lamina: Lamina, tmp_path: Path) -> None:
    (tmp_path / "env").write_text("# comment\nA=1\nHOME\n")
    text = lamina.ok(
        "run", "--rm", "--env-file", str(tmp_path / "env"), "-e", "B=2", "-e", "PATH=/bin",
        "-e", "NOT_SET_HERE", "box", "env",
    )  # fmt: skip
    found = dict(line.split("=", 1) for line in text.splitlines())
    assert (found["A"], found["B"], found["PATH"]) == ("1", "2", "/bin")
    assert found["HOME"] == os.environ["HOME"]
    assert "NOT_SET_HERE" not in found


def test_the_life_of_a_detached_container(lamina: Lamina, tmp_path: Path) -> None:
    cidfile = tmp_path / "cid"
    id = lamina.ok(
        "run", "-d", "--name", "life", "--cidfile", str(cidfile), "-l", "role=test", "box",
        "sh", "-c", "echo out; echo err >&2; trap 'exit 5' TERM; while :; do sleep 0.05; done",
    ).strip()  # fmt: skip
    assert re.fullmatch("[0-9a-f]{64}", id)
    assert cidfile.read_text() == id
    header, row = lamina.ok("ps").splitlines()
    assert header.split("  ")[0] == "CONTAINER ID"
    assert re.sub(" {2,}", "|", header) == "CONTAINER ID|IMAGE|COMMAND|CREATED|STATUS|PORTS|NAMES"
    assert row.startswith(id[:12])
    assert '"sh -c ' in row
    assert " Up " in row
    assert row.endswith(" life")
    eventually(lambda: "err" in lamina("logs", "life").stderr)
    assert lamina.ok("logs", "life") == "out\n"
    stamped = lamina("logs", "-t", "life")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:]+\.\d{9}Z out\n", stamped.stdout)
    done = lamina("exec", "-e", "X=y", "life", "sh", "-c", "echo $X; exit 6")
    assert (done.returncode, done.stdout) == (6, "y\n")
    assert "sh -c echo out" in lamina.ok("top", "life")
    assert lamina.ok("pause", "life") == "life\n"
    assert "(Paused)" in lamina.ok("ps", "--filter", "status=paused")
    assert lamina.ok("unpause", "life") == "life\n"
    assert lamina.ok("rename", "life", "second") == ""
    assert lamina.ok("stop", "second") == "second\n"
    assert lamina.ok("wait", "second") == "5\n"
    assert lamina.ok("ps", "-q") == ""
    assert "Exited (5) " in lamina.ok("ps", "-a", "--filter", "name=second")
    document = json.loads(lamina.ok("inspect", "second"))[0]
    assert (document["Id"], document["State"]["ExitCode"]) == (id, 5)
    assert document["Config"]["Labels"] == {"role": "test"}
    assert document["HostConfig"]["NetworkMode"] == "host"
    again = lamina("run", "--name", "second", "box", "true")
    assert again.returncode == 125
    assert "already in use" in again.stderr
    assert lamina.ok("rm", "second") == "second\n"
    assert lamina("rm", "second").returncode == 1
    assert lamina("rm", "-f", "second").returncode == 1


def test_ps_formats_and_filters(lamina: Lamina) -> None:
    one = lamina.ok("create", "--name", "one", "-l", "a=1", "box", "true").strip()
    two = lamina.ok("create", "--name", "two", "-l", "a=2", "-v", "data:/data", "box", "sh").strip()
    assert lamina.ok("start", "-a", "one") == ""

    def names(*filters: str) -> list[str]:
        words = [word for each in filters for word in ("--filter", each)]
        return lamina.ok("ps", "-a", "--format", "{{.Names}}", *words).split()

    assert names() == ["two", "one"]
    assert names("label=a=1") == ["one"]
    assert names("label=a") == ["two", "one"]
    assert names("status=created") == ["two"]
    assert names("exited=0") == ["one"]
    assert names("exited=1") == []
    assert names("name=^tw") == ["two"]
    assert names(f"id={one[:6]}") == ["one"]
    assert names("ancestor=box") == names("ancestor=box:latest") == ["two", "one"]
    assert names("before=two") == ["one"]
    assert names("since=one") == ["two"]
    assert names("volume=data") == ["two"]
    assert names("status=created", "status=exited", "name=one") == ["one"]
    assert lamina.ok("ps", "-lq", "--no-trunc").strip() == two
    assert lamina.ok("ps", "-n", "1", "-q").strip() == two[:12]
    rows = [json.loads(line) for line in lamina.ok("ps", "-a", "--format", "json").splitlines()]
    assert [row["Names"] for row in rows] == ["two", "one"]
    assert rows[1]["Status"].startswith("Exited (0) ")
    assert "virtual" in lamina.ok("ps", "-as")
    assert lamina("ps", "--filter", "nosuch=1").returncode != 0
    assert lamina.ok("rm", "one", "two") == "one\ntwo\n"


def test_files_of_a_container(lamina: Lamina, tmp_path: Path) -> None:
    lamina.ok("run", "--name", "files", "box", "sh", "-c", "echo x > /etc/new")
    assert lamina.ok("diff", "files") == "C /etc\nA /etc/new\n"
    (tmp_path / "file").write_text("content")
    lamina.ok("cp", str(tmp_path / "file"), "files:/tmp/copied")
    lamina.ok("cp", "files:/tmp/copied", str(tmp_path / "back"))
    assert (tmp_path / "back").read_text() == "content"
    assert lamina("cp", str(tmp_path), str(tmp_path)).returncode != 0
    lamina.ok("export", "-o", str(tmp_path / "tar"), "files")
    listed = subprocess.run(
        ["tar", "tf", tmp_path / "tar"], capture_output=True, text=True, check=True
    ).stdout.split()
    assert {"etc/new", "tmp/copied"} <= set(listed)
    id = lamina.ok("commit", "-c", 'CMD ["cat", "/etc/new"]', "files", "committed").strip()
    assert id.startswith("sha256:")
    assert lamina.ok("run", "--rm", "committed") == "x\n"
    lamina.ok("rm", "files")
    lamina.ok("rmi", "committed")


def test_logs_are_followed_to_the_end(lamina: Lamina) -> None:
    lamina.ok(
        "run",
        "-d",
        "--name",
        "talk",
        "box",
        "sh",
        "-c",
        "for i in 1 2 3; do echo $i; sleep 0.2; done",
    )
    done = lamina("logs", "-f", "talk")
    assert done.stdout == "1\n2\n3\n"
    assert lamina.ok("logs", "-n", "1", "talk") == "3\n"
    assert lamina.ok("logs", "--until", "1h", "talk") == ""
    assert lamina.ok("logs", "--since", "1h", "talk") == "1\n2\n3\n"
    lamina.ok("rm", "talk")


def test_signals_are_handed_on(lamina: Lamina) -> None:
    script = "trap 'echo got; exit 8' TERM; echo ready; while :; do sleep 0.05; done"
    with subprocess.Popen(
        [*lamina.words, "run", "--rm", "box", "sh", "-c", script], stdout=-1, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        assert process.stdout.read() == "got\n"
    assert process.returncode == 8


def test_a_killed_command_leaves_its_container_in_good_hands(lamina: Lamina) -> None:
    script = "echo ready; while [ ! -e /go ]; do sleep 0.05; done; echo end; exit 9"
    with subprocess.Popen(
        [*lamina.words, "run", "--name", "orphan", "box", "sh", "-c", script],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.kill()
    assert " Up " in lamina.ok("ps", "--filter", "name=orphan")
    lamina.ok("exec", "orphan", "touch", "/go")
    assert lamina.ok("wait", "orphan") == "9\n"
    assert lamina.ok("logs", "orphan") == "ready\nend\n"
    lamina.ok("rm", "orphan")


def test_attach_looks_on_until_the_end(lamina: Lamina) -> None:
    lamina.ok("run", "-di", "--name", "open", "box", "sh", "-c", "read x; echo got $x; exit 4")
    done = lamina("attach", "open", stdin=b"word\n")
    assert (done.returncode, done.stdout) == (4, "got word\n")
    lamina.ok("rm", "open")


class Terminal:
    """The command in a terminal of its own."""

    def __init__(self, words: list[str]) -> None:
        self.pid, self.fd = pty.fork()
        if not self.pid:
            os.execv(words[0], words)
        self.seen = b""

    def until(self, text: str) -> str:
        deadline = time.monotonic() + 20
        while text.encode() not in self.seen:
            assert time.monotonic() < deadline, self.seen
            if select.select([self.fd], [], [], 1)[0]:
                try:
                    self.seen += os.read(self.fd, 4096)
                except OSError:
                    break
        assert text.encode() in self.seen, self.seen
        return self.seen.decode()

    def type(self, text: bytes) -> None:
        os.write(self.fd, text)

    def status(self) -> int:
        pidfd = os.pidfd_open(self.pid)
        deadline = time.monotonic() + 20
        while pidfd not in (ready := select.select([pidfd, self.fd], [], [], 1)[0]):
            if time.monotonic() > deadline:
                os.kill(self.pid, signal.SIGKILL)
                break
            try:
                if ready:
                    self.seen += os.read(self.fd, 4096)  # what nobody reads holds up the end
            except OSError:
                pass
        os.close(pidfd)
        status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        os.close(self.fd)
        return status


def test_a_shell_in_a_terminal(lamina: Lamina) -> None:
    import fcntl
    import struct
    import termios

    terminal = Terminal([*lamina.words, "run", "-it", "--rm", "box", "sh"])
    terminal.until("# ")
    fcntl.ioctl(terminal.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 41, 91, 0, 0))
    terminal.type(b"until stty size 2>&1 | grep '1 91'; do sleep 0.1; done\r")
    terminal.until("41 91")
    terminal.type(b"echo beg''un; cat; echo ov''er\r")
    terminal.until("begun\r\n")
    terminal.type(b"ping\r")
    terminal.until("ping\r\nping\r\n")  # typed, and said again: cat reads now
    terminal.seen = b""
    terminal.type(b"\x03")  # an interrupt, for the container's terminal to make of it a signal
    terminal.until("# ")  # what is typed before the shell asks is thrown away
    assert b"^C" in terminal.seen
    terminal.type(b"exit 12\r")
    assert terminal.status() == 12
    assert lamina.ok("ps", "-aq") == ""


def test_the_detach_keys_leave_it_running(lamina: Lamina) -> None:
    terminal = Terminal([*lamina.words, "run", "-it", "--name", "left", "box", "sh"])
    terminal.until("# ")
    terminal.type(b"echo one; A=kept\r")
    terminal.until("one")
    terminal.type(b"\x10\x11")
    assert terminal.status() == 0
    assert " Up " in lamina.ok("ps", "--filter", "name=left")
    again = Terminal([*lamina.words, "attach", "left"])
    again.type(b"echo is $A; exit 3\r")
    again.until("is kept")
    assert again.status() == 3
    lamina.ok("rm", "left")


def test_exec_in_a_terminal(lamina: Lamina) -> None:
    lamina.ok("run", "-d", "--name", "host", "box", "sleep", "100")
    terminal = Terminal([*lamina.words, "exec", "-it", "host", "sh"])
    terminal.until("# ")
    terminal.type(b"tty; exit 2\r")
    terminal.until("/dev/")
    assert terminal.status() == 2
    lamina.ok("rm", "-f", "host")


def test_containers_of_one_image_share_a_superblock_even_when_one_is_killed(
    lamina: Lamina,
) -> None:
    chains = lamina.root / "snapshots" / "erofs" / "chains"
    words = ("run", "-d", "--network", "none", "box", "sleep", "1000")
    first, second = lamina.ok(*words).strip(), lamina.ok(*words).strip()
    if not chains.exists():
        pytest.skip("this root is not kept as EROFS images")
    notes = list(chains.glob("*/*.held/*"))
    if not notes:
        pytest.skip("this kernel lends no mounts (before 6.15)")
    try:
        assert len(notes) == 2
        assert len({os.stat(lent(note)).st_dev for note in notes}) == 1
        assert str(lamina.root) not in Path("/proc/self/mounts").read_text()
        lamina.ok("system", "prune", "-f")
        for note in notes:
            assert note.exists()
        os.kill(int(notes[0].name.partition(".")[0]), signal.SIGKILL)
        eventually(lambda: len(lamina.ok("ps", "-q").split()) == 1)
        (alive,) = (name for name in (first, second) if name[:12] in lamina.ok("ps", "-q"))
        assert lamina.ok("exec", alive, "cat", "/etc/passwd").startswith("root:")
        lamina.ok("system", "prune", "-f")
        assert list(chains.glob("*/*.held/*")) == [notes[1]]
    finally:
        lamina("rm", "-f", second, first)
    eventually(lambda: not list(chains.glob("*/*.held/*")))


def lent(note: Path) -> str:
    pid, _, fd = note.name.split(".")
    return f"/proc/{pid}/fd/{fd}"
