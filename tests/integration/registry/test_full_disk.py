"""A full disk: pushes are refused plainly, pulls go on, and the registry is whole afterwards."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

SCRIPT = """
import os, sys
from pathlib import Path
sys.path[:0] = [sys.argv[2], sys.argv[2] + "/tests"]
from tests.registries import Client, blob, manifest
from lamina.oci.digest import Digest
from lamina.registry import open_registry
from lamina.registry.gc import collect
from lamina.serve.app import App
from lamina.serve.server import Running

root = Path(sys.argv[1])
registry = open_registry(root / "registry", grace=0)
lines = []
app = App(registry, log=lines.append)
with Running(app) as server:
    client = Client(server.url)
    data = blob(20_000)
    digest, raw = client.push("team/app", "x", data)
    big = client("POST", "/v2/team/app/blobs/uploads/").headers["location"]
    assert client("PATCH", big, b"begun ").status == 202

    filler = os.open(root / "filler", os.O_WRONLY | os.O_CREAT)
    size = 1 << 16
    while size:
        try:
            os.write(filler, bytes(size))
        except OSError:
            size //= 2
    os.close(filler)

    refused = 0
    for number in range(60):
        begun = client("POST", "/v2/team/app/blobs/uploads/")
        if begun.status == 202:
            more = blob(300_000)
            put = client("PUT", begun.location, more, query=[("digest", Digest.of(more))])
            assert put.status in (507, 503), (put.status, lines[-1])
        else:
            assert begun.status in (507, 503), (begun.status, lines[-1])
        refused += 1
        put = client("PUT", f"/v2/team/app/manifests/t{number}", raw + b" " * number)
        assert put.status in (201, 507, 503), (put.status, lines[-1])
        if put.status == 201:
            assert client("GET", f"/v2/team/app/manifests/t{number}").status == 200
        assert str(root) not in put.body.decode()
        assert client("GET", "/v2/team/app/manifests/x").body == raw
        assert client("GET", f"/v2/team/app/blobs/{Digest.of(data)}").body == data
    told = client("PATCH", big, blob(3_000_000))
    assert told.status in (507, 503), told.status
    here = int(client("GET", big).headers["range"].partition("-")[2]) + 1

    os.unlink(root / "filler")
    rest = b"x" * 10
    with open(root / "registry" / "uploads" / big.rpartition("/")[2], "rb") as file:
        whole = file.read() + rest
    assert len(whole) == here + 10
    done = client("PUT", big, rest, query=[("digest", Digest.of(whole))])
    assert done.status == 201, (done.status, done.body)
    assert client("GET", done.location).body == whole
    client.push("team/app", "after", blob())
    tags = client("GET", "/v2/team/app/tags/list").json["tags"]
    for tag in tags:
        assert client("GET", f"/v2/team/app/manifests/{tag}").status == 200
app.close()
collect(registry, upload_expiry=0)
assert os.listdir(root / "registry" / "ingest") == []
assert os.listdir(root / "registry" / "uploads") == []
assert registry.metadata._database.one("PRAGMA integrity_check")[0] == "ok"
print("whole")
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")
@pytest.mark.skipif(shutil.which("unshare") is None, reason="unshare(1) is missing")
@pytest.mark.parametrize("size", ["2m", "1m"])
def test_a_full_disk_refuses_pushes_and_loses_nothing(tmp_path: Path, size: str) -> None:
    mount = f'mount -t tmpfs -o size={size} none "$1" && exec "$2" -c "$3" "$1" "$4"'
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", mount, "sh", tmp_path, sys.executable, SCRIPT, ROOT],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.stdout, done.stderr, done.returncode) == ("whole\n", "", 0)
    assert os.listdir(tmp_path) == []
