"""Webhooks: Docker's envelope, tried again, and never in anybody's way."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from tests.registries import Client, blob

from lamina.registry import open_registry
from lamina.serve.app import App
from lamina.serve.events import Listener, Webhook
from lamina.serve.server import Running


class Ear:
    """A listener on loopback that refuses the first few times."""

    def __init__(self, refusals: int = 0) -> None:
        self.heard: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.asked = 0
        self.enough = threading.Event()
        self.wanted = 1
        ear = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                ear.asked += 1
                refused = ear.asked <= refusals
                self.send_response(503 if refused else 200)
                self.end_headers()
                if not refused:
                    ear.headers.append(dict(self.headers))
                    ear.heard += json.loads(body)["events"]
                    if len(ear.heard) >= ear.wanted:
                        ear.enough.set()

            def log_message(self, *_: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def ear() -> Iterator[Ear]:
    found = Ear(refusals=1)
    yield found
    found.close()


def test_pushes_pulls_and_deletions_are_told(ear: Ear, tmp_path: Path) -> None:
    ear.wanted = 6
    hook = Webhook(Listener(ear.url, headers={"X-Secret": "s"}, timeout=5))
    app = App(open_registry(tmp_path / "r"), listeners=[hook.put])
    with Running(app) as server:
        client = Client(server.url)
        digest, raw = client.push("team/app", "x", blob(77))
        client("GET", "/v2/team/app/manifests/x")
        client("DELETE", "/v2/team/app/manifests/x")
        client("DELETE", f"/v2/team/app/manifests/{digest}")
        assert ear.enough.wait(30)
    app.close()
    hook.close()
    assert [each["action"] for each in ear.heard] == ["push"] * 3 + ["pull", "delete", "delete"]
    pushed = ear.heard[2]
    assert pushed["target"] == {
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "digest": digest,
        "size": len(raw),
        "length": len(raw),
        "repository": "team/app",
        "url": f"{server.url}/v2/team/app/manifests/{digest}",
        "tag": "x",
    }
    assert pushed["request"]["method"] == "PUT"
    assert len({each["id"] for each in ear.heard}) == 6
    assert ear.heard[4]["target"] == {"repository": "team/app", "tag": "x"}
    assert ear.headers[0]["X-Secret"] == "s"
    assert ear.headers[0]["Content-Type"].startswith("application/vnd.docker.distribution.events.")


def test_a_listener_that_is_not_there_is_in_nobodys_way(tmp_path: Path) -> None:
    outcomes: list[str] = []
    listener = Listener("http://127.0.0.1:9/", tries=1, queue=2, timeout=1)
    hook = Webhook(listener, count=lambda url, what: outcomes.append(what))
    app = App(open_registry(tmp_path / "r"), listeners=[hook.put] * 20)
    with Running(app) as server:
        for _ in range(5):
            Client(server.url).push("a", "x", blob())
    app.close()
    hook.close()
    assert "dropped" in outcomes
    assert "failed" in outcomes


def test_only_what_a_listener_wants_is_told(ear: Ear) -> None:
    hook = Webhook(Listener(ear.url, actions=frozenset({"delete"})))
    hook.put({"action": "push"})
    hook.put({"action": "delete"})
    assert ear.enough.wait(30)
    hook.close()
    assert ear.heard == [{"action": "delete"}]
