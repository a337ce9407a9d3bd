"""`login` and `logout` as a person types them, and what other tools make of it."""

from __future__ import annotations

import base64
import json
import os
import pty
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.registry import Registry, serving

ROOT = Path(__file__).parents[2]
USER = ("ada", "s3cret")


class Machine:
    """A home of its own; `lamina` runs in it."""

    def __init__(self, place: Path) -> None:
        self.home = place
        self.file = place / ".docker/config.json"
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(place),
            "XDG_RUNTIME_DIR": str(place / "run"),
            "LAMINA_ROOT": str(place / "lamina"),
            "PYTHONPATH": str(ROOT / "src"),
        }

    def run(self, *words: str, stdin: str = "", **said: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "lamina", *words],
            input=stdin,
            env=self.environment | said,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def auths(self) -> dict:
        return json.loads(self.file.read_text())["auths"]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.fixture(params=["basic", "bearer"])
def registry(request: pytest.FixtureRequest) -> Iterator[Registry]:
    with serving(Registry(user=USER, challenge=request.param)) as registry:
        yield registry


def test_a_password_from_stdin_is_checked_and_kept(machine: Machine, registry: Registry) -> None:
    done = machine.run("login", registry.host, "-u", "ada", "--password-stdin", stdin="s3cret\n")
    assert (done.stdout, done.returncode) == ("Login Succeeded\n", 0), done.stderr
    assert "stored unencrypted" in done.stderr
    pair = base64.b64encode(b"ada:s3cret").decode()
    assert machine.auths() == {registry.host: {"auth": pair}}
    assert machine.file.stat().st_mode & 0o777 == 0o600


def test_a_wrong_password_is_told_and_not_kept(machine: Machine, registry: Registry) -> None:
    done = machine.run("login", registry.host, "-u", "ada", "--password-stdin", stdin="wr0ng")
    assert done.returncode == 1
    assert f'login to "{registry.host}" failed' in done.stderr
    assert "wr0ng" not in done.stderr + done.stdout
    assert not machine.file.exists()


def test_a_password_on_the_command_line_is_warned_of(machine: Machine, registry: Registry) -> None:
    done = machine.run("login", "-u", "ada", "-p", "s3cret", registry.url)
    assert done.returncode == 0
    assert "Using --password via the CLI is insecure. Use --password-stdin." in done.stderr
    assert list(machine.auths()) == [registry.host]


def test_what_is_kept_is_used_again(machine: Machine, registry: Registry) -> None:
    machine.run("login", registry.host, "-u", "ada", "-p", "s3cret")
    done = machine.run("login", registry.host)
    assert "Authenticating with existing credentials... [Username: ada]" in done.stdout
    assert done.stdout.endswith("Login Succeeded\n")
    registry.user = ("ada", "new")
    done = machine.run("login", registry.host)
    assert "Stored credentials invalid or expired" in done.stderr
    assert "non TTY device" in done.stderr
    assert done.returncode == 1


def test_logging_out_forgets(machine: Machine, registry: Registry) -> None:
    machine.run("login", registry.host, "-u", "ada", "-p", "s3cret")
    done = machine.run("logout", registry.host)
    assert done.stdout == f"Removing login credentials for {registry.host}\n"
    assert machine.auths() == {}
    again = machine.run("logout", registry.host)
    assert f"Not logged in to {registry.host}" in again.stdout
    assert again.returncode == 0


def test_without_a_host_it_is_docker_hub(machine: Machine) -> None:
    done = machine.run("logout")
    assert "Removing login credentials for https://index.docker.io/v1/" in done.stdout


def test_a_variable_that_comes_before_is_warned_of(machine: Machine) -> None:
    assert "DOCKER_AUTH_CONFIG" in machine.run("logout", DOCKER_AUTH_CONFIG="{}").stderr


