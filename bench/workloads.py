"""Archives to measure with, made by a script from a seed: the same bytes on every machine."""

from __future__ import annotations

import hashlib
import io
import json
import os
import random
import subprocess
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

_WORDS = (  # noqa: SIM905
    "module exports require function return const index server client promise buffer stream "
    "value object string number error callback options config default prototype static async "
    "await import from class extends super this undefined null true false typeof instanceof "
).split()


def node_modules(out: BinaryIO, *, entries: int = 44_000, size: int = 200_000_000) -> int:
    """A layer of many small files in deep folders, as `npm install` leaves them; its entries.

    Nine entries in ten are files, of sizes spread as theirs are, of text that deflates to a third
    or less; with some links and executables among them.
    """
    random_ = random.Random(44)
    text = _text(random_, 4 << 20)
    noise = random_.randbytes(1 << 20)
    mean = size / (entries * 0.88)
    count = 0
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        package = 0
        while count < entries:
            package += 1
            scope = f"@scope{package % 40}/" if package % 5 == 0 else ""
            top = f"app/node_modules/{scope}package-{package}"
            count += _package(tar, random_, top, text, noise, mean, entries - count)
    return count


def _package(
    tar: tarfile.TarFile,
    random_: random.Random,
    top: str,
    text: bytes,
    noise: bytes,
    mean: float,
    room: int,
) -> int:
    folders = [top, f"{top}/lib", f"{top}/dist", f"{top}/dist/cjs", f"{top}/node_modules/.bin"]
    folders = folders[: random_.randint(2, 5)]
    made = 0
    for folder in folders:
        _add(tar, folder, tarfile.DIRTYPE, 0o755)
        made += 1
    for serial in range(random_.randint(10, 50)):
        folder = random_.choice(folders)
        size = min(int(random_.expovariate(1 / mean)), 2_000_000)
        start = random_.randrange(len(text) - min(size, len(text) - 1))
        data = text[start : start + size]
        data += text[: size - len(data)]
        if serial % 6 == 0:  # minified or binary: it hardly deflates
            cut = size // 3
            data = noise[:cut] + data[cut:]
        mode = 0o755 if serial % 17 == 0 else 0o644
        _add(tar, f"{folder}/file-{serial}.js", tarfile.REGTYPE, mode, data)
        made += 1
        if made >= room:
            return made
    _add(tar, f"{top}/link", tarfile.SYMTYPE, 0o777, link="lib")
    return made + 1


def large_files(out: BinaryIO, *, files: int = 8, size: int = 128 << 20) -> int:
    """A layer of a few large files, half of them compressible; its entries."""
    random_ = random.Random(8)
    text = _text(random_, 16 << 20)
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for serial in range(files):
            noise = random_.randbytes(16 << 20)
            block = text if serial % 2 else noise
            data = (block * (size // len(block) + 1))[:size]
            _add(tar, f"data/large-{serial}.bin", tarfile.REGTYPE, 0o644, data)
    return files


def debian(out: BinaryIO, *, suite: str = "bookworm") -> int:
    """A Debian base as one layer; its entries. OSError without mmdebstrap or Debian's mirrors.

    What it holds is what the mirrors have; its times are cut to one.
    """
    command = ["mmdebstrap", "--quiet", "--variant=minbase", suite, "-"]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": "1750000000"}
    subprocess.run(command, stdout=out, stderr=subprocess.DEVNULL, check=True, env=environment)
    out.flush()
    with tarfile.open(out.name) as tar:
        return sum(1 for _ in tar)


def small_layer(out: BinaryIO, *, serial: int, files: int = 50) -> int:
    """A layer as one step of a build leaves it: some small files in a folder of their own."""
    random_ = random.Random(serial)
    text = _text(random_, 16 << 10)
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        _add(tar, f"step-{serial}", tarfile.DIRTYPE, 0o755)
        for number in range(files):
            name = f"step-{serial}/file-{number}.js"
            _add(tar, name, tarfile.REGTYPE, 0o644, text[: random_.randint(100, 8000)])
    return files + 1


def context(place: Path, *, files: int = 50_000) -> Path:
    """A directory of many small files to build from, as a large work tree has them."""
    random_ = random.Random(50)
    text = _text(random_, 64 << 10)
    made = place / "context"
    for serial in range(files):
        folder = made / f"src/part-{serial // 2500}/module-{serial // 100}"
        if serial % 100 == 0:
            folder.mkdir(parents=True)
        start = random_.randrange(60_000)
        size = int(random_.expovariate(1 / 1500))
        (folder / f"file-{serial}.js").write_bytes(text[start : start + size])
    (made / "Dockerfile").write_text("FROM localhost/bench:base\nCOPY . /app\n")
    return made


def layout(place: Path, layers: Iterable[tuple[bytes, bytes]]) -> Path:
    """An OCI layout at `place`, of one image; of each layer the gzipped bytes and the plain."""
    made = place / "layout"
    (made / "blobs/sha256").mkdir(parents=True)

    def put(data: bytes) -> dict[str, object]:
        digest = hashlib.sha256(data).hexdigest()
        (made / "blobs/sha256" / digest).write_bytes(data)
        return {"digest": f"sha256:{digest}", "size": len(data)}

    kind = "application/vnd.oci.image"
    described, diff_ids = [], []
    for blob, plain in layers:
        described.append({"mediaType": f"{kind}.layer.v1.tar+gzip", **put(blob)})
        diff_ids.append(f"sha256:{hashlib.sha256(plain).hexdigest()}")
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{kind}.manifest.v1+json",
        "config": {"mediaType": f"{kind}.config.v1+json", **put(json.dumps(config).encode())},
        "layers": described,
    }
    entry = {
        "mediaType": f"{kind}.manifest.v1+json",
        **put(json.dumps(manifest).encode()),
        "annotations": {"org.opencontainers.image.ref.name": "latest"},
    }
    (made / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    (made / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    return made


def _add(
    tar: tarfile.TarFile, name: str, kind: bytes, mode: int, data: bytes = b"", link: str = ""
) -> None:
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.size, info.linkname = kind, mode, len(data), link
    info.mtime = 1_700_000_000 + len(name)
    tar.addfile(info, io.BytesIO(data) if data else None)


def text(size: int) -> bytes:
    """Words that deflate to a third."""
    return _text(random.Random(size), size)


def _text(random_: random.Random, size: int) -> bytes:
    parts = []
    length = 0
    while length < size:
        word = random_.choice(_WORDS) if random_.random() < 0.8 else f"v{random_.getrandbits(24):x}"
        part = word + random_.choice((" ", " ", "(", ")", ";\n", ", ", " = ", ".", "{\n", "}\n"))
        parts.append(part)
        length += len(part)
    return "".join(parts).encode()[:size]
