"""Large blobs come whole, whichever way they are sent, and no way is left taken."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.registries import Client

from lamina.registry import open_registry
from lamina.serve.app import App
from lamina.serve.lanes import LANES, LARGE
from lamina.serve.server import Running

NAME = "team/app"


@pytest.mark.parametrize("free", [LANES, 0])
def test_a_large_blob_comes_whole(tmp_path: Path, free: int) -> None:
    app = App(open_registry(tmp_path / "registry"))
    app.lanes.free = free
    data = os.urandom(LARGE + 12345)
    with Running(app) as server:
        client = Client(server.url)
        digest = client.upload(NAME, data)
        for _ in range(2):
            got = client("GET", f"/v2/{NAME}/blobs/{digest}")
            assert (got.status, got.body == data) == (200, True)
        assert client("HEAD", f"/v2/{NAME}/blobs/{digest}").headers["content-length"] == str(
            len(data)
        )
    app.close()
    assert app.lanes.free == free


def test_who_leaves_early_leaves_the_lane(tmp_path: Path) -> None:
    lines: list[dict[str, object]] = []
    app = App(open_registry(tmp_path / "registry"), log=lines.append)
    with Running(app) as server:
        client = Client(server.url)
        digest = client.upload(NAME, bytes(60 << 20))
        lines.clear()
        target = urlsplit(server.url)
        for _ in range(LANES + 1):
            with socket.create_connection((target.hostname, target.port), timeout=10) as sock:
                sock.sendall(f"GET /v2/{NAME}/blobs/{digest} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
                sock.recv(1000)
        while len([line for line in lines if line["method"] == "GET"]) <= LANES:
            client("HEAD", "/healthz")
    app.close()
    assert app.lanes.free == LANES


def test_what_large_blobs_took_is_given_back(tmp_path: Path) -> None:
    config = tmp_path / "serve.toml"
    config.write_text('[server]\naddress = "127.0.0.1:0"\naccess-log = false\n')
    with subprocess.Popen(
        [sys.executable, "-m", "lamina", "serve", "--root", tmp_path, "--config", config],
        stderr=subprocess.PIPE,
    ) as process:
        try:
            assert process.stderr is not None
            client = Client(f"http://{json.loads(process.stderr.readline())['address']}")
            client.upload(NAME, bytes(1000))
            client("GET", f"/v2/{NAME}/blobs/{client.upload(NAME, bytes(100_000))}")
            before = _anonymous(process.pid)
            digest = client.upload(NAME, os.urandom(100 << 20))
            for _ in range(2):
                assert len(client("GET", f"/v2/{NAME}/blobs/{digest}").body) == 100 << 20
            for _ in range(50):  # without a request: that it is idle is enough
                if _anonymous(process.pid) <= before + 4096:
                    break
                with suppress(subprocess.TimeoutExpired):
                    process.wait(0.1)
            assert _anonymous(process.pid) <= before + 4096
        finally:
            process.terminate()


def _anonymous(pid: int) -> int:
    """KiB of a process's own memory that is there."""
    text = Path(f"/proc/{pid}/status").read_text()
    return int(re.findall(r"RssAnon:\s+(\d+)", text)[0])
