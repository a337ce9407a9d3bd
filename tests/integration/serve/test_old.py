"""Docker schema 1: offered to who knows nothing else, and taken from them verified."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.image.export import write_oci_dir
from lamina.oci import media_type as types
from lamina.oci import schema1
from lamina.oci.config import RunConfig
from lamina.oci.digest import Digest
from lamina.registry import open_registry
from lamina.serve.app import App
from lamina.serve.old import Old
from lamina.serve.server import Running
from lamina.testing.images import image, index
from registries import Client

SIGNED, PLAIN = types.SCHEMA1_SIGNED, types.SCHEMA1


class Ours:
    def __init__(self, root: Path) -> None:
        self.registry = open_registry(root)
        self.old = Old(root / "keys/schema1.pem")
        self.app = App(self.registry, old=self.old)


@pytest.fixture
def ours(tmp_path: Path) -> Iterator[tuple[Ours, Client]]:
    made = Ours(tmp_path / "registry")
    with Running(made.app) as running:
        yield made, Client(running.url)
    made.app.close()


def pushed(client: Client, name: str = "app") -> tuple[bytes, list[bytes]]:
    made = image({"/a": "1"}, {"/b": "2"}, config=RunConfig(cmd=("/a",), env=("A=b",)))
    document = json.loads(made.raw)
    blobs = [made.content[Digest(one["digest"])] for one in document["layers"]]
    for data in (made.content[Digest(document["config"]["digest"])], *blobs):
        client.upload(name, data)
    client.put(name, "1", made.raw)
    return made.raw, blobs


def test_an_old_client_gets_what_it_can_read(ours: tuple[Ours, Client]) -> None:
    server, client = ours
    _, blobs = pushed(client)
    found = client("GET", "/v2/app/manifests/1", Accept=SIGNED)
    assert (found.status, found.headers["content-type"]) == (200, SIGNED)
    (key,) = schema1.verify(found.body)
    assert (key.id, key.type) == (server.old.key_id, "EC")
    document = schema1.read(found.body)
    assert (document.name, document.tag, document.architecture) == ("app", "1", "amd64")
    assert document.fs_layers == tuple(str(Digest.of(blob)) for blob in reversed(blobs))
    assert json.loads(document.history[0].text)["config"]["Cmd"] == ["/a"]
    assert found.headers["docker-content-digest"] == Digest.of(schema1.payload(found.body))


def test_a_client_of_today_gets_what_was_pushed(ours: tuple[Ours, Client]) -> None:
    _, client = ours
    raw, _ = pushed(client)
    for accept in (f"{types.OCI_MANIFEST}, {SIGNED}", "*/*", types.DOCKER_MANIFEST):
        assert client("GET", "/v2/app/manifests/1", Accept=accept).body == raw
    assert client("GET", "/v2/app/manifests/1").body == raw


def test_the_signature_may_be_detached(ours: tuple[Ours, Client]) -> None:
    _, client = ours
    pushed(client)
    signed = client("GET", "/v2/app/manifests/1", Accept=f"{SIGNED}, {PLAIN}").body
    plain = client("GET", "/v2/app/manifests/1", Accept=PLAIN)
    assert (plain.headers["content-type"], plain.body) == (PLAIN, schema1.payload(signed))
    protected, payload, _ = plain.headers["jws-signature"].split(".")
    assert payload == ""
    header = json.loads(base64.urlsafe_b64decode(protected + "=" * (-len(protected) % 4)))
    assert header["formatLength"] < len(plain.body)


def test_of_an_index_the_image_that_old_clients_run_is_offered(ours: tuple[Ours, Client]) -> None:
    _, client = ours
    images = [image({"/a": name}, platform=name) for name in ("linux/arm64", "linux/amd64")]
    for made in images:
        document = json.loads(made.raw)
        for one in (document["config"], *document["layers"]):
            client.upload("app", made.content[Digest(one["digest"])])
        client.put("app", None, made.raw)
    client.put("app", "all", index(images).raw)
    found = client("GET", "/v2/app/manifests/all", Accept=SIGNED)
    layer = json.loads(images[1].raw)["layers"][0]["digest"]
    assert schema1.read(found.body).fs_layers == (layer,)


def test_what_cannot_be_said_in_it_is_not_offered(ours: tuple[Ours, Client]) -> None:
    _, client = ours
    made = image({"/a": "1"}, compression="zstd")
    document = json.loads(made.raw)
    for one in (document["config"], *document["layers"]):
        client.upload("app", made.content[Digest(one["digest"])])
    client.put("app", "1", made.raw)
    assert client("GET", "/v2/app/manifests/1", Accept=SIGNED).codes == ["MANIFEST_UNKNOWN"]


def test_what_an_old_client_pushes_comes_back(ours: tuple[Ours, Client]) -> None:
    server, client = ours
    pushed(client)
    signed = client("GET", "/v2/app/manifests/1", Accept=SIGNED).body
    for digest in schema1.read(signed).fs_layers:
        client.upload("old", client("GET", f"/v2/app/blobs/{digest}").body)
    done = client("PUT", "/v2/old/manifests/1", signed, Content_Type=SIGNED)
    assert done.status == 201
    assert done.headers["docker-content-digest"] == Digest.of(schema1.payload(signed))
    again = client("GET", "/v2/old/manifests/1", Accept=SIGNED).body
    assert schema1.payload(again) == schema1.payload(signed)
    assert [key.id for key in schema1.verify(again)] == [server.old.key_id]


def test_a_forged_manifest_is_refused(ours: tuple[Ours, Client]) -> None:
    _, client = ours
    pushed(client)
    signed = client("GET", "/v2/app/manifests/1", Accept=SIGNED).body
    forged = signed.replace(b'"tag": "1"', b'"tag": "2"')
    refused = client("PUT", "/v2/app/manifests/old", forged, Content_Type=SIGNED)
    assert (refused.status, refused.codes) == (400, ["MANIFEST_INVALID"])


def test_one_whose_layers_are_not_here_is_refused(ours: tuple[Ours, Client]) -> None:
    _, client = ours
    pushed(client)
    signed = client("GET", "/v2/app/manifests/1", Accept=SIGNED).body
    refused = client("PUT", "/v2/other/manifests/1", signed, Content_Type=SIGNED)
    assert (refused.status, refused.codes[0]) == (404, "MANIFEST_BLOB_UNKNOWN")


def test_unless_it_is_asked_for_it_is_not_spoken(tmp_path: Path) -> None:
    app = App(open_registry(tmp_path / "registry"))
    with Running(app) as running:
        client = Client(running.url)
        raw, _ = pushed(client)
        assert client("GET", "/v2/app/manifests/1", Accept=SIGNED).body == raw
        body = json.dumps({"schemaVersion": 1, "fsLayers": [], "history": []}).encode()
        refused = client("PUT", "/v2/app/manifests/old", body, Content_Type=PLAIN)
        assert refused.codes == ["MANIFEST_INVALID"]
    app.close()


def test_the_key_is_kept_and_private(tmp_path: Path) -> None:
    path = tmp_path / "keys/schema1.pem"
    assert Old(path).key_id == Old(path).key_id
    assert os.stat(path).st_mode & 0o777 == 0o600


@pytest.mark.skipif(shutil.which("skopeo") is None, reason="skopeo is not installed")
def test_skopeo_pushes_and_reads_it(ours: tuple[Ours, Client], tmp_path: Path) -> None:
    _, client = ours
    made = image({"/a": "1"}, {"/b": "2"})
    write_oci_dir(made, [(made.root, ("latest",))], tmp_path / "layout")
    name = f"docker://{client.url.removeprefix('http://')}/app:1"
    layout = f"oci:{tmp_path}/layout:latest"
    copy = ["skopeo", "copy", "--format", "v2s1", "--dest-tls-verify=false", layout, name]
    done = subprocess.run(copy, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    kept = client("GET", "/v2/app/manifests/1")
    assert kept.headers["content-type"] == PLAIN
    command = ["skopeo", "inspect", "--tls-verify=false", name]
    seen = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert seen["Architecture"] == "amd64"
    assert len(seen["Layers"]) == 2
