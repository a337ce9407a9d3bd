"""How fast a registry answers, beside Debian's docker-registry and any other distribution.

    python -m bench serve [--runs N] [--seconds S] [--root DIRECTORY] [--workers N]

Every server runs at once on a port of its own, with the same content pushed to each; they are
asked in turn (A B A B ...). Requests a second come from wrk and ab, with 32 connections;
large blobs are moved by curl. A newer distribution takes part where DISTRIBUTION names its binary.
Lamina is started with its modules compiled, as an installed one has them; it writes its access log,
the others write none. Beside their start-up stands the least that can be had in Python: no module
but those in C for sockets and SQLite, an empty database opened, and one answer that is always the
same.
"""

from __future__ import annotations

import argparse
import hashlib
import http.client
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

TAGS = 10_000
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
BARE = """
import sys, _socket, _sqlite3
database = _sqlite3.connect(sys.argv[1])
database.execute("PRAGMA journal_mode=WAL")
database.execute("CREATE TABLE IF NOT EXISTS things (name)")
listener = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
listener.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
listener.bind(("127.0.0.1", int(sys.argv[2])))
listener.listen(16)
while True:
    client = _socket.socket(fileno=listener._accept()[0])
    client.recv(4096)
    client.send(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\nConnection: close\\r\\n\\r\\n{}")
    client.close()
"""
CONFIG = """version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage: {{filesystem: {{rootdirectory: {root}}}, delete: {{enabled: true}}}}
http: {{addr: 127.0.0.1:{port}}}
"""


@dataclass(frozen=True)
class Server:
    """A registry that runs."""

    name: str
    port: int
    pid: int
    start: float  # seconds until it answered

    def ask(
        self, method: str, path: str, body: bytes = b"", kind: str = "application/octet-stream"
    ) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        connection.request(method, path, body, {"Content-Type": kind})
        answer = connection.getresponse()
        answer.read()
        connection.close()
        if answer.status >= 400:
            raise RuntimeError(f"{self.name}: {method} {path}: {answer.status}")
        return answer

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def upload(self) -> str:
        """Where a new upload goes, ready for more of the query."""
        location = self.ask("POST", "/v2/bench/blobs/uploads/").headers["Location"]
        location = re.sub("^http://[^/]+", "", location)
        return location + ("&" if "?" in location else "?")

    def memory(self) -> float:
        """MiB that the server and its children hold."""
        return self._sum("status", "VmRSS")

    def share(self) -> float:
        """MiB, where a page that several processes have counts once for all of them."""
        return self._sum("smaps_rollup", "Pss")

    def _sum(self, file: str, field: str) -> float:
        pids = [self.pid, *_children(self.pid)]
        fields = [Path(f"/proc/{pid}/{file}").read_text() for pid in pids]
        return sum(int(re.findall(rf"{field}:\s+(\d+)", text)[0]) for text in fields) / 1024


def _children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(word) for word in text.split()]


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def _running(
    name: str, command: list[str], port: int, environment: dict[str, str] | None = None
) -> Iterator[Server]:
    begun = time.perf_counter()
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment
    ) as process:
        try:
            while True:
                try:
                    probe = http.client.HTTPConnection("127.0.0.1", port)
                    probe.request("GET", "/v2/")
                    probe.getresponse().read()
                    break
                except OSError:
                    if process.poll() is not None or time.perf_counter() - begun > 20:
                        raise RuntimeError(f"{name} does not start") from None
                    time.sleep(0.002)
            yield Server(name, port, process.pid, time.perf_counter() - begun)
        finally:
            process.terminate()


@contextmanager
def lamina(place: Path, workers: int = 1) -> Iterator[Server]:
    script = shutil.which("lamina", path=os.path.dirname(sys.executable)) or "lamina"
    port = _free_port()
    command = [script, "serve", "--addr", f"127.0.0.1:{port}", "--root", str(place / "lamina")]
    command += ["--workers", str(workers)] if workers > 1 else []
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(place / "compiled")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    for _ in range(2):  # what is compiled once need not be again
        with _running("lamina", command, port, environment):
            pass
    with _running("lamina", command, port, environment) as server:
        yield server


@contextmanager
def distribution(name: str, binary: str, place: Path) -> Iterator[Server]:
    port = _free_port()
    config = place / f"{name}.yml"
    config.write_text(CONFIG.format(root=place / name, port=port))
    with _running(name, [binary, "serve", str(config)], port) as server:
        yield server


