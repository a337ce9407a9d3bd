"""Repositories of another registry, pulled through ours."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import urllib3

from lamina.engine.remotes import Remotes
from lamina.oci.digest import Digest
from lamina.registry import open_registry
from lamina.registry.mirror import Mirrors, Upstream
from lamina.remote.retry import Patience
from lamina.remote.settings import RemoteSettings
from lamina.serve.app import App
from lamina.serve.server import Running
from lamina.testing.images import Made, image
from lamina.testing.registry import TestRegistry
from registries import Client

MINUTE = 60 * 10**9


class Through:
    """Our registry in front of an upstream, with a clock that is moved by hand."""

    def __init__(self, root: Path, upstream: str, stack: ExitStack) -> None:
        self.now = 10**18
        self.registry = open_registry(root, now=lambda: self.now)
        remotes = Remotes(RemoteSettings(patience=Patience(tries=1)))
        stack.callback(remotes.close)
        host = upstream.partition(":")[0]
        mirrored = Upstream(upstream, "up", frozenset({host}), MINUTE, remotes.repository)
        self.app = App(self.registry, mirrors=Mirrors(self.registry, [mirrored]))
        self.running = stack.enter_context(Running(self.app))
        stack.callback(self.app.close)
        self.host = host
        self.client = Client(self.running.url)


@pytest.fixture
def made() -> Made:
    return image({"/a": os.urandom(300_000)}, {"/b": "2"}, compression="none")


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def upstream(make_lamina_registry: Callable[..., TestRegistry], made: Made) -> TestRegistry:
    registry = make_lamina_registry()
    registry.push(made, "app/web:1")
    registry.faults.clear()
    return registry


@pytest.fixture
def through(upstream: TestRegistry, tmp_path: Path, stack: ExitStack) -> Through:
    return Through(tmp_path / "through", upstream.address, stack)


def layers(made: Made) -> list[Digest]:
    return [Digest(one["digest"]) for one in json.loads(made.raw)["layers"]]


def asked(upstream: TestRegistry, method: str = "GET") -> list[str]:
    return [one.path for one in upstream.faults.seen if one.method == method]


def test_an_image_comes_through_and_stays(
    through: Through, upstream: TestRegistry, made: Made
) -> None:
    found = through.client("GET", "/v2/up/app/web/manifests/1")
    assert (found.status, found.body) == (200, made.raw)
    for digest in layers(made):
        assert through.client("GET", f"/v2/up/app/web/blobs/{digest}").body == made.content[digest]
    before = len(asked(upstream))
    assert through.client("GET", "/v2/up/app/web/manifests/1").body == made.raw
    assert through.client("GET", f"/v2/up/app/web/blobs/{layers(made)[0]}").status == 200
    assert len(asked(upstream)) == before


def test_a_namespace_means_its_upstream(through: Through, made: Made) -> None:
    found = through.client("GET", "/v2/app/web/manifests/1", query=[("ns", through.host)])
    assert (found.status, found.body) == (200, made.raw)
    assert found.headers["oci-namespace"] == through.host
    assert through.client("GET", "/v2/app/web/manifests/1").status == 404


def test_a_tag_is_asked_for_again_when_it_is_old(
    through: Through, upstream: TestRegistry, made: Made
) -> None:
    url = "/v2/up/app/web/manifests/1"
    through.client("GET", url)
    newer = image({"/a": "newer"})
    upstream.push(newer, "app/web:1")
    assert through.client("GET", url).body == made.raw
    through.now += MINUTE
    assert through.client("GET", url).body == newer.raw


def test_what_is_here_is_given_while_the_upstream_is_down(
    through: Through, upstream: TestRegistry, made: Made
) -> None:
    url = "/v2/up/app/web/manifests/1"
    through.client("GET", url)
    through.now += MINUTE
    upstream.faults.answer(503, times=99)
    found = through.client("GET", url)
    assert (found.status, found.body) == (200, made.raw)
    assert found.headers["warning"].startswith("110 ")
    assert through.client("GET", "/v2/up/app/web/manifests/2").status == 502
    assert through.client("GET", f"/v2/up/app/web/manifests/{made.digest}").body == made.raw
    assert through.client("GET", "/v2/up/app/web/tags/list").json["tags"] == ["1"]


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("manifests/none", "MANIFEST_UNKNOWN"),
        (f"manifests/{Digest.of(b'x')}", "MANIFEST_UNKNOWN"),
        (f"blobs/{Digest.of(b'x')}", "BLOB_UNKNOWN"),
    ],
)
def test_what_the_upstream_has_not_is_not_here(through: Through, path: str, code: str) -> None:
    found = through.client("GET", f"/v2/up/app/web/{path}")
    assert (found.status, found.codes) == (404, [code])


def test_an_upstream_that_wants_a_login_is_told_of(
    make_lamina_registry: Callable[..., TestRegistry], tmp_path: Path, stack: ExitStack
) -> None:
    closed = make_lamina_registry(users={"me": "secret"})
    through = Through(tmp_path / "through", closed.address, stack)
    assert through.client("GET", "/v2/up/app/web/manifests/1").status == 502


def test_a_blob_is_looked_at_without_being_fetched(
    through: Through, upstream: TestRegistry, made: Made
) -> None:
    digest = layers(made)[0]
    found = through.client("HEAD", f"/v2/up/app/web/blobs/{digest}")
    assert (found.status, int(found.headers["content-length"])) == (200, len(made.content[digest]))
    assert asked(upstream) == [path for path in asked(upstream) if "/blobs/" not in path]


def test_a_part_of_a_blob_is_a_part_of_it(through: Through, made: Made) -> None:
    digest = layers(made)[0]
    found = through.client("GET", f"/v2/up/app/web/blobs/{digest}", Range="bytes=1000-1999")
    assert (found.status, found.body) == (206, made.content[digest][1000:2000])


def test_many_who_want_a_blob_at_once_fetch_it_once(
    through: Through, upstream: TestRegistry, made: Made
) -> None:
    digest = layers(made)[0]
    bodies: list[bytes] = []

    def get() -> None:
        bodies.append(through.client("GET", f"/v2/up/app/web/blobs/{digest}").body)

    threads = [threading.Thread(target=get) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert bodies == [made.content[digest]] * 8
    assert sum("/blobs/" in path for path in asked(upstream)) == 1


def test_who_leaves_early_leaves_the_blob_behind(
    through: Through, upstream: TestRegistry, made: Made
) -> None:
    digest = layers(made)[0]
    with socket.create_connection(("127.0.0.1", through.running.port)) as line:
        line.sendall(f"GET /v2/up/app/web/blobs/{digest} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert line.recv(12) == b"HTTP/1.1 200"
    # Whoever comes next waits for what is still under way, and fetches nothing himself.
    assert through.client("GET", f"/v2/up/app/web/blobs/{digest}").body == made.content[digest]
    assert sum("/blobs/" in path for path in asked(upstream)) == 1


def test_bytes_that_are_not_what_their_digest_says_are_not_kept(
    through: Through, upstream: TestRegistry, made: Made
) -> None:
    digest = layers(made)[0]
    with upstream.registry.repository("app/web").open(digest) as file:
        path = Path(file.name)
    path.chmod(0o600)
    path.write_bytes(os.urandom(path.stat().st_size))
    url = f"/v2/up/app/web/blobs/{digest}"
    try:
        assert through.client("GET", url).status >= 500
    except urllib3.exceptions.HTTPError:
        pass  # it was cut off, if it had begun
    path.write_bytes(made.content[digest])
    assert through.client("GET", url).body == made.content[digest]


def test_a_mirror_is_not_pushed_to_but_what_is_beside_it_is(through: Through) -> None:
    refused = through.client("POST", "/v2/up/app/web/blobs/uploads/")
    assert (refused.status, refused.codes) == (405, ["UNSUPPORTED"])
    assert "cannot be changed here" in refused.json["errors"][0]["message"]
    through.client.upload("own/app", b"mine")
    assert through.client("DELETE", "/v2/up/app/web/manifests/1").status == 405


def test_tags_and_referrers_are_the_upstreams(
    through: Through, upstream: TestRegistry, made: Made
) -> None:
    upstream.push(made, "app/web:Z")
    upstream.push(made, "app/web:b")
    assert through.client("GET", "/v2/up/app/web/tags/list").json["tags"] == ["1", "b", "Z"]
    page = through.client("GET", "/v2/up/app/web/tags/list", query=[("n", "2"), ("last", "1")])
    assert page.json["tags"] == ["b", "Z"]
    found = through.client("GET", f"/v2/up/app/web/referrers/{made.digest}")
    assert found.json["manifests"] == []
