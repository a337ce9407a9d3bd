"""The pages of a registry: the same, under the rights of a pull."""

from __future__ import annotations

import base64
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import bcrypt
import pytest
from tests.pictures import shop
from tests.registries import Client, Reply

from lamina.oci import media_type as types
from lamina.oci.digest import Digest
from lamina.registry import Registry
from lamina.serve.access import Access
from lamina.serve.passwords import Passwords
from lamina.serve.rights import ANYBODY, Action, Rights, Rule
from lamina.testing.images import Made

Serve = Callable[..., Client]


def push(registry: Registry, made: Made, name: str, tag: str) -> None:
    repository = registry.repository(name)
    for digest, data in made.content.items():
        if digest not in made.documents:
            with repository.resume(repository.begin(digest.algorithm)) as upload:
                upload.append([data])
                repository.finish(upload, digest)
    for digest, media_type in made.documents.items():
        repository.put_manifest(made.content[digest], media_type, tags=[tag])


@pytest.fixture
def guarded(tmp_path: Path) -> Access:
    line = f"alice:{bcrypt.hashpw(b'secret', bcrypt.gensalt(4)).decode()}\n"
    (tmp_path / "users").write_text(line)
    pull = frozenset({Action.PULL})
    rules = (
        Rule(frozenset({ANYBODY}), ("public/*",), pull),
        Rule(frozenset({"alice"}), ("team/*",), pull),
    )
    return Access(Rights(rules), passwords=Passwords(tmp_path / "users"))


def as_alice(client: Client, path: str) -> Reply:
    proof = base64.b64encode(b"alice:secret").decode()
    return client("GET", path, Authorization=f"Basic {proof}")


def test_the_same_pages(registry: Registry, serve: Serve) -> None:
    push(registry, shop("1"), "team/shop", "1")
    push(registry, shop("2"), "team/shop", "2")
    client = serve()
    assert client("GET", "/ui").headers["location"] == "/ui/"
    for address, expected in (
        ("", b"team/shop"),
        ("tags?repository=team/shop", b"ref=team/shop:2"),
        ("image?ref=team/shop:1&at=4&dir=usr/share", b'class="deleted"'),
        ("file?ref=team/shop:1&at=1&path=etc/motd", b"welcome"),
        ("waste?ref=team/shop:1", b"lib8.deb"),
        ("find?ref=team/shop:1&q=motd", b"deleted at 4"),
        ("compare?one=team/shop:1&two=team/shop:2", b"Env VERSION"),
        ("document?ref=team/shop:1&kind=config", b"VERSION=1"),
        ("signatures?ref=team/shop:1", b"no signature"),
        ("style.css", b"prefers-color-scheme"),
    ):
        found = client("GET", f"/ui/{address}")
        assert found.status == 200, found.body
        assert expected in found.body, address
    got = client("GET", "/ui/raw?ref=team/shop:1&path=usr/lib/libshop.so")
    assert got.body == b"so" * 70000


def test_there_are_no_pages_unless_they_are_wanted(client_without: Client) -> None:
    assert client_without("GET", "/ui/").status == 404


@pytest.fixture
def client_without(registry: Registry) -> Iterator[Client]:
    from lamina.serve.app import App
    from lamina.serve.server import Running

    app = App(registry)
    with Running(app) as server:
        yield Client(server.url)
    app.close()


def test_rights_are_those_of_a_pull(registry: Registry, serve: Serve, guarded: Access) -> None:
    push(registry, shop("1"), "team/shop", "1")
    push(registry, shop("2"), "public/shop", "1")
    push(registry, shop("3"), "other/shop", "1")
    client = serve(guarded)
    open_to_all = client("GET", "/ui/")
    assert open_to_all.status == 200
    assert b"public/shop" in open_to_all.body
    assert b"team/shop" not in open_to_all.body
    assert b"other/shop" not in as_alice(client, "/ui/").body
    assert b"team/shop" in as_alice(client, "/ui/").body
    for page in ("image", "find", "waste", "document", "bare", "signatures", "file", "raw"):
        address = f"/ui/{page}?ref=team/shop:1&path=etc/os-release"
        refused = client("GET", address)
        assert refused.status == 401, page
        assert refused.headers["www-authenticate"].startswith("Basic ")
        assert as_alice(client, address).status == 200
        assert as_alice(client, address.replace("team", "other")).status == 403
    assert client("GET", "/ui/tags?repository=team/shop").status == 401
    both = "/ui/compare?one=public/shop:1&two=team/shop:1"
    assert client("GET", both).status == 401
    assert as_alice(client, both).status == 200


