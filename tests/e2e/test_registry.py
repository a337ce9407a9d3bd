"""The commands that speak to registries, as typed; beside skopeo and Debian's registry."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests import places
from tests.e2e.machine import Machine
from tests.integration.transfer.test_pull import LAYERS, indexed, noise, put, tar
from tests.registry import Handler, Registry, serving, times

needs_skopeo = pytest.mark.skipif(shutil.which("skopeo") is None, reason="needs skopeo")


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path / "store")


@pytest.fixture
def registry() -> Iterator[Registry]:
    with serving() as registry:
        yield registry


@pytest.fixture
def distribution(tmp_path: Path) -> Iterator[str]:
    """Debian's registry on a port of loopback; its host."""
    program = shutil.which("docker-registry")
    if program is None:
        pytest.skip("needs docker-registry")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{free.getsockname()[1]}"
    settings = tmp_path / "registry.yml"
    settings.write_text(
        "version: 0.1\n"
        "log: {level: error, accesslog: {disabled: true}}\n"
        "storage:\n"
        f"  filesystem: {{rootdirectory: {tmp_path}/registry}}\n"
        "  delete: {enabled: true}\n"
        f"http: {{addr: {host}}}\n"
    )
    server = subprocess.Popen([program, "serve", str(settings)], stderr=subprocess.DEVNULL)
    try:
        for _ in range(500):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", int(host.rpartition(":")[2]))) == 0:
                    break
            if server.poll() is not None:
                pytest.skip("docker-registry does not run here")
            threading.Event().wait(0.01)
        yield host
    finally:
        server.terminate()
        server.wait()


def test_pull_speaks_dockers_words(registry: Registry, machine: Machine) -> None:
    root = put(registry, *LAYERS)
    name = f"{registry.host}/x:1"
    done = machine.run("pull", name)
    assert done.stdout.decode().splitlines() == [
        f"1: Pulling from {registry.host}/x",
        f"Digest: {root.digest}",
        f"Status: Downloaded newer image for {name}",
        name,
    ]
    lines = done.stderr.decode().splitlines()
    assert sum(line.endswith(": Pulling fs layer") for line in lines) == len(LAYERS)
    assert sum(line.endswith(": Download complete") for line in lines) == len(LAYERS)
    again = machine.lines("pull", name)
    assert f"Status: Image is up to date for {name}" in again
    assert machine.lines("pull", "-q", name) == [name]
    assert machine.run("pull", "-q", name).stderr == b""


def test_events_come_as_json(registry: Registry, machine: Machine) -> None:
    put(registry, *LAYERS)
    done = machine.run("pull", "--progress", "rawjson", f"{registry.host}/x:1")
    events = [json.loads(line) for line in done.stderr.splitlines()]
    assert {"waiting", "done"} <= {event["status"] for event in events}
    assert all(event["current"] <= event["total"] for event in events)


def test_all_tags_are_pulled(registry: Registry, machine: Machine) -> None:
    for tag in ("1", "2"):
        put(registry, *LAYERS[: int(tag)], tag=tag)
    assert machine.lines("pull", "-aq", f"{registry.host}/x") == [f"{registry.host}/x"]
    listed = machine.lines("images", "--format", "{{.Tag}}")
    assert sorted(listed) == ["1", "2"]


def test_a_tag_with_a_digest_is_pulled_by_the_digest(registry: Registry, machine: Machine) -> None:
    root = put(registry, *LAYERS)
    out = machine.lines("pull", f"{registry.host}/x:whatever@{root.digest}")
    assert out[-1] == f"{registry.host}/x@{root.digest}"


def test_what_there_is_not_is_said_in_a_word(registry: Registry, machine: Machine) -> None:
    said = machine.fails("pull", "-q", f"{registry.host}/x:1")
    assert said.startswith("lamina: ")
    assert "is not in the registry" in said


def test_platforms_exclude_each_other(registry: Registry, machine: Machine) -> None:
    machine.fails("pull", "--platform", "linux/arm64", "--all-platforms", "x", status=125)


