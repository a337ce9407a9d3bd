"""Clients that push an image to a registry and pull it back, each in its own words."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
import urllib3
from bench.docker import daemon
from tests.interop.servers import PASSWORD, USER, Server

from lamina.oci.digest import Digest

Exchange = Callable[[Server, Path, Path], None]
"""Pushes the OCI layout, pulls it back, and asserts that it is the same: server, layout, place."""


def _run(*command: object, **environment: str) -> str:
    words = [str(word) for word in command]
    if shutil.which(words[0]) is None:
        pytest.skip(f"{words[0]} is not installed")
    done = subprocess.run(
        words, capture_output=True, text=True, check=False, env={**os.environ, **environment}
    )
    assert done.returncode == 0, f"{words}\n{done.stdout}{done.stderr}"
    return done.stdout.strip()


def _flags(server: Server, prefix: str = "") -> list[str]:
    """What skopeo, podman and buildah are told of a server."""
    flags = [f"--{prefix}tls-verify={'true' if server.certificate else 'false'}"]
    if server.certificate is not None:
        flags.append(f"--{prefix}cert-dir={server.certificate.parent}")
    if server.login != "open":
        flags.append(f"--{prefix}creds={USER}:{PASSWORD}")
    return flags


def manifest_digest(layout: Path) -> str:
    return str(json.loads((layout / "index.json").read_text())["manifests"][0]["digest"])


def skopeo(server: Server, layout: Path, place: Path) -> None:
    name = f"docker://{server.address}/skopeo/image:1"
    _run("skopeo", "copy", *_flags(server, "dest-"), f"oci:{layout}:latest", name)
    _run("skopeo", "copy", *_flags(server, "src-"), name, f"oci:{place}/back:latest")
    assert manifest_digest(place / "back") == manifest_digest(layout)
    assert json.loads(_run("skopeo", "list-tags", *_flags(server), name[:-2]))["Tags"] == ["1"]
    _run("skopeo", "delete", *_flags(server), name)


def _storage(program: str, place: Path) -> list[object]:
    """A store of podman's or buildah's own."""
    command: list[object] = [program, "--root", f"{place}/s", "--runroot", f"{place}/r"]
    if program == "podman":
        command += ["--tmpdir", f"{place}/t", "--events-backend", "none"]
    return [*command, "--storage-driver", "vfs"]


def _by_storage(program: str) -> Exchange:
    def exchange(server: Server, layout: Path, place: Path) -> None:
        with tempfile.TemporaryDirectory(dir="/dev/shm") as short:  # podman refuses long paths
            through(server, layout, Path(short))

    def through(server: Server, layout: Path, place: Path) -> None:
        command = _storage(program, place)
        name = f"{server.address}/{program}/image:1"
        image = _run(*command, "pull", "-q", f"oci:{layout}:latest").splitlines()[-1]
        _run(*command, "push", "-q", *_flags(server), image, f"docker://{name}")
        _run(*command, "rmi", image)
        assert _run(*command, "pull", "-q", *_flags(server), name).splitlines()[-1] == image

    return exchange


def _lamina(server: Server, layout: Path, place: Path) -> None:
    name = f"{server.address}/lamina/image:1"
    command = [sys.executable, "-m", "lamina", "--root"]
    environment = {"DOCKER_CONFIG": str(place / "config"), "XDG_RUNTIME_DIR": str(place)}
    if server.certificate is not None:
        environment["SSL_CERT_FILE"] = str(server.certificate)

    def ours(root: str, *words: object) -> str:
        return _run(*command, place / root, *words, **environment)

    if server.login != "open":
        done = subprocess.run(
            [*command, str(place / "a"), "login", "-u", USER, "--password-stdin", server.address],
            input=PASSWORD,
            text=True,
            check=False,
            capture_output=True,
            env={**os.environ, **environment},
        )
        assert done.returncode == 0, done.stderr
    ours("a", "copy", f"oci:{layout}:latest", f"local:{name}")
    ours("a", "push", "-q", name)
    ours("b", "pull", "-q", name)
    assert ours("b", "images", "-q", "--no-trunc") == ours("a", "images", "-q", "--no-trunc")
    assert ours("b", "tags", "--format={{.Tag}}", name[:-2]).split() == ["1"]
    ours("b", "copy", f"docker://{name}", f"docker://{server.address}/lamina/other:2")
    ours("b", "copy", f"docker://{server.address}/lamina/other:2", f"oci:{place}/back:latest")
    assert manifest_digest(place / "back") == manifest_digest(layout)
    assert ours("b", "manifest", "digest", name) == manifest_digest(layout)


def _token(server: Server, scope: str) -> str:
    scheme = "https" if server.certificate else "http"
    url = f"{scheme}://{server.address}/token?service=lamina&scope={scope}"
    verify = str(server.certificate) if server.certificate else None
    with urllib3.PoolManager(ca_certs=verify) as pool:
        headers = urllib3.make_headers(basic_auth=f"{USER}:{PASSWORD}")
        return str(pool.request("GET", url, headers=headers).json()["token"])


def _oras(chunked: bool) -> Exchange:
    def exchange(server: Server, layout: Path, place: Path) -> None:
        client = pytest.importorskip("oras.client").OrasClient(
            insecure=server.certificate is None,
            tls_verify=str(server.certificate) if server.certificate else False,
            auth_backend="basic" if server.login == "basic" else "token",
        )
        if server.login != "open":
            client.login(
                USER,
                PASSWORD,
                hostname=server.address,
                tls_verify=str(server.certificate) if server.certificate else False,
                config_path=str(place / "config.json"),
            )
        if server.login == "token":
            # It keeps the first token that it gets, which would be one for pulling only.
            client.auth.set_token_auth(_token(server, "repository:oras/artifact:pull,push"))
        file = place / "artifact.txt"
        file.write_bytes(os.urandom(200_000))
        name = f"{server.address}/oras/artifact:{'chunked' if chunked else 'whole'}"
        pushed = client.push(
            name,
            files=[f"{file}:text/plain"],
            disable_path_validation=True,
            do_chunked=chunked,
            chunk_size=65_536,
        )
        assert pushed.status_code == 201
        (found,) = client.pull(name, outdir=str(place / "back"))
        assert Path(found).read_bytes() == file.read_bytes()

    return exchange


def _dxf(server: Server, layout: Path, place: Path) -> None:
    dxf = pytest.importorskip("dxf")
    if server.login != "open" and server.certificate is None:
        pytest.skip("it sends passwords over TLS only")

    def log_in(client: object, response: object) -> None:
        client.authenticate(USER, PASSWORD, response=response)  # type: ignore[attr-defined]

    client = dxf.DXF(
        server.address,
        "dxf/blobs",
        log_in if server.login != "open" else None,
        insecure=server.certificate is None,
        tlsverify=str(server.certificate) if server.certificate else False,
    )
    file = place / "blob"
    file.write_bytes(os.urandom(200_000))
    digest = client.push_blob(str(file))
    assert digest == Digest.of(file.read_bytes())
    client.set_alias("latest", digest)
    assert client.get_alias("latest") == [digest]
    assert b"".join(client.pull_blob(digest)) == file.read_bytes()
    assert client.list_aliases() == ["latest"]
    client.del_alias("latest")


def _docker(server: Server, layout: Path, place: Path) -> None:
    """docker-py asks a Docker daemon, which speaks to the registry."""
    docker = pytest.importorskip("docker")
    archive = place / "image.tar"
    copy = [sys.executable, "-m", "lamina", "copy"]
    _run(*copy, f"oci:{layout}:latest", f"docker-archive:{archive}")
    name = f"{server.address}/docker/image"
    login = {"username": USER, "password": PASSWORD} if server.login != "open" else None
    with ExitStack() as stack:
        short = stack.enter_context(tempfile.TemporaryDirectory(dir="/dev/shm"))
        try:
            words = stack.enter_context(daemon(Path(short)))
        except OSError as error:
            pytest.skip(str(error))
        client = stack.enter_context(closing(docker.DockerClient(base_url=words[-1])))
        (image,) = client.images.load(archive.read_bytes())
        image.tag(name, "1")
        said = list(client.images.push(name, "1", auth_config=login, stream=True, decode=True))
        assert not [line for line in said if "error" in line], said
        client.images.remove(image.id, force=True)
        assert client.images.pull(name, "1", auth_config=login).id == image.id


CLIENTS: dict[str, Exchange] = {
    "lamina": _lamina,
    "skopeo": skopeo,
    "podman": _by_storage("podman"),
    "buildah": _by_storage("buildah"),
    "oras-py, chunked": _oras(True),
    "oras-py, whole": _oras(False),
    "python-dxf": _dxf,
    "docker-py": _docker,
}