def test_wrong_proof_is_refused(registry: Registry, serve: Serve, guarded: Access) -> None:
    client = serve(guarded)
    proof = base64.b64encode(b"alice:wrong").decode()
    assert client("GET", "/ui/", Authorization=f"Basic {proof}").status == 401


def test_a_digest_does_not_get_past_the_rights_of_its_repository(
    registry: Registry, serve: Serve, guarded: Access
) -> None:
    made = shop("1")
    push(registry, made, "team/shop", "1")
    push(registry, shop("2"), "public/shop", "1")
    client = serve(guarded)
    assert as_alice(client, "/ui/image?ref=team/shop:1").status == 200
    assert client("GET", f"/ui/image?ref=public/shop@{made.digest}").status == 404
    assert client("GET", f"/ui/image?ref=team/shop@{made.digest}").status == 401
    assert client("GET", "/ui/image?ref=public/shop:1&ref=team/shop:1").status == 200


def test_what_refers_to_an_image_is_listed(registry: Registry, serve: Serve) -> None:
    made = shop()
    push(registry, made, "team/shop", "1")
    client = serve()
    subject = {"mediaType": types.OCI_MANIFEST, "digest": made.digest, "size": len(made.raw)}
    fields = {
        "subject": subject,
        "artifactType": "application/x.signature",
        "annotations": {"<b>who</b>": "<i>me</i>"},
    }
    digest, _ = client.push("team/shop", None, b"signed", **fields)
    client.push("team/shop", f"{made.digest.replace(':', '-')}.sig", b"cosign")
    html = client("GET", "/ui/signatures?ref=team/shop:1").body.decode()
    assert "application/x.signature" in html
    assert "&lt;b&gt;who&lt;/b&gt;" in html
    assert "<i>" not in html
    assert f"tag {made.digest.replace(':', '-')}.sig" in html
    found = client("GET", f"/ui/document?ref=team/shop@{digest}")
    assert b"application/x.signature" in found.body
    artifact = client("GET", f"/ui/image?ref=team/shop@{digest}")
    assert b"There is no image to look into" in artifact.body


@pytest.fixture
def old(registry: Registry, tmp_path: Path) -> Iterator[tuple[Client, str]]:
    """A registry with pages that speaks with old clients too, and the ID of its key."""
    from lamina.engine.registry_shelf import RegistryShelf
    from lamina.engine.shelves import Analyst
    from lamina.serve.app import App
    from lamina.serve.old import Old
    from lamina.serve.server import Running
    from lamina.serve.web.site import Site

    signer = Old(tmp_path / "keys/schema1.pem")
    site = Site(RegistryShelf(registry, old=signer), Analyst())
    app = App(registry, old=signer, site=site)
    with Running(app) as server:
        yield Client(server.url), signer.key_id
    app.close()


def test_who_signed_a_schema_1_can_be_reached(registry: Registry, old: tuple[Client, str]) -> None:
    client, key = old
    push(registry, shop("1"), "team/shop", "1")
    signed = client("GET", "/v2/team/shop/manifests/1", Accept=types.SCHEMA1_SIGNED).body
    for layer in json.loads(signed)["fsLayers"]:
        client.upload("team/shop", client("GET", f"/v2/team/shop/blobs/{layer['blobSum']}").body)
    done = client("PUT", "/v2/team/shop/manifests/old", signed, Content_Type=types.SCHEMA1_SIGNED)
    assert done.status == 201
    # Of an image: from its head to the document that old clients get, and who signed that.
    head = client("GET", "/ui/image?ref=team/shop:1").body.decode()
    assert 'href="document?ref=team/shop:1&amp;kind=schema1"' in head
    shown = client("GET", "/ui/document?ref=team/shop:1&kind=schema1").body.decode()
    assert 'href="signatures?ref=team/shop:1#keys"' in shown
    assert "fsLayers" in shown
    assert key in client("GET", "/ui/signatures?ref=team/shop:1").body.decode()
    got = client("GET", "/ui/bare?ref=team/shop:1&kind=schema1").body
    assert json.loads(got)["signatures"]
    # Of one that was pushed: from the tags.
    tags = client("GET", "/ui/tags?repository=team/shop").body.decode()
    assert '<a href="signatures?ref=team/shop:old">schema 1, signatures</a>' in tags
    kept = client("GET", "/ui/signatures?ref=team/shop:old").body.decode()
    assert "kept as its payload, without signatures" in kept
    assert key in kept
    assert client("GET", "/ui/image?ref=team/shop:old").status == 200


