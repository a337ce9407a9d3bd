"""A disk that fills up while a draft is made, or written."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lamina.snapshot import erofs_fault

SCRIPT = """
import os, sys
from pathlib import Path
from lamina.errors import Unavailable
from lamina.fs import mounts
from lamina.oci.digest import ChainID, Digest
from lamina.snapshot import choose, unpack

root = Path(sys.argv[1])
shelf = choose(root, wanted=sys.argv[2])
A, B = ChainID(Digest.of(b"a")), ChainID(Digest.of(b"b"))

def write(size):
    def apply(at):
        fd = os.open("file-%d" % size, os.O_CREAT | os.O_WRONLY, 0o644, dir_fd=at)
        done = 0
        try:
            while done < size:
                done += os.write(fd, bytes(min(size - done, 1 << 16)))
        finally:
            os.close(fd)
    return apply

unpack(shelf, A, None, write(1 << 20))
for turn in range(3):
    try:
        unpack(shelf, B, A, write(4 << 20))
        print("a full disk took it")
    except Unavailable as error:
        assert sys.argv[2] == "copying" and "no space" in str(error) and error.hint, error
    except OSError as error:
        assert "No space" in str(error), error
    assert (shelf.chains(), shelf.drafts()) == ([A], [])
    for place in ("new", "trash"):
        assert os.listdir(f"{shelf.shelf.root}/{place}") == [], place
with mounts.opened(shelf.view(A)) as at:
    assert os.stat("file-%d" % (1 << 20), dir_fd=at).st_size == 1 << 20
shelf.remove(A)
unpack(shelf, B, None, write(1 << 20))
print("whole")
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")
@pytest.mark.skipif(shutil.which("unshare") is None, reason="unshare(1) is missing")
@pytest.mark.parametrize("name", ["overlay", "copying", "erofs"])
def test_a_full_disk_leaves_no_half_tree(tmp_path: Path, name: str) -> None:
    mount = 'mount -t tmpfs -o size=1600k none "$1" && exec "$2" -c "$3" "$1" "$4"'
    command = ["sh", "-c", mount, "sh", str(tmp_path), sys.executable, SCRIPT, name]
    done = subprocess.run(
        ["unshare", "-m", *command], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout, done.stderr, done.returncode) == ("whole\n", "", 0)


LAYER = """
import io, os, sys, tarfile, gzip
from pathlib import Path
from lamina.errors import Error, Unavailable
from lamina.fs import mounts
from lamina.oci.digest import ChainID, Digest
from lamina.snapshot import ErofsSnapshotter
from lamina.snapshot.drawing import draw

root = Path(sys.argv[1])
shelf = ErofsSnapshotter(root, by_loop=True)
A, B = ChainID(Digest.of(b"a")), ChainID(Digest.of(b"b"))

def layer(count, size):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for number in range(count):
            info = tarfile.TarInfo("file-%d" % number)
            info.size = size
            tar.addfile(info, io.BytesIO(bytes(size)))
    return io.BytesIO(gzip.compress(out.getvalue(), 1))

assert draw(shelf, layer(1, 1 << 19)).land(A, None, blob=root)
# Too large a tar; then one that has room, without its image.
for count, size in ((1, 4 << 20), (2000, 0)) * 2:
    try:
        draw(shelf, layer(count, size)).land(B, A, blob=root)
        print("a full disk took it")
    except Unavailable as error:
        assert "no space" in str(error) and error.hint, error
    assert (shelf.chains(), shelf.drafts()) == ([A], [])
    for place in ("new", "trash"):
        assert os.listdir(f"{shelf.shelf.root}/{place}") == [], place
print("whole")
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")
@pytest.mark.skipif(shutil.which("unshare") is None, reason="unshare(1) is missing")
def test_a_full_disk_leaves_no_half_layer(tmp_path: Path) -> None:
    if (fault := erofs_fault(tmp_path, by_loop=True)) is not None:
        pytest.skip(f"EROFS does not work here: {fault}")
    mount = 'mount -t tmpfs -o size=1700k none "$1" && exec "$2" -c "$3" "$1"'
    command = ["sh", "-c", mount, "sh", str(tmp_path), sys.executable, LAYER]
    done = subprocess.run(
        ["unshare", "-m", *command], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout, done.stderr, done.returncode) == ("whole\n", "", 0)
