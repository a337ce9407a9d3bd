"""A full disk: said plainly, and the store is whole afterwards."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import json, os, sys
from pathlib import Path
from lamina.errors import Unavailable
from lamina.oci import media_type
from lamina.oci.descriptor import Descriptor
from lamina.store import Store

root = Path(sys.argv[1])
store = Store.open(root / "store")

def manifest(n):
    config = store.blobs.put(json.dumps({"n": n}).encode())
    data = json.dumps({"config": {"digest": config, "mediaType": "x", "size": 1}}).encode()
    return Descriptor(media_type.OCI_MANIFEST, store.blobs.put(data), len(data))

def refused(work):
    try:
        work()
    except Unavailable as error:
        assert "no space" in str(error) or "database" in str(error), error
        assert error.hint
        return True
    return False

first = manifest(1)
second = manifest(2)
store.names.tag("first", first)
store.records.put("kind", "key", b"value", now=1)

def large():
    with store.ingest() as ingest:
        for _ in range(1000):
            ingest.write(os.urandom(1 << 16))
        ingest.commit()

assert refused(large), "a blob larger than the disk was taken"
assert os.listdir(root / "store" / "ingest") == [], "a part of it stayed"

# Not a byte left: neither for index.json nor for the database's log.
filler = os.open(root / "filler", os.O_WRONLY | os.O_CREAT)
size = 1 << 16
while size:
    try:
        os.write(filler, bytes(size))
    except OSError:
        size //= 2
os.close(filler)

told = 0
for number in range(200):
    told += refused(lambda: store.names.tag(f"name-{number}", second))
    told += refused(lambda: store.records.put("kind", f"k{number}", bytes(5000), now=1))
    told += refused(lambda: store.blobs.put(bytes(5000 + number)))
assert told > 200, told
assert store.names.resolve("first") == first
assert store.records.get("kind", "key") == b"value"
listed = {named.name for named in store.names.list()}
store.close()

os.unlink(root / "filler")
store = Store.open(root / "store")
assert {named.name for named in store.names.list()} == listed
store.names.tag("after", second)
shown = {
    entry.get("annotations", {}).get("org.opencontainers.image.ref.name")
    for entry in json.loads((root / "store" / "index.json").read_bytes())["manifests"]
}
assert shown == listed | {"after"}, shown
assert store.database.one("PRAGMA integrity_check")[0] == "ok"
store.gc()
for digest, _ in store.blobs.all():
    store.blobs.read(digest)
assert os.listdir(root / "store" / "ingest") == []
print("whole")
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")
@pytest.mark.skipif(shutil.which("unshare") is None, reason="unshare(1) is missing")
@pytest.mark.parametrize("size", ["3m", "1m"])
def test_a_full_disk_is_unavailable_and_the_store_stays_whole(tmp_path: Path, size: str) -> None:
    mount = f'mount -t tmpfs -o size={size} none "$1" && exec "$2" -c "$3" "$1"'
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", mount, "sh", str(tmp_path), sys.executable, SCRIPT],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.stdout, done.stderr, done.returncode) == ("whole\n", "", 0)
    assert os.listdir(tmp_path) == []
