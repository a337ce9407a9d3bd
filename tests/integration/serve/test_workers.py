"""Several processes at one socket: what one of them does counts in all, and each may be killed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import pytest
import urllib3
from tests.registries import Client, blob

from lamina.oci.digest import Digest

WORKERS = 3


class Served:
    """`lamina serve --workers 3`; its lines are read as they come."""

    def __init__(self, root: Path, config: str = "") -> None:
        self.root = root
        (root.parent / "serve.toml").write_text(config)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "lamina", "serve", "--root", root, "--addr", "127.0.0.1:0",
             "--workers", str(WORKERS), "--config", root.parent / "serve.toml"],
            stderr=subprocess.PIPE,
        )  # fmt: skip
        assert self.process.stderr is not None
        self.stream = self.process.stderr
        self.url = f"http://{json.loads(self.stream.readline())['address']}"
        self.lines: list[dict[str, object]] = []
        self.ended = threading.Event()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def client(self) -> Client:
        """A client of its own connections, and so perhaps of another worker."""
        return Client(self.url)

    def workers(self) -> list[int]:
        pid = self.process.pid
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
        return [int(word) for word in text.split()]

    def stop(self, number: int = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        status = self.process.wait(60)
        self.reader.join(10)
        return status

    def _read(self) -> None:
        for line in self.stream:
            self.lines.append(json.loads(line))
            if self.lines[-1].get("event") == "worker ended":
                self.ended.set()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    started = Served(tmp_path / "root")
    yield started
    started.stop()


def test_what_one_has_taken_all_of_them_give(served: Served) -> None:
    def push(number: int) -> tuple[str, bytes]:
        client = served.client()
        return f"t{number}", client.push(f"team/{number % 3}", f"t{number}", blob(30_000))[1]

    with ThreadPoolExecutor(8) as pool:
        pushed = dict(pool.map(push, range(24)))
    for _ in range(2 * WORKERS):
        client = served.client()
        for tag, raw in pushed.items():
            name = f"team/{int(tag[1:]) % 3}"
            assert client("GET", f"/v2/{name}/manifests/{tag}").body == raw


def test_a_tag_that_has_moved_has_moved_for_all(served: Served) -> None:
    clients = [served.client() for _ in range(3 * WORKERS)]
    for number in range(20):
        _, raw = clients[number % len(clients)].push("team/a", "x", b"%d" % number)
        assert {client("GET", "/v2/team/a/manifests/x").body for client in clients} == {raw}


def test_an_upload_goes_on_in_another_process(served: Served) -> None:
    data = blob(900_000)
    place = served.client()("POST", "/v2/a/blobs/uploads/").headers["location"]
    for start in range(0, len(data), 100_000):
        piece = data[start : start + 100_000]
        assert served.client()("PATCH", place, piece).status == 202
    done = served.client()("PUT", place, query=[("digest", Digest.of(data))])
    assert done.status == 201
    assert served.client()("GET", done.location).body == data


def told(served: Served, *lines: str) -> None:
    """Ask for the metrics until they have the lines: what is counted is counted after the answer.

    Fails with the last answer.
    """
    for _ in range(2000):
        text = served.client()("GET", "/metrics").body.decode()
        if all(f"{line}\n" in text for line in lines):
            return
    assert not text


def test_numbers_are_those_of_all_even_of_the_dead(served: Served) -> None:
    for _ in range(30):
        served.client()("GET", "/v2/")
    total = 'lamina_http_requests_total{endpoint="base",method="GET",status="200"} 30'
    told(served, total)
    victim = served.workers()[0]
    os.kill(victim, signal.SIGKILL)
    assert served.ended.wait(30)
    told(served, total, "lamina_http_requests_in_flight 1")


def test_a_killed_worker_costs_its_own_requests_only(served: Served) -> None:
    kept: dict[str, bytes] = {}
    stopped = threading.Event()

    def push(number: int) -> int:
        broken = at = 0
        while not stopped.is_set():
            at += 1
            try:
                tag = f"t{number}-{at}"
                kept[tag] = served.client().push("team/a", tag, blob(5000))[1]
            except urllib3.exceptions.HTTPError:
                broken += 1
        return broken

    with ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(push, number) for number in range(4)]
        try:
            for round in range(3):
                until = time.monotonic() + 30
                while len(kept) <= 4 * round and time.monotonic() < until:
                    stopped.wait(0.01)
                served.ended.clear()
                os.kill(served.workers()[-1], signal.SIGKILL)
                assert served.ended.wait(30)
        finally:
            stopped.set()
        for job in jobs:
            assert job.result() <= 3
    client = served.client()
    assert kept
    for tag, raw in kept.items():
        assert client("GET", f"/v2/team/a/manifests/{tag}").body == raw


@pytest.mark.skipif(shutil.which("skopeo") is None, reason="skopeo is missing")
def test_many_skopeos_copy_beside_gc_while_workers_are_killed(tmp_path: Path) -> None:
    served = Served(tmp_path / "root", "[gc]\ninterval = 0.1\ngrace = '1m'\n")
    address = served.url.removeprefix("http://")
    images = {f"t{number}": tuple(blob(200_000) for _ in range(3)) for number in range(8)}
    for tag, layers in images.items():
        served.client().push("team/a", tag, *layers)

    def copy(tag: str) -> None:
        places = [f"docker://{address}/{name}:{tag}" for name in ("team/a", "team/b")]
        words = ["--src-tls-verify=false", "--dest-tls-verify=false", "--preserve-digests"]
        words += ["--retry-times", "5"]
        subprocess.run(["skopeo", "copy", "-q", *words, *places], check=True, timeout=100)

    killed = 0
    try:
        with ThreadPoolExecutor(3) as pool:
            jobs = [pool.submit(copy, tag) for tag in images]
            while not all(job.done() for job in jobs):
                served.ended.clear()
                os.kill(served.workers()[killed % 2], signal.SIGKILL)
                killed += 1
                assert served.ended.wait(30)
                wait(jobs, timeout=0.5)
            for job in jobs:
                job.result()
        client = served.client()
        for tag, layers in images.items():
            found = client("GET", f"/v2/team/b/manifests/{tag}").json
            assert [layer["digest"] for layer in found["layers"]] == [*map(Digest.of, layers)]
            for data in layers:
                assert client("GET", f"/v2/team/b/blobs/{Digest.of(data)}").body == data
    finally:
        served.stop()
    assert killed


def test_it_ends_as_one(served: Served) -> None:
    data = blob(2 << 20)
    workers = served.workers()

    def body() -> Iterator[bytes]:
        yield data[: 1 << 20]
        served.process.terminate()
        yield data[1 << 20 :]

    client = served.client()
    place = client("POST", "/v2/a/blobs/uploads/").headers["location"]
    assert client("PUT", place, body(), query=[("digest", Digest.of(data))]).status == 201
    assert served.stop(0) == 0
    assert served.lines[-1]["event"] == "stop"
    assert not [pid for pid in workers if Path(f"/proc/{pid}").exists()]


def test_nobody_is_left_when_the_first_process_is_killed(served: Served) -> None:
    served.client()("GET", "/v2/")
    served.process.kill()
    served.reader.join(30)  # the last one that has the other end of its pipe is gone
    assert not served.reader.is_alive()


def test_gc_is_run_by_one_and_counts_for_all(tmp_path: Path) -> None:
    served = Served(tmp_path / "root", "[gc]\ninterval = 0.2\ngrace = 0\nupload-expiry = '1h'\n")
    try:
        client = served.client()
        digest = client.upload("team/a", blob(50_000))
        while client("HEAD", f"/v2/team/a/blobs/{digest}").status != 404:
            pass
        while "lamina_gc_freed_bytes_total 50000\n" not in client("GET", "/metrics").body.decode():
            pass
    finally:
        served.stop()
    freed = [line["freed"] for line in served.lines if line.get("event") == "gc"]
    assert freed.count(50_000) == 1


def test_tokens_of_one_are_good_for_all(tmp_path: Path) -> None:
    bcrypt = pytest.importorskip("bcrypt")
    hashed = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()
    (tmp_path / "users").write_text(f"alice:{hashed}\n")
    served = Served(tmp_path / "root", "[auth]\nmode = 'token'\nhtpasswd = 'users'\n")
    try:
        login = {"Authorization": "Basic YWxpY2U6c2VjcmV0"}
        path = "/token?service=lamina&scope=repository:a:pull,push"
        tokens = [served.client()("GET", path, **login).json["token"] for _ in range(4)]
        for token in tokens:
            for _ in range(WORKERS):
                client = Client(served.url, {"Authorization": f"Bearer {token}"})
                assert client("POST", "/v2/a/blobs/uploads/").status == 202
    finally:
        served.stop()


def test_a_worker_that_cannot_serve_ends_it_all_and_says_why(tmp_path: Path) -> None:
    config = tmp_path / "serve.toml"
    config.write_text("[auth]\nmode = 'basic'\nhtpasswd = 'absent'\n")
    done = subprocess.run(
        [sys.executable, "-m", "lamina", "serve", "--root", tmp_path / "root", "--workers", "2",
         "--addr", "127.0.0.1:0", "--config", config],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert "absent" in done.stderr.splitlines()[-1], done.stderr