@pytest.mark.parametrize(
    ("words", "why", "status"),
    [
        (["a.io", "-u", "ada"], "non TTY device", 1),
        (["a.io", "--password-stdin"], "needs --username", 125),
        (["a.io", "-u", "x", "-p", "y", "--password-stdin"], "mutually exclusive", 125),
        (["a.io", "-u", "x", "--password-stdin"], "no password on stdin", 1),
        (["a.io/ns/repo", "-u", "x", "-p", "y"], 'log in to "a.io"', 1),
        (["a b", "-u", "x", "-p", "y"], '"a b" is not a registry', 1),
        (["127.0.0.1:1", "-u", "x", "-p", "y"], "127.0.0.1:1", 1),
    ],
)
def test_mistakes_are_told(machine: Machine, words: list[str], why: str, status: int) -> None:
    done = machine.run("login", *words)
    assert why in done.stderr
    assert done.returncode == status
    assert "Traceback" not in done.stderr


def test_a_terminal_is_asked_and_does_not_show_the_password(
    machine: Machine, registry: Registry
) -> None:
    pid, terminal = pty.fork()
    if pid == 0:
        words = [sys.executable, "-m", "lamina", "login", registry.host]
        os.execve(sys.executable, words, machine.environment)
    shown = b""
    answers = {b"Username: ": b"ada\n", b"Password: ": b"s3cret\n"}
    while True:
        try:
            piece = os.read(terminal, 1024)
        except OSError:  # the terminal has no other end any more
            break
        if not piece:
            break
        shown += piece
        for question, answer in list(answers.items()):
            if question in shown:
                os.write(terminal, answer)
                del answers[question]
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0, shown
    assert b"Login Succeeded" in shown
    assert b"s3cret" not in shown
    assert registry.host in machine.auths()


# --- beside the peers


@contextmanager
def docker_registry(place: Path) -> Iterator[str]:
    """Debian's docker-registry with one user, on loopback."""
    bcrypt = pytest.importorskip("bcrypt")
    place.mkdir()
    hashed = bcrypt.hashpw(USER[1].encode(), bcrypt.gensalt(4)).decode()
    (place / "htpasswd").write_text(f"{USER[0]}:{hashed}\n")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{free.getsockname()[1]}"
    (place / "config.yml").write_text(
        "version: 0.1\nlog: {level: error}\n"
        f"storage: {{filesystem: {{rootdirectory: {place}/data}}}}\n"
        f"http: {{addr: {host}}}\n"
        f"auth: {{htpasswd: {{realm: here, path: {place}/htpasswd}}}}\n"
    )
    server = subprocess.Popen(
        ["docker-registry", "serve", str(place / "config.yml")], stderr=subprocess.DEVNULL
    )
    try:
        wait_for(host, server)
        yield host
    finally:
        server.terminate()
        server.wait()


def wait_for(host: str, server: subprocess.Popen[bytes]) -> None:
    name, _, port = host.rpartition(":")
    until = time.monotonic() + 30
    while server.poll() is None and time.monotonic() < until:
        try:
            socket.create_connection((name, int(port)), 1).close()
            return
        except OSError:
            time.sleep(0.02)
    pytest.fail("docker-registry does not start")


@pytest.mark.skipif(
    not shutil.which("docker-registry") or not shutil.which("skopeo"),
    reason="docker-registry or skopeo is not installed",
)
def test_skopeo_and_lamina_use_each_others_logins(machine: Machine, tmp_path: Path) -> None:
    def skopeo(*words: str) -> int:
        command = ["skopeo", *words]
        return subprocess.run(command, env=machine.environment, capture_output=True).returncode

    (tmp_path / "run").mkdir()
    with docker_registry(tmp_path / "registry") as host:
        tags = ("list-tags", "--tls-verify=false", f"docker://{host}/nothing")
        assert machine.run("login", host, "-u", "ada", "-p", "no").returncode == 1
        assert machine.run("login", host, "-u", "ada", "-p", "s3cret").returncode == 0
        assert skopeo("login", "--get-login", host) == 0
        assert machine.run("logout", host).returncode == 0
        assert skopeo("login", "--get-login", host) != 0
        assert skopeo("login", "--tls-verify=false", "-u", "ada", "-p", "s3cret", host) == 0
        again = machine.run("login", host)
        assert "[Username: ada]" in again.stdout
        assert again.stdout.endswith("Login Succeeded\n")
        assert machine.run("logout", host).returncode == 0
        assert skopeo("login", "--get-login", host) != 0
        assert skopeo(*tags) != 0
