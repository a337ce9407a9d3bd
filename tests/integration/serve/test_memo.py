"""Answers that are given again are those that would be worked out, whoever changes something."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.registries import Client, manifest

from lamina.oci.digest import Digest
from lamina.registry import Registry, open_registry
from lamina.serve import memo
from lamina.serve.access import Access
from lamina.serve.app import App
from lamina.serve.http.asgi import Message, Scope
from lamina.serve.limits import Limits
from lamina.serve.rights import ALL, Action, Rights, Rule
from lamina.serve.server import Running

NAME = "team/app"
DO = """
import sys
from pathlib import Path
from lamina.oci.digest import Digest
from lamina.registry import open_registry
from lamina.registry.gc import collect
from tests.registries import manifest

registry = open_registry(Path(sys.argv[1]), complete=False, grace=0)
repository = registry.repository("team/app")
for line in sys.stdin:
    word, _, value = line.strip().partition(" ")
    if word == "push":
        raw = manifest(b"{}", annotations={"n": value})
        repository.put_manifest(raw, None, tags=["moving", "tag-" + value])
    elif word == "untag":
        repository.delete_tag(value)
    elif word == "drop":
        repository.delete_manifest(Digest(value))
    elif word == "gc":
        collect(registry, delete_untagged=True, upload_expiry=0)
    print("done", flush=True)
