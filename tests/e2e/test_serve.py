"""`lamina serve` and the clients that others wrote."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import bcrypt
import pytest
from tests.registries import Client, blob

from lamina.oci.digest import Digest

Serve = Callable[..., str]

needs_skopeo = pytest.mark.skipif(shutil.which("skopeo") is None, reason="skopeo is missing")


def lamina(*words: str | Path, root: Path, status: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "lamina", *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "LAMINA_ROOT": str(root)},
    )
    assert done.returncode == status, done.stderr
    return done.stdout + done.stderr


def run(*command: str | Path, status: int = 0) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode == 0) is (status == 0), done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


@pytest.fixture
def serve(root: Path) -> Iterator[Serve]:
    started: list[subprocess.Popen[bytes]] = []

    def start(*words: str | Path, address: str = "127.0.0.1:0") -> str:
        process = subprocess.Popen(
            [sys.executable, "-m", "lamina", "serve", "--addr", address, *words],
            stderr=subprocess.PIPE,
            env={**os.environ, "LAMINA_ROOT": str(root)},
        )
        started.append(process)
        assert process.stderr is not None
        line = process.stderr.readline()
        threading.Thread(target=process.stderr.read, daemon=True).start()
        return str(json.loads(line)["address"])

    yield start
    for process in started:
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(60) == 0


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    """An image layout with one small image called "x"."""
    directory = tmp_path / "layout"
    (directory / "blobs" / "sha256").mkdir(parents=True)

    def put(data: bytes, media_type: str) -> dict[str, object]:
        digest = hashlib.sha256(data).hexdigest()
        (directory / "blobs" / "sha256" / digest).write_bytes(data)
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data)}

    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as archive:
        member = tarfile.TarInfo("hello")
        member.size = 100_000
        archive.addfile(member, io.BytesIO(os.urandom(100_000)))
    kind = "application/vnd.oci.image."
    layer = put(gzip.compress(tar.getvalue()), kind + "layer.v1.tar+gzip")
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [Digest.of(tar.getvalue())]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": kind + "manifest.v1+json",
        "config": put(json.dumps(config).encode(), kind + "config.v1+json"),
        "layers": [layer],
    }
    top = put(json.dumps(manifest).encode(), kind + "manifest.v1+json")
    top["annotations"] = {"org.opencontainers.image.ref.name": "x"}
    (directory / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [top]}))
    (directory / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    return directory


def blobs(layout: Path) -> set[str]:
    return {path.name for path in (layout / "blobs" / "sha256").iterdir()}


@needs_skopeo
@pytest.mark.parametrize("words", [(), ("--workers", "3")], ids=["alone", "workers"])
def test_skopeo_pushes_copies_lists_pulls_and_deletes(
    serve: Serve, layout: Path, tmp_path: Path, words: tuple[str, ...]
) -> None:
    address = serve(*words)
    plain = ["--src-tls-verify=false", "--dest-tls-verify=false", "-q"]
    place = f"docker://{address}/team/x:1"
    run("skopeo", "copy", *plain, f"oci:{layout}:x", place)
    run("skopeo", "copy", *plain, place, f"docker://{address}/other/y:2")
    run("skopeo", "copy", *plain, f"docker://{address}/other/y:2", f"oci:{tmp_path}/back:x")
    assert blobs(tmp_path / "back") == blobs(layout)
    listed = json.loads(run("skopeo", "list-tags", "--tls-verify=false", place[:-2]))
    assert listed["Tags"] == ["1"]
    run("skopeo", "delete", "--tls-verify=false", place)
    run("skopeo", "inspect", "--tls-verify=false", place, status=1)
    run("skopeo", "inspect", "--tls-verify=false", f"docker://{address}/other/y:2")


@needs_skopeo
@pytest.mark.parametrize("mode", ["basic", "token"])
def test_skopeo_logs_in(serve: Serve, layout: Path, tmp_path: Path, mode: str) -> None:
    hashed = bcrypt.hashpw(b"wonderland", bcrypt.gensalt(4)).decode()
    (tmp_path / "users").write_text(f"alice:{hashed}\n")
    config = tmp_path / "serve.toml"
    config.write_text(
        f"auth = {{mode = '{mode}', htpasswd = 'users'}}\n"
        "[[rights]]\nwho = ['alice']\nrepositories = ['team/*']\nactions = ['pull', 'push']\n"
        "[[rights]]\nwho = ['anonymous']\nrepositories = ['team/public']\nactions = ['pull']\n"
    )
    address = serve("--config", config)
    right = ["--dest-creds", "alice:wonderland", "--dest-tls-verify=false", "-q"]
    wrong = ["--dest-creds", "alice:rabbit", "--dest-tls-verify=false", "-q"]
    source = f"oci:{layout}:x"
    run("skopeo", "copy", *right, source, f"docker://{address}/team/public:1")
    run("skopeo", "copy", *right, source, f"docker://{address}/team/secret:1")
    run("skopeo", "copy", *right, source, f"docker://{address}/other/x:1", status=1)
    told = run("skopeo", "copy", *wrong, source, f"docker://{address}/team/x:1", status=1)
    assert "unauthorized" in told
    pull = ["skopeo", "copy", "--src-tls-verify=false", "-q"]
    run(*pull, f"docker://{address}/team/public:1", f"oci:{tmp_path}/back:x")
    assert blobs(tmp_path / "back") == blobs(layout)
    run(*pull, f"docker://{address}/team/secret:1", f"oci:{tmp_path}/none:x", status=1)


@pytest.mark.skipif(shutil.which("podman") is None, reason="podman is missing")
@pytest.mark.skipif(os.geteuid() != 0, reason="podman needs a store of its own")
@needs_skopeo
def test_podman_pulls_and_pushes(serve: Serve, layout: Path) -> None:
    address = serve()
    place = f"{address}/team/x:1"
    run("skopeo", "copy", "-q", "--dest-tls-verify=false", f"oci:{layout}:x", f"docker://{place}")
    with TemporaryDirectory() as short:  # podman wants its paths to be
        podman = ["podman", "--root", f"{short}/p", "--runroot", f"{short}/r"]
        podman += ["--storage-driver", "vfs"]
        run(*podman, "pull", "-q", "--tls-verify=false", place)
        for form in ("oci", "v2s2"):
            target = f"{address}/pod/{form}:2"
            run(*podman, "push", "-q", "--tls-verify=false", "--format", form, place, target)
            run("skopeo", "inspect", "--tls-verify=false", f"docker://{target}")


def test_gc_and_why_kept_beside_a_server(serve: Serve, root: Path) -> None:
    client = Client(f"http://{serve()}")
    digest, _ = client.push("team/app", "x", b"layer")
    loose = client.upload("team/app", blob(100))
    assert "Would free 0 bytes" in lamina("registry", "gc", "--dry-run", root=root)
    told = lamina("registry", "gc", "--dry-run", "--grace", "0s", root=root)
    assert told == f"blob team/app@{loose}\nWould free 100 bytes (100B)\n"
    layer = Digest.of(b"layer")
    told = lamina("registry", "why-kept", f"team/app@{layer}", root=root)
    assert told.splitlines() == [
        f"team/app@{layer}",
        f'  {digest}: the tag "x" means it',
        f"  {layer}: the manifest above refers to it",
    ]
    assert "it is new, until" in lamina("registry", "why-kept", loose, root=root)
    assert "Freed 100 bytes" in lamina("registry", "gc", "--grace", "0s", root=root)
    assert client("GET", f"/v2/team/app/blobs/{loose}").status == 404
    assert client("GET", f"/v2/team/app/blobs/{layer}").body == b"layer"
    told = lamina("registry", "why-kept", loose, root=root, status=1)
    assert "is in no repository here" in told


def test_gc_runs_by_itself_when_told_to(serve: Serve, tmp_path: Path) -> None:
    config = tmp_path / "serve.toml"
    config.write_text("gc = {interval = '50ms', grace = 0}")
    client = Client(f"http://{serve('--config', config)}")
    digest = client.upload("team/app", b"loose")
    while client("HEAD", f"/v2/team/app/blobs/{digest}").status == 200:
        pass


def test_the_images_here_are_served_and_cannot_be_changed(
    serve: Serve, root: Path, layout: Path, tmp_path: Path
) -> None:
    archive = tmp_path / "x.tar"
    with tarfile.open(archive, "w") as tar:
        tar.add(layout, arcname=".")
    lamina("load", "-i", archive, root=root)
    identity = lamina("images", "-q", "--no-trunc", root=root).strip()
    lamina("tag", identity, "alpine:3", root=root)
    lamina("tag", identity, "example.com/other:1", root=root)
    client = Client(f"http://{serve('--local')}")
    names = client("GET", "/v2/_catalog").json["repositories"]
    assert {"docker.io/library/alpine", "library/alpine", "example.com/other"} <= set(names)
    for name in ("docker.io/library/alpine", "library/alpine"):
        assert client("GET", f"/v2/{name}/tags/list").json["tags"] == ["3"]
        found = client("GET", f"/v2/{name}/manifests/3")
        config = found.json["config"]["digest"]
        assert client("GET", f"/v2/{name}/manifests/{Digest.of(found.body)}").body == found.body
        assert Digest.of(client("GET", f"/v2/{name}/blobs/{config}").body) == config
        for layer in found.json["layers"]:
            pulled = client("GET", f"/v2/{name}/blobs/{layer['digest']}")
            assert (pulled.status, len(pulled.body)) == (200, layer["size"])
    other = Digest.of(b"other")
    assert client("GET", f"/v2/library/alpine/blobs/{other}").codes == ["BLOB_UNKNOWN"]
    assert client("GET", "/v2/library/none/tags/list").codes == ["NAME_UNKNOWN"]
    assert client("GET", f"/v2/library/alpine/referrers/{other}").json["manifests"] == []
    for method, rest in (
        ("POST", "blobs/uploads/"),
        ("PUT", "manifests/4"),
        ("DELETE", "manifests/3"),
    ):
        refused = client(method, f"/v2/library/alpine/{rest}")
        assert (refused.status, refused.codes) == (405, ["UNSUPPORTED"])


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--addr", "0.0.0.0:0"], "open to the network"),
        (["--addr", "x"], '"x" is not an address'),
        (["--config", "/absent.toml"], '"/absent.toml"'),
        (["--port", "1"], "unknown flag"),
    ],
)
def test_what_cannot_be_served_is_said(root: Path, words: list[str], told: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "lamina", "serve", *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "LAMINA_ROOT": str(root)},
    )
    assert done.returncode in (1, 125)
    assert told in done.stderr
    assert not root.exists()