@contextmanager
def bare(place: Path) -> Iterator[Server]:
    """Python, and nothing of a registry."""
    port = _free_port()
    command = [sys.executable, "-c", BARE, str(place / "database"), str(port)]
    with _running("bare Python", command, port) as server:
        yield server


def _fill(server: Server) -> str:
    """Push one image, and give it all the tags; the digest of its small blob."""
    small = hashlib.sha256(b"lamina").digest() * 64
    digest = f"sha256:{hashlib.sha256(small).hexdigest()}"
    server.ask("PUT", f"{server.upload()}digest={digest}", small)
    blob = {"mediaType": "application/octet-stream", "digest": digest, "size": len(small)}
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": blob, "layers": [blob] * 8}
    body = json.dumps(manifest).encode()
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    for serial in range(TAGS):
        path = f"/v2/bench/manifests/tag-{serial}"
        connection.request("PUT", path, body, {"Content-Type": MANIFEST})
        answer = connection.getresponse()
        answer.read()
        if answer.status != 201:
            raise RuntimeError(f"{server.name}: {path}: {answer.status}")
    connection.close()
    return digest


def _rate(server: Server, path: str, seconds: int) -> float:
    """GETs a second."""
    command = ["wrk", "-t2", "-c32", f"-d{seconds}s", "-H", f"Accept: {MANIFEST}"]
    said = _said([*command, server.url(path)])
    if "Non-2xx" in said:
        raise RuntimeError(f"{server.name}: {path}: {said}")
    return float(re.findall(r"Requests/sec:\s+([\d.]+)", said)[0])


def _head_rate(server: Server, path: str, seconds: int) -> float:
    """HEADs a second; by ab, for wrk waits for their bodies."""
    command = ["ab", "-q", "-i", "-k", "-c32", f"-t{seconds}", "-n1000000"]
    said = _said([*command, "-H", f"Accept: {MANIFEST}", server.url(path)])
    if re.search(r"Non-2xx|Failed requests:\s+[1-9]", said):
        raise RuntimeError(f"{server.name}: {path}: {said}")
    return float(re.findall(r"Requests per second:\s+([\d.]+)", said)[0])