def test_a_registry_of_today_offers_no_schema_1(registry: Registry, serve: Serve) -> None:
    push(registry, shop("1"), "team/shop", "1")
    client = serve()
    assert b"schema1" not in client("GET", "/ui/image?ref=team/shop:1").body
    found = client("GET", "/ui/document?ref=team/shop:1&kind=schema1")
    assert (found.status, b"is not offered as Docker schema 1" in found.body) == (404, True)


def test_a_layer_is_read_once_and_known_from_then_on(
    registry: Registry, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lamina.engine import contents

    made = shop()
    push(registry, made, "team/shop", "1")
    shown = serve()("GET", "/ui/image?ref=team/shop:1").body
    assert registry.indexes is not None
    assert len(list(registry.indexes.all())) == 4
    damaged = next(registry.indexes.all())[0]
    registry.indexes.put(damaged, registry.indexes.get(damaged)[:-9])  # type: ignore[index]
    read = []
    monkeypatch.setattr(
        contents, "read", lambda *args, read_=contents.read: _noted(read, args, read_)
    )
    assert serve()("GET", "/ui/image?ref=team/shop:1").body == shown
    assert [layer.descriptor.digest for _, layer, _ in read] == [damaged]
    assert serve()("GET", "/ui/image?ref=team/shop:1").body == shown
    assert len(read) == 1
    # What is only known is no layer: a blob that is lost is said to be.
    layer = Digest(json.loads(made.raw)["layers"][1]["digest"])
    with registry.repository("team/shop").open(layer) as file:
        os.unlink(file.name)
    assert b"Layer 2 cannot be shown" in serve()("GET", "/ui/image?ref=team/shop:1").body


def test_what_is_pushed_is_known_before_anybody_looks(
    registry: Registry, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lamina.engine import contents

    client = serve()
    made = shop()
    for digest, data in made.content.items():
        if digest not in made.documents:
            client.upload("team/shop", data)
    client.put("team/shop", "1", made.raw)
    indexes = registry.indexes
    assert indexes is not None
    layers = [Digest(one["digest"]) for one in json.loads(made.raw)["layers"]]
    until = time.monotonic() + 20
    while not all(indexes.has(layer) for layer in layers):
        assert time.monotonic() < until, "nobody has looked ahead"
        time.sleep(0.01)
    monkeypatch.setattr(contents, "read", None)
    assert b"apt-get install" in client("GET", "/ui/image?ref=team/shop:1").body


def _noted(seen: list[Any], args: Any, read: Callable[..., Any]) -> Any:
    seen.append(args)
    return read(*args)


def test_a_damaged_blob_is_said_without_the_place_of_the_registry(
    registry: Registry, serve: Serve, tmp_path: Path
) -> None:
    made = shop()
    push(registry, made, "team/shop", "1")
    layer = json.loads(made.raw)["layers"][1]["digest"]
    with registry.repository("team/shop").open(Digest(layer)) as file:
        path = Path(file.name)
    client = serve()
    data = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(data[:200] + b"\0" * 50 + data[250:])
    html = client("GET", "/ui/image?ref=team/shop:1").body.decode()
    assert "Layer 2 cannot be shown" in html
    path.unlink()
    html = client("GET", "/ui/image?ref=team/shop:1").body.decode()
    assert "Layer 2 cannot be shown" in html
    assert layer in html
    assert str(tmp_path) not in html