def test_a_pull_killed_in_the_middle_goes_on_where_it_was(
    registry: Registry, machine: Machine
) -> None:
    size = 8_000_000
    put(registry, tar(("large", noise(size))))
    digest, data = max(registry.blobs["x"].items(), key=lambda item: len(item[1]))
    half, wait = threading.Event(), threading.Event()

    def hold(handler: Handler) -> bool:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data[: size // 2])
        handler.wfile.flush()
        handler.request_seen.sent += size // 2
        half.set()
        wait.wait(20)
        handler.close_connection = True
        return True

    registry.faults.append(times(1, digest, "GET", hold))
    name = f"{registry.host}/x:1"
    pulling = subprocess.Popen(
        [sys.executable, "-m", "lamina", "pull", "-q", name], env=machine.environment
    )
    assert half.wait(20)
    partial = machine.root / "partial" / digest.replace(":", "-")
    while not partial.exists() or partial.stat().st_size < size // 2:
        assert pulling.poll() is None
        wait.wait(0.01)
    pulling.send_signal(signal.SIGKILL)
    pulling.wait()
    wait.set()
    assert machine.lines("images", "-q") == []
    machine.run("pull", "-q", name)
    assert registry.requests("GET", digest)[-1].headers["range"] == f"bytes={size // 2}-"
    assert registry.served(digest) == len(data)
    assert machine.out("image", "inspect", name)
    assert list((machine.root / "partial").iterdir()) == []


def test_control_c_ends_a_pull_at_once_and_keeps_what_came(
    registry: Registry, machine: Machine
) -> None:
    put(registry, tar(("large", noise(8_000_000))))
    digest, data = max(registry.blobs["x"].items(), key=lambda item: len(item[1]))
    half, wait = threading.Event(), threading.Event()

    def hold(handler: Handler) -> bool:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data[:4_000_000])
        handler.wfile.flush()
        half.set()
        wait.wait(20)
        handler.close_connection = True
        return True

    registry.faults.append(times(1, digest, "GET", hold))
    pulling = subprocess.Popen(
        [sys.executable, "-m", "lamina", "pull", "-q", f"{registry.host}/x:1"],
        env=machine.environment,
        stderr=subprocess.PIPE,
    )
    assert half.wait(20)
    partial = machine.root / "partial" / digest.replace(":", "-")
    while not partial.exists() or partial.stat().st_size < 4_000_000:
        wait.wait(0.01)
    pulling.send_signal(signal.SIGINT)
    _, said = pulling.communicate(timeout=10)
    wait.set()
    assert (pulling.returncode, said) == (130, b"")
    assert partial.stat().st_size == 4_000_000


def test_push_speaks_dockers_words(registry: Registry, machine: Machine, tmp_path: Path) -> None:
    archive = tmp_path / "rootfs.tar"
    archive.write_bytes(tar(("a", b"1" * 10_000)))
    name = f"{registry.host}/x:1"
    machine.run("import", archive, name)
    out = machine.lines("push", name)
    raw = registry.manifests["x"]["1"][1]
    digest = places.Digest.of(raw)
    assert out == [
        f"The push refers to repository [{registry.host}/x]",
        f"1: digest: {digest} size: {len(raw)}",
    ]
    machine.run("tag", name, f"{registry.host}/x:2")
    assert machine.lines("push", "-qa", f"{registry.host}/x") == [
        name,
        f"{registry.host}/x:2",
    ]
    assert registry.manifests["x"]["2"] == registry.manifests["x"]["1"]
    assert "zstd has no level 99" in machine.fails(
        "push", "-q", "--compression", "zstd", "--compression-level", "99", name
    )
    machine.fails("push", "--compression", "lzma", name, status=125)


def test_a_build_is_pushed_under_each_of_its_names(
    registry: Registry, machine: Machine, tmp_path: Path
) -> None:
    (tmp_path / "context").mkdir()
    (tmp_path / "context/Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n")
    names = [f"{registry.host}/x:1", f"{registry.host}/y:2"]
    context = tmp_path / "context"
    machine.run("build", "-q", "--push", "-t", names[0], "-t", names[1], context)
    assert registry.manifests["x"]["1"] == registry.manifests["y"]["2"]
    said = machine.run("build", "-q", "--push", context, status=125).stderr
    assert b"--push needs a name" in said