def _said(command: list[str]) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def _curl(*arguments: str) -> float:
    begun = time.perf_counter()
    subprocess.run(["curl", "-sSf", *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begun


def _put(server: Server, blob: Path, digest: str) -> float:
    """MB/s of a whole upload, and so of hashing and writing too."""
    url = server.url(f"{server.upload()}digest={digest}")
    octets = "Content-Type: application/octet-stream"
    taken = _curl("-T", str(blob), "-H", octets, "-H", "Expect:", url)
    return blob.stat().st_size / taken / 1e6


def _get(server: Server, size: int, digest: str) -> float:
    """MB/s of a whole download."""
    url = server.url(f"/v2/bench/blobs/{digest}")
    return size / _curl("-o", "/dev/null", url) / 1e6


def _commit(server: Server, data: bytes) -> float:
    """Milliseconds from the last byte of a chunk to the answer that the blob is kept."""
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    location = server.upload()
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
    headers = {"Content-Type": "application/octet-stream"}
    connection.request("PATCH", location.rstrip("?&"), data, headers)
    answer = connection.getresponse()
    answer.read()
    location = re.sub("^http://[^/]+", "", answer.headers["Location"])
    location += "&" if "?" in location else "?"
    begun = time.perf_counter()
    connection.request("PUT", f"{location}digest={digest}", headers={"Content-Length": "0"})
    answer = connection.getresponse()
    answer.read()
    if answer.status != 201:
        raise RuntimeError(f"{server.name}: commit: {answer.status}")
    return (time.perf_counter() - begun) * 1000


def _delete(server: Server, digest: str) -> None:
    try:
        server.ask("DELETE", f"/v2/bench/blobs/{digest}")
    except RuntimeError:
        pass  # it was not there


def _table(title: str, unit: str, found: dict[str, list[float]], *, more: bool) -> None:
    """Each server's median, spread and how many times better ours is."""
    ours = statistics.median(found["lamina"])
    for name, values in found.items():
        middle = statistics.median(values)
        ratio = "" if name == "lamina" else f"{ours / middle if more else middle / ours:8.2f}"
        spread = f"{min(values):.0f}..{max(values):.0f}"
        print(f"{title:28} {name:18} {middle:11.1f} {unit:6} {spread:>16} {ratio}", flush=True)


def measure(servers: list[Server], runs: int, seconds: int, place: Path) -> None:
    digests = {server.name: _fill(server) for server in servers}
    digest = digests["lamina"]
    manifest = "/v2/bench/manifests/tag-7"
    questions: dict[str, tuple[str, Callable[[Server], float]]] = {
        "manifest GET by tag": ("1/s", lambda one: _rate(one, manifest, seconds)),
        "manifest HEAD by tag": ("1/s", lambda one: _head_rate(one, manifest, seconds)),
        "2 KiB blob GET": ("1/s", lambda one: _rate(one, f"/v2/bench/blobs/{digest}", seconds)),
        "tags/list of 10,000": ("1/s", lambda one: _rate(one, "/v2/bench/tags/list", seconds)),
    }
    for title, (unit, question) in questions.items():
        found: dict[str, list[float]] = {server.name: [] for server in servers}
        for _ in range(runs):
            for server in servers:
                found[server.name].append(question(server))
        _table(title, unit, found, more=True)
    _large(servers, runs, place)
    held = {one.name: [one.memory()] for one in servers}
    _table("memory after all this", "MiB", held, more=False)


Starts = dict[str, Callable[[Path], AbstractContextManager[Server]]]


def _starts(starts: Starts, runs: int, place: Path) -> None:
    """How long each takes to answer, with a new and empty root."""
    found: dict[str, list[float]] = {name: [] for name in starts}
    for number in range(runs):
        for name, start in starts.items():
            own = place / f"start-{number}-{name}"
            own.mkdir()
            with start(own) as server:
                found[name].append(server.start * 1000)
    _table("start-up", "ms", found, more=False)


def _workers(place: Path, seconds: int) -> None:
    """What more processes take, each of them having answered."""
    for count in (1, 2, 4):
        own = place / f"workers-{count}"
        own.mkdir()
        with lamina(own, count) as server:
            _rate(server, "/v2/", seconds)
            title = f"memory, shared, {count} workers"
            _table(title, "MiB", {"lamina": [server.share()]}, more=False)


def _large(servers: list[Server], runs: int, place: Path) -> None:
    blob = place / "large"
    block = os.urandom(1 << 24)
    hasher = hashlib.sha256()
    with blob.open("wb") as out:
        for serial in range(64):
            data = serial.to_bytes(8, "big") + block[8:]
            hasher.update(data)
            out.write(data)
    digest = f"sha256:{hasher.hexdigest()}"
    size = blob.stat().st_size
    put: dict[str, list[float]] = {server.name: [] for server in servers}
    get: dict[str, list[float]] = {server.name: [] for server in servers}
    commit: dict[str, list[float]] = {server.name: [] for server in servers}
    for _ in range(runs):
        fresh = (
            os.urandom(8) + block * 8
        )  # which neither has: to replace what is there takes longer
        for server in servers:
            commit[server.name].append(_commit(server, fresh))
            _delete(server, digest)
            put[server.name].append(_put(server, blob, digest))
            get[server.name].append(_get(server, size, digest))
    _table("1 GiB GET", "MB/s", get, more=True)
    _table("1 GiB PUT", "MB/s", put, more=True)
    _table("commit of 128 MiB", "ms", commit, more=False)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5, help="of each question")
    parser.add_argument("--seconds", type=int, default=3, help="of load in each run")
    parser.add_argument("--workers", type=int, default=1, help="processes of Lamina's")
    parser.add_argument("--root", type=Path, default=Path("/dev/shm"), help="where to work")
    asked = parser.parse_args()
    lacking = [name for name in ("wrk", "ab", "curl") if not shutil.which(name)]
    if lacking:
        print(f"this needs {' and '.join(lacking)}", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(dir=asked.root) as text, ExitStack() as stack:
        place = Path(text)
        starts: Starts = {"lamina": lambda place: lamina(place, asked.workers)}
        debian = shutil.which("docker-registry", path="/usr/bin:/usr/sbin")
        for name, binary in (
            ("docker-registry", debian),
            ("distribution", os.environ.get("DISTRIBUTION")),
        ):
            if binary:
                starts[name] = partial(distribution, name, binary)
            else:
                print(f"# {name} is left out: it is not here")
        _starts({**starts, "bare Python": bare}, asked.runs, place)
        servers = [stack.enter_context(start(place)) for start in starts.values()]
        measure(servers, asked.runs, asked.seconds, place)
        _workers(place, asked.seconds)
        print(f"# medians of {asked.runs}; in {asked.root}; load {os.getloadavg()[0]:.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
