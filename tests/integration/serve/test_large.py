"""Large blobs come whole, whichever way they are sent, and nobody is kept waiting by them."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from contextlib import ExitStack, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.registries import Client
from tests.unit.serve.test_server import certificate

from lamina.registry import open_registry
from lamina.serve.app import App
from lamina.serve.server import Running

NAME = "team/app"


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_a_large_blob_comes_whole_and_in_part(tmp_path: Path, tls: bool) -> None:
    app = App(open_registry(tmp_path / "registry"))
    data = os.urandom((9 << 20) + 12345)
    chosen = certificate(tmp_path) if tls else None
    with Running(app, tls=chosen) as server:
        client = Client(server.url, ca_certs=str(chosen.certificate) if chosen else None)
        digest = client.upload(NAME, data)
        for _ in range(2):
            got = client("GET", f"/v2/{NAME}/blobs/{digest}")
            assert (got.status, got.body == data) == (200, True)
        part = client("GET", f"/v2/{NAME}/blobs/{digest}", Range="bytes=1000000-9000000")
        assert (part.status, part.body == data[1000000:9000001]) == (206, True)
        assert client("HEAD", f"/v2/{NAME}/blobs/{digest}").headers["content-length"] == str(
            len(data)
        )
        client.pool.clear()
    app.close()


def test_a_blob_whose_file_has_lost_bytes_is_promised_to_nobody(tmp_path: Path) -> None:
    app = App(open_registry(tmp_path / "registry"))
    with Running(app) as server:
        client = Client(server.url)
        digest = client.upload(NAME, os.urandom(1 << 20))
        os.truncate(tmp_path / "registry" / "blobs" / "sha256" / digest.encoded, 1000)
        assert client("GET", f"/v2/{NAME}/blobs/{digest}").status == 500
    app.close()


def test_who_leaves_early_keeps_nothing_going(tmp_path: Path) -> None:
    lines: list[dict[str, object]] = []
    app = App(open_registry(tmp_path / "registry"), log=lines.append)
    with Running(app) as server:
        client = Client(server.url)
        digest = client.upload(NAME, bytes(60 << 20))
        lines.clear()
        target = urlsplit(server.url)
        for _ in range(20):  # more than there are threads
            with socket.create_connection((target.hostname, target.port), timeout=10) as sock:
                sock.sendall(f"GET /v2/{NAME}/blobs/{digest} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
                sock.recv(1000)
        while len(gone := [line for line in lines if line["method"] == "GET"]) < 20:
            client("HEAD", "/healthz")
        assert {line["error"] for line in gone} == {"the client went away"}
        assert client("GET", f"/v2/{NAME}/blobs/{digest}").status == 200
    app.close()


def test_who_reads_nothing_keeps_no_thread(tmp_path: Path) -> None:
    app = App(open_registry(tmp_path / "registry"))
    with Running(app, grace=0.1) as server, ExitStack() as open_ones:
        client = Client(server.url)
        digest = client.upload(NAME, bytes(60 << 20))
        target = urlsplit(server.url)
        for _ in range(40):
            sock = socket.create_connection((target.hostname, target.port), timeout=10)
            open_ones.enter_context(sock)
            sock.sendall(f"GET /v2/{NAME}/blobs/{digest} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert len(client("GET", f"/v2/{NAME}/blobs/{digest}").body) == 60 << 20
    app.close()


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
