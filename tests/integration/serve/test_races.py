"""Many at once: pushers of the same blob, pushers beside gc, pushers beside kill -9."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.registries import Client, blob, manifest

from lamina.oci.digest import Digest
from lamina.registry import open_registry
from lamina.registry.gc import collect
from lamina.serve.app import App
from lamina.serve.server import Running


def test_ten_clients_push_the_same_blob(client: Client, tmp_path: Path) -> None:
    data = blob(3 << 20)
    digest = Digest.of(data)
    together = threading.Barrier(10)

    def push(number: int) -> None:
        mine = Client(client.url)
        begun = mine("POST", f"/v2/team/{number % 3}/blobs/uploads/")
        together.wait(30)
        done = mine("PUT", begun.location, data, query=[("digest", digest)])
        assert done.status == 201
        assert mine("GET", done.location).body == data

    with ThreadPoolExecutor(10) as pool:
        list(pool.map(push, range(10)))
    assert list((tmp_path / "registry" / "uploads").iterdir()) == []
    assert len(list((tmp_path / "registry" / "blobs" / "sha256").iterdir())) == 1


def test_a_tag_always_means_a_whole_manifest(client: Client) -> None:
    images = [client.push("team/app", None, blob())[1] for _ in range(4)]

    def push(raw: bytes) -> None:
        mine = Client(client.url)
        for _ in range(10):
            mine.put("team/app", "x", raw)
            assert mine("GET", "/v2/team/app/manifests/x").body in images

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(push, images))


def push_and_check(client: Client, number: int) -> bool:
    """Push as clients do who find some of it there already; all that was acknowledged is served.

    False if gc has taken away what the manifest refers to, and the client was told so.
    """
    name = f"team/{number % 3}"
    layer = b"layer %d" % (number % 5)
    for data in (b"{}", layer):
        digest = Digest.of(data)
        if client("HEAD", f"/v2/{name}/blobs/{digest}").status == 404:
            begun = client("POST", f"/v2/{name}/blobs/uploads/", query=[("mount", digest)])
            if begun.status == 202:
                done = client("PUT", begun.location, data, query=[("digest", digest)])
                assert done.status == 201
    raw = manifest(b"{}", layer, annotations={"n": str(number)})
    put = client("PUT", f"/v2/{name}/manifests/x", raw)
    if put.status == 404:
        assert set(put.codes) == {"MANIFEST_BLOB_UNKNOWN"}
        return False
    assert put.status == 201
    assert client("GET", f"/v2/{name}/manifests/x").body == raw
    for data in (b"{}", layer):
        assert client("GET", f"/v2/{name}/blobs/{Digest.of(data)}").body == data
    client("DELETE", f"/v2/{name}/manifests/{Digest.of(raw)}")
    return True


@pytest.mark.parametrize("rounds", [60, pytest.param(1000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("grace", [0, 2], ids=["nothing is new", "with grace"])
def test_a_push_that_races_gc_never_loses(tmp_path: Path, grace: int, rounds: int) -> None:
    registry = open_registry(tmp_path / "aging", grace=grace * 1_000_000_000)
    app = App(registry)
    begun: queue.Queue[bool] = queue.Queue()
    taken = [0]

    def clean() -> None:
        while begun.get():
            report = collect(registry, delete_untagged=True, upload_expiry=60_000_000_000)
            taken[0] += len(report.blobs)

    cleaner = threading.Thread(target=clean)
    with Running(app) as server:
        client = Client(server.url)
        cleaner.start()
        try:
            for number in range(rounds):
                begun.put(True)
                tries = 1
                while not push_and_check(client, number):
                    assert grace == 0, "what was seen a moment ago is gone"
                    tries += 1
                    assert tries < 100
        finally:
            begun.put(False)
            cleaner.join()
    app.close()
    assert taken[0] > 0 or grace


@pytest.fixture
def command(tmp_path: Path) -> Iterator[Started]:
    started = Started(tmp_path / "root")
    yield started
    started.kill()


class Started:
    """`lamina serve` in a process of its own, which can be killed and started again."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> Client:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "lamina", "serve", "--root", self.root, "--addr", "127.0.0.1:0"],
            stderr=subprocess.PIPE,
        )
        assert self.process.stderr is not None
        line = json.loads(self.process.stderr.readline())
        threading.Thread(target=self._drain, args=(self.process.stderr,), daemon=True).start()
        return Client(f"http://{line['address']}")

    def _drain(self, stream: object) -> None:
        for _ in stream:  # type: ignore[attr-defined]
            pass

    def kill(self, number: int = signal.SIGKILL) -> int:
        assert self.process is not None
        if self.process.poll() is None:
            os.kill(self.process.pid, number)
        return self.process.wait(60)


@pytest.mark.parametrize("rounds", [3, pytest.param(25, marks=pytest.mark.slow)])
def test_what_was_acknowledged_before_a_kill_is_served_after_it(
    command: Started, rounds: int
) -> None:
    blobs: dict[Digest, bytes] = {}
    images: dict[str, bytes] = {}
    begun: tuple[str, bytes, int] | None = None
    number = 0
    for round_ in range(rounds):
        client = command.start()
        for tag, raw in images.items():
            assert client("GET", f"/v2/team/app/manifests/{tag}").body == raw
        for digest, data in blobs.items():
            assert client("GET", f"/v2/team/app/blobs/{digest}").body == data
        if begun is not None:
            place, data, offset = begun
            told = client("GET", place).headers["range"]
            assert int(told.partition("-")[2]) + 1 >= offset
            rest = data[int(told.partition("-")[2]) + 1 :]
            assert client("PATCH", place, rest).status == 202
            done = client("PUT", place, query=[("digest", Digest.of(data))])
            assert done.status == 201
            blobs[Digest.of(data)] = data
        data = blob(300_000)
        begun = (client("POST", "/v2/team/app/blobs/uploads/").headers["location"], data, 100_000)
        assert client("PATCH", begun[0], data[:100_000]).status == 202
        images[f"r{round_}"] = client.push("team/app", f"r{round_}", blob(100))[1]
        assert command.process is not None
        killer = threading.Timer(0.02 + 0.01 * (round_ % 7), os.kill, (command.process.pid, 9))
        killer.start()
        try:
            while True:
                number += 1
                data = blob(20_000)
                blobs[client.upload("team/app", data)] = data
                images[f"t{number}"] = client.push("team/app", f"t{number}", data)[1]
        except Exception as error:
            assert "Connection" in repr(error) or "Protocol" in repr(error), error
        killer.join()
        command.kill()


def test_a_server_that_is_asked_to_stop_ends_what_it_has_begun(command: Started) -> None:
    client = command.start()
    data = blob(2 << 20)
    assert command.process is not None
    pid = command.process.pid

    def body() -> Iterator[bytes]:
        yield data[: 1 << 20]
        os.kill(pid, signal.SIGTERM)
        yield data[1 << 20 :]

    place = client("POST", "/v2/a/blobs/uploads/").headers["location"]
    done = client("PUT", place, body(), query=[("digest", Digest.of(data))])
    assert done.status == 201
    assert command.kill(0) == 0
    again = command.start()
    assert again("GET", f"/v2/a/blobs/{Digest.of(data)}").body == data
    assert command.kill(signal.SIGINT) == 0