def test_tags_and_repositories_are_listed(registry: Registry, machine: Machine) -> None:
    put(registry, *LAYERS[:1], tag="1")
    put(registry, *LAYERS[:1], tag="2")
    assert machine.lines("tags", "-q", f"{registry.host}/x") == ["1", "2"]
    assert machine.lines("tags", f"{registry.host}/x")[0].split() == ["REPOSITORY", "TAG"]
    assert machine.lines("catalog", registry.host) == ["REPOSITORY", "x"]
    (line,) = machine.lines("catalog", "--format", "json", registry.host)
    assert json.loads(line) == {"Registry": registry.host, "Repository": "x"}


def test_a_manifest_is_shown_as_it_is(registry: Registry, machine: Machine) -> None:
    root, images = indexed(registry)
    name = f"{registry.host}/x:1"
    raw = registry.manifests["x"]["1"][1]
    assert machine.run("manifest", "get", "--raw", name).stdout == raw
    assert json.loads(machine.out("manifest", "inspect", name)) == json.loads(raw)
    assert machine.lines("manifest", "digest", name) == [root.digest]
    arm = machine.lines("manifest", "digest", "--platform", "linux/arm64", name)
    assert arm == [images["linux/arm64"].digest]
    machine.run("manifest", "rm", name)
    machine.fails("manifest", "digest", f"{registry.host}/x@{root.digest}")


def test_an_image_is_inspected_where_it_is(registry: Registry, machine: Machine) -> None:
    root = put(registry, *LAYERS)
    name = f"{registry.host}/x:1"
    (found,) = json.loads(machine.out("inspect", "--remote", name))
    assert found["Descriptor"]["digest"] == root.digest
    assert len(found["RootFS"]["Layers"]) == len(LAYERS)
    assert not [one for one in registry.requests("GET", "blobs") if one.sent > 10_000]
    machine.run("pull", "-q", name)
    (local,) = json.loads(machine.out("image", "inspect", name))
    for key in ("Id", "Config", "RootFS", "Architecture", "Os", "Created", "RepoTags"):
        assert local[key] == found[key], key


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to run containers")
def test_what_is_not_here_is_pulled_for_a_build_and_a_run(
    distribution: str, machine: Machine, tmp_path: Path
) -> None:
    layout = Path(__file__).parents[2] / "../shared/images/alpine-minirootfs-3.20.3-x86_64.tar.gz"
    if not layout.exists():
        pytest.skip("needs the shared images")
    name = f"{distribution}/alpine:3"
    machine.run("import", layout, name)
    machine.run("push", "-q", name)
    there = Machine(tmp_path / "other")
    done = there.run("run", "--rm", name, "cat", "/etc/alpine-release")
    assert done.stdout == b"3.20.3\n"
    assert f"Unable to find image '{name}' locally".encode() in done.stderr
    assert there.run("run", "--rm", "-q", name, "true").stderr == b""
    third = Machine(tmp_path / "third")
    dockerfile = f"FROM scratch\nCOPY --from={name} /etc/alpine-release /v\n".encode()
    third.run("build", "-q", "-t", "built", "-", stdin=dockerfile)
    out = third.run("save", "--format", "oci", "built").stdout
    assert b"3.20.3" in out
    machine.run("import", layout, name, "-c", "ENV NEW=1")
    machine.run("push", "-q", name)
    again = f"FROM {name}\nRUN echo $NEW > /new\n".encode()
    assert b"pull" in third.run("build", "--pull", "-t", "newer", "-", stdin=again).stderr
    assert third.out("run", "--rm", "newer", "cat", "/new") == "1\n"


