"""`lamina ui`, and the pages of `lamina serve`, as they are started by hand."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from tests.pictures import keep, shop
from tests.registries import Client

from lamina.engine import Engine, Settings


def start(root: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "lamina", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "LAMINA_ROOT": str(root)},
    )


def test_it_says_where_it_is_and_serves_until_it_is_told_to_stop(tmp_path: Path) -> None:
    with Engine(Settings(root=tmp_path)) as engine:
        keep(engine.store, shop(), "shop:1")
    process = start(tmp_path, "ui", "--addr", "127.0.0.1:0")
    assert process.stdout is not None
    client = Client(process.stdout.readline().strip())
    assert b"shop" in client("GET", "/").body
    assert b"apt-get install" in client("GET", "/image?ref=shop:1").body
    assert client("GET", "/v2/").status == 404
    assert client("GET", "/", Host="evil.example").status == 421
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (0, "")


def test_no_store_is_made_to_look_into(tmp_path: Path) -> None:
    process = start(tmp_path / "none", "ui", "--addr", "127.0.0.1:0")
    assert process.stdout is not None
    client = Client(process.stdout.readline().strip())
    assert b"no images here" in client("GET", "/").body
    assert client("GET", "/image?ref=x").status == 404
    assert client("GET", "/compare").status == 200
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 0
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("address", ["0.0.0.0:0", ":0", "[::]:0"])
def test_it_is_not_opened_to_the_network_by_mistake(tmp_path: Path, address: str) -> None:
    process = start(tmp_path, "ui", "--addr", address)
    _, errors = process.communicate(timeout=30)
    assert process.returncode != 0
    assert "--insecure-no-auth" in errors


def test_a_registry_has_pages_where_its_settings_say_so(tmp_path: Path) -> None:
    (tmp_path / "serve.toml").write_text("[web]\nenabled = true\n")
    config = str(tmp_path / "serve.toml")
    with Engine(Settings(root=tmp_path)) as engine:
        keep(engine.store, shop(), "shop:1")
    process = start(tmp_path, "serve", "--local", "--addr", "127.0.0.1:0", "--config", config)
    assert process.stderr is not None
    address = process.stderr.readline().partition('"address": "')[2].partition('"')[0]
    threading.Thread(target=process.stderr.read, daemon=True).start()
    client = Client(f"http://{address}")
    assert b"library/shop" in client("GET", "/ui/").body
    assert b"apt-get install" in client("GET", "/ui/image?ref=library/shop:1").body
    assert client("GET", "/v2/").status == 200
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=30) == 0