"""


def image(number: int) -> bytes:
    return manifest(b"{}", annotations={"n": str(number)})


@pytest.fixture
def other(tmp_path: Path, registry: Registry) -> Iterator[Callable[[str], None]]:
    """Another process that has the registry open and does as it is told, and says when."""
    root = Path(__file__).parents[3]
    with subprocess.Popen(
        [sys.executable, "-c", DO, tmp_path / "registry"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
        cwd=root,
    ) as process:
        stdin, stdout = process.stdin, process.stdout
        assert stdin is not None and stdout is not None

        def tell(line: str) -> None:
            stdin.write(f"{line}\n")
            assert stdout.readline() == "done\n"

        yield tell
        stdin.close()
        process.wait(30)


def test_what_another_process_has_done_is_seen_by_the_next_request(
    client: Client, other: Callable[[str], None]
) -> None:
    for number in range(150):
        other(f"push {number}")
        for _ in range(2):
            assert client("GET", f"/v2/{NAME}/manifests/moving").body == image(number)
            head = client("HEAD", f"/v2/{NAME}/manifests/moving")
            assert head.headers["docker-content-digest"] == Digest.of(image(number))
            assert f"tag-{number}" in client("GET", f"/v2/{NAME}/tags/list").json["tags"]
    for number in range(0, 100, 10):
        assert client("GET", f"/v2/{NAME}/manifests/tag-{number}").status == 200
        other(f"untag tag-{number}")
        assert client("GET", f"/v2/{NAME}/manifests/tag-{number}").status == 404
        assert f"tag-{number}" not in client("GET", f"/v2/{NAME}/tags/list").json["tags"]


def test_what_gc_of_another_process_has_taken_is_gone(
    client: Client, other: Callable[[str], None]
) -> None:
    other("push 1")
    digest = Digest.of(image(1))
    path = f"/v2/{NAME}/manifests/{digest}"
    other("untag moving")
    assert [client("GET", path).status for _ in range(2)] == [200, 200]
    other("untag tag-1")
    assert client("GET", path).status == 200
    other("gc")
    assert client("GET", path).status == 404
    assert client("GET", f"/v2/{NAME}/tags/list").codes == ["NAME_UNKNOWN"]


def test_a_push_and_a_deletion_here_count_at_once(client: Client) -> None:
    client.upload(NAME, b"{}")
    for number in range(50):
        client.put(NAME, "x", image(number))
        for _ in range(3):
            assert client("GET", f"/v2/{NAME}/manifests/x").body == image(number)
            assert client("GET", f"/v2/{NAME}/tags/list").json["tags"] == ["x"]
    blob = f"/v2/{NAME}/blobs/{Digest.of(b'{}')}"
    assert [client("GET", blob).body for _ in range(3)] == [b"{}"] * 3
    assert client("DELETE", blob).status == 202
    assert client("GET", blob).status == 404


def test_an_answer_is_the_same_each_time(client: Client) -> None:
    layer = b"layer"
    digest, _ = client.push(NAME, "x", layer)
    client.put(NAME, "y", manifest(b"{}", layer, subject={**_descriptor(digest, client)}))
    for path in (
        f"/v2/{NAME}/manifests/x",
        f"/v2/{NAME}/manifests/{digest}",
        f"/v2/{NAME}/blobs/{Digest.of(layer)}",
        f"/v2/{NAME}/tags/list",
        f"/v2/{NAME}/tags/list?n=1",
        f"/v2/{NAME}/tags/list?last=x",
        f"/v2/{NAME}/referrers/{digest}",
        f"/v2/{NAME}/referrers/{digest}?artifactType=none",
    ):
        for method in ("GET", "HEAD"):
            first, *others = [client(method, path) for _ in range(4)]
            assert first.status == 200
            for one in others:
                assert (one.status, one.body) == (200, first.body)
                assert _lasting(one.headers) == _lasting(first.headers)


def _descriptor(digest: Digest, client: Client) -> dict[str, object]:
    found = client("HEAD", f"/v2/{NAME}/manifests/{digest}").headers
    size = int(found["content-length"])
    return {"mediaType": found["content-type"], "digest": digest, "size": size}


def _lasting(headers: object) -> dict[str, str]:
    return {k: v for k, v in dict(headers).items() if k != "date"}  # type: ignore[call-overload]


def test_what_a_client_has_and_wants_is_still_looked_at(client: Client) -> None:
    digest, raw = client.push(NAME, "x", b"layer")
    path, blob = f"/v2/{NAME}/manifests/x", f"/v2/{NAME}/blobs/{Digest.of(b'layer')}"
    for _ in range(2):
        assert client("GET", path).body == raw
        assert client("GET", path, If_None_Match=f'"{digest}"').status == 304
        assert client("GET", blob).body == b"layer"
        assert client("GET", blob, Range="bytes=1-2").body == b"ay"
        assert client("GET", path, X="x" * (65 << 10)).status == 431
        assert client("POST", path).status == 405


def test_each_answer_is_counted_and_written_down(
    client: Client, lines: list[dict[str, object]]
) -> None:
    _, raw = client.push(NAME, "x")
    for _ in range(5):
        client("GET", f"/v2/{NAME}/manifests/x", User_Agent="me")
    asked = 'lamina_http_requests_total{endpoint="manifest",method="GET",status="200"} 5'
    while asked not in client("GET", "/metrics").body.decode():
        pass  # the first is counted after it is answered
    found = [line for line in lines if line["method"] == "GET" and line.get("agent") == "me"]
    assert len({line["id"] for line in found}) == 5
    assert {(line["status"], line["sent"]) for line in found} == {(200, len(raw))}


def test_each_pull_is_told(registry: Registry) -> None:
    told: list[dict[str, object]] = []
    app = App(registry, listeners=[told.append])
    with Running(app) as server:
        client = Client(server.url)
        client.push(NAME, "x", b"layer")
        told.clear()
        for _ in range(3):
            client("GET", f"/v2/{NAME}/manifests/x")
            client("HEAD", f"/v2/{NAME}/manifests/x")
            client("GET", f"/v2/{NAME}/blobs/{Digest.of(b'layer')}")
    app.close()
    assert [one["action"] for one in told] == ["pull"] * 6
    assert len({one["id"] for one in told}) == 6


def test_who_asks_too_often_has_to_wait_for_what_is_known_too(registry: Registry) -> None:
    app = App(registry, limits=Limits(rate=0.001, burst=30))
    with Running(app) as server:
        client = Client(server.url)
        client.push(NAME, "x")
        statuses = [client("GET", f"/v2/{NAME}/manifests/x").status for _ in range(40)]
    app.close()
    taken = statuses.count(200)
    assert statuses == [200] * taken + [429] * (40 - taken)
    assert taken == 27


def test_what_one_may_see_is_not_shown_to_another(registry: Registry) -> None:
    rules = (Rule(frozenset({"anonymous"}), ("open/**",), frozenset({Action.PULL})),)
    registry.repository("open/x").put_manifest(image(1), None, tags=["x"], complete=False)
    registry.repository("shut/x").put_manifest(image(1), None, tags=["x"], complete=False)
    app = App(registry, access=Access(Rights(rules)))
    with Running(app) as server:
        client = Client(server.url)
        for _ in range(3):
            assert client("GET", "/v2/open/x/manifests/x").status == 200
            assert client("GET", "/v2/shut/x/manifests/x").status == 403
    app.close()
    assert ALL


def test_no_more_is_kept_than_there_is_room_for(tmp_path: Path) -> None:
    registry = open_registry(tmp_path)
    registry.repository(NAME).put_manifest(image(1), None, tags=["x"], complete=False)
    kept = memo.Memo(registry.metadata.version)
    app = App(registry)
    app._memo = kept

    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(message: Message) -> None:
        pass

    def scope(number: int) -> Scope:
        path = f"/v2/{NAME}/manifests/x".encode()
        return {
            "type": "http",
            "method": "GET",
            "raw_path": path,
            "path": path.decode(),
            "query_string": b"x=%d" % number,
            "headers": [],
        }

    async def ask() -> None:
        for number in range(2 * memo.LIMIT // 2000):
            await app(scope(number), receive, send)
        assert app.at_once(scope(number)) is not None
        assert app.at_once(scope(0)) is None

    import asyncio

    asyncio.run(ask())
    app.close()


def test_a_fault_of_ours_in_giving_an_answer_again_is_told_and_logged(
    tmp_path: Path, lines: list[dict[str, object]]
) -> None:
    registry = open_registry(tmp_path / "registry", complete=False)
    pulls = 0

    def listen(event: dict[str, object]) -> None:
        nonlocal pulls
        pulls += event["action"] == "pull"
        if pulls == 2:
            raise ValueError("what nobody thought of")

    registry.repository(NAME).put_manifest(image(1), None, tags=["v1"])
    app = App(registry, log=lines.append, listeners=[listen])
    with Running(app) as server:
        client = Client(server.url)
        path = f"/v2/{NAME}/manifests/v1"
        assert client("GET", path).status == 200
        failed = client("GET", path)
        assert (failed.status, failed.codes) == (500, ["UNKNOWN"])
        assert client("GET", path).status == 200
    app.close()
    errors = [line["error"] for line in lines if line["status"] == 500]
    assert errors == ["ValueError: what nobody thought of"]