@needs_skopeo
def test_skopeo_reads_what_is_pushed_and_is_read(
    distribution: str, machine: Machine, tmp_path: Path
) -> None:
    archive = tmp_path / "rootfs.tar"
    archive.write_bytes(LAYERS[0])
    machine.run("import", archive, f"{distribution}/x:1")
    for compression in ("gzip", "zstd"):
        machine.run("push", "-q", "--compression", compression, f"{distribution}/x:1")
        target = f"oci:{tmp_path}/{compression}:1"
        skopeo("copy", "--src-tls-verify=false", f"docker://{distribution}/x:1", target)
        machine.run("copy", target, f"from-{compression}:1")
        theirs = skopeo("inspect", "--raw", target)
        assert machine.run("manifest", "get", "--raw", f"{distribution}/x:1").stdout == theirs
    skopeo(
        "copy",
        "--dest-tls-verify=false",
        f"oci:{tmp_path}/gzip:1",
        f"docker://{distribution}/y:1",
    )
    machine.run("pull", f"{distribution}/y:1")


def test_a_layer_is_not_sent_twice_to_distribution(
    distribution: str, machine: Machine, tmp_path: Path
) -> None:
    archive = tmp_path / "rootfs.tar"
    archive.write_bytes(tar(("large", noise(5_000_000))))
    machine.run("import", archive, f"{distribution}/x:1")
    first = machine.run("push", f"{distribution}/x:1")
    assert b": Pushed" in first.stderr
    machine.run("tag", f"{distribution}/x:1", f"{distribution}/y:1")
    assert b": Layer already exists" in machine.run("push", f"{distribution}/x:1").stderr
    assert b": Mounted from another" in machine.run("push", f"{distribution}/y:1").stderr


@contextmanager
def cutting(host: str, *limits: int) -> Iterator[tuple[str, list[int]]]:
    """A way to `host` whose first connections break after so many bytes; and what went there."""
    name, _, port = host.rpartition(":")
    left = list(limits)
    listener = socket.create_server(("127.0.0.1", 0))
    ends: list[socket.socket] = []
    sent: list[int] = []

    def pump(source: socket.socket, target: socket.socket, limit: int | None) -> None:
        try:
            while data := source.recv(1 << 16):
                target.sendall(data)
                if target in ends[1::2]:
                    sent.append(len(data))
                if limit is not None and (limit := limit - len(data)) < 0:
                    break
        except OSError:
            pass
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def serve() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            server = socket.create_connection((name, int(port)))
            ends.extend((client, server))
            limit = left.pop(0) if left else None
            for pair in ((client, server, limit), (server, client, None)):
                threading.Thread(target=pump, args=pair, daemon=True).start()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}", sent
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
        for end in (listener, *ends):
            end.close()


def test_a_push_to_distribution_goes_on_where_the_line_broke(
    distribution: str, machine: Machine, tmp_path: Path
) -> None:
    archive = tmp_path / "rootfs.tar"
    archive.write_bytes(tar(("large", noise(16_000_000))))
    with cutting(distribution, 5_000_000, 5_000_000) as (host, sent):
        machine.run("import", archive, f"{host}/x:1")
        machine.run("push", "-q", f"{host}/x:1")
        # What was on the line when it broke goes twice, and not all of it.
        assert 16_000_000 < sum(sent) < 24_000_000
        there = Machine(tmp_path / "there")
        there.run("pull", "-q", f"{host}/x:1")


def skopeo(*argv: str) -> bytes:
    return subprocess.run(["skopeo", *argv], check=True, capture_output=True).stdout


def test_an_alias_leads_to_its_registry(
    registry: Registry, machine: Machine, tmp_path: Path
) -> None:
    put(registry, *LAYERS)
    config = Path(machine.environment["HOME"], ".config/containers")
    config.mkdir(parents=True)
    (config / "registries.conf").write_text(f'[aliases]\nshort = "{registry.host}/x"\n')
    assert machine.lines("pull", "-q", "short:1") == [f"{registry.host}/x:1"]


def test_the_keys_of_an_old_manifest_are_shown(registry: Registry, machine: Machine) -> None:
    from tests.integration.transfer.test_pull import as_schema1

    from lamina.oci import schema1

    raw = as_schema1(registry)
    (key,) = schema1.verify(raw)
    assert machine.lines("manifest", "verify", f"{registry.host}/x:old") == [f"{key.id}  EC"]
    put(registry, *LAYERS)
    assert "carries no signatures" in machine.fails("manifest", "verify", f"{registry.host}/x:1")
