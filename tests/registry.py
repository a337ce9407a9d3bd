"""A registry in memory, on loopback: it does what the spec says, or fails as it is told to.

It takes any bytes as a manifest, so that a test can put there what no honest registry would.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from tests.places import Memory

from lamina.oci import media_type
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest

Fault = Callable[["Handler"], bool]
"""Called before a request is answered; True if it has answered, or hung up, by itself."""


@dataclass
class Seen:
    """One request, and how many bytes of a body it was answered with."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    sent: int = 0
    status: int = 0


@dataclass
class Registry:
    """What is in the registry, and how it behaves."""

    blobs: dict[str, dict[str, bytes]] = field(default_factory=dict)  # repository -> digest -> …
    manifests: dict[str, dict[str, tuple[str, bytes]]] = field(default_factory=dict)
    uploads: dict[str, bytearray] = field(default_factory=dict)
    begun: int = 0  # uploads
    seen: list[Seen] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    ranges: bool = True
    referrers: bool = True
    mounts: bool = True
    per_page: int = 1000
    user: tuple[str, str] | None = None  # wanted, by basic or for tokens
    challenge: str = ""  # "basic" or "bearer"
    refresh: str = ""  # the refresh token that the token server takes
    tokens: dict[str, set[str]] = field(default_factory=dict)  # token -> scopes
    port: int = 0
    scheme: str = "http"
    realm: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.host}"

    def put(self, name: str, place: Memory, root: Descriptor, *tags: str) -> None:
        """Keep all that is in `place`, and `root` under each of `tags`."""
        for digest, data in place.blobs.items():
            self.blobs.setdefault(name, {})[str(digest)] = data
            if data.startswith(b'{"schemaVersion"'):
                kind = json.loads(data).get("mediaType", media_type.OCI_MANIFEST)
                self.manifests.setdefault(name, {})[str(digest)] = (kind, data)
        raw = place.blobs[root.digest]
        for tag in (*tags, str(root.digest)):
            self.manifests.setdefault(name, {})[tag] = (root.media_type, raw)

    def requests(self, method: str, part: str = "") -> list[Seen]:
        """The requests of a method whose path has `part` in it."""
        return [one for one in self.seen if one.method == method and part in one.path]

    def served(self, part: str = "") -> int:
        """Bytes of bodies sent in answer to GET of such paths."""
        return sum(one.sent for one in self.requests("GET", part))


@contextmanager
def serving(
    registry: Registry | None = None, *, tls: ssl.SSLContext | None = None
) -> Iterator[Registry]:
    """A registry that answers on a port of loopback, by TLS where a context is given."""
    registry = registry or Registry()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"here": registry}))
    server.daemon_threads = True
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
        registry.scheme = "https"
    registry.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield registry
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class HungUp(Exception):
    """The connection was cut on purpose."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    here: Registry
    cut: int | None = None  # bytes of the next body after which to hang up

    def log_message(self, *_: object) -> None:
        pass

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except (HungUp, ConnectionError, BrokenPipeError):
            self.close_connection = True
            self.connection.close()

    def _take(self) -> None:
        parts = urlsplit(self.path)
        self.query = parse_qs(parts.query, keep_blank_values=True)
        self.place = parts.path
        headers = {name.lower(): text for name, text in self.headers.items()}
        self.request_seen = Seen(self.command, parts.path, parts.query, headers)
        with self.here.lock:
            self.here.seen.append(self.request_seen)
        self.cut = None
        for fault in list(self.here.faults):
            if fault(self):
                return
        if parts.path == "/token":
            self.token()
        elif self.allowed():
            self.route()

    do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = _take  # noqa: N815

    # --- answering

    def answer(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        if self.command not in ("GET", "HEAD"):
            self.body()
        self.request_seen.status = status
        self.send_response(status)
        for name, text in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, text)
        self.end_headers()
        if self.command == "HEAD":
            return
        if self.cut is not None and self.cut < len(body):
            self.wfile.write(body[: self.cut])
            self.wfile.flush()
            self.request_seen.sent += self.cut
            raise HungUp
        self.wfile.write(body)
        self.request_seen.sent += len(body)

    def refuse(self, status: int, code: str) -> None:
        self.answer(status, json.dumps({"errors": [{"code": code, "message": code}]}).encode())

    taken: bytes | None = None

    def body(self) -> bytes:
        """The request's body, read once."""
        if self.taken is None:
            self.taken = b"".join(self.pieces())
        data, self.taken = self.taken, b""
        return data

    def pieces(self) -> Iterator[bytes]:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            while size := int(self.rfile.readline().strip() or b"0", 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return
        left = int(self.headers.get("Content-Length") or 0)
        while left:
            data = self.rfile.read(min(left, 1 << 16))
            if not data:
                raise HungUp
            left -= len(data)
            yield data

    def parse_request(self) -> bool:
        self.taken = None
        return super().parse_request()

    # --- who may

    def allowed(self) -> bool:
        here = self.here
        sent = self.headers.get("Authorization", "")
        if here.challenge == "basic":
            if sent == basic(here.user):
                return True
            self.answer(401, headers={"WWW-Authenticate": 'Basic realm="here"'})
            return False
        if here.challenge == "bearer":
            if self.place == "/v2/":
                scope = ""
            elif self.place == "/v2/_catalog":
                scope = "registry:catalog:*"
            else:
                name = re.sub("/(blobs|manifests|tags|referrers)/.*", "", self.place[4:])
                needs = {"GET": "pull", "HEAD": "pull", "DELETE": "delete"}
                scope = f"repository:{name}:{needs.get(self.command, 'push')}"
            with here.lock:
                held = here.tokens.get(sent.removeprefix("Bearer "))
            if held is not None and (not scope or covers(held, scope)):
                return True
            realm = here.realm or f"{here.url}/token"
            text = f'Bearer realm="{realm}",service="test"' + (f',scope="{scope}"' if scope else "")
            self.answer(401, headers={"WWW-Authenticate": text})
            return False
        return True

    def token(self) -> None:
        here = self.here
        if self.command == "POST":
            form = parse_qs(self.body().decode())
            if form.get("refresh_token") != [here.refresh]:
                return self.answer(401)
            scopes = form.get("scope", [""])[0].split()
        else:
            sent = self.headers.get("Authorization")
            if sent != basic(here.user) and (here.user is not None or sent is not None):
                return self.answer(401)
            scopes = self.query.get("scope", [])
        with here.lock:
            text = f"token-{len(here.tokens)}"
            here.tokens[text] = set(scopes)
        self.answer(200, json.dumps({"token": text, "expires_in": 300}).encode())
        return None

    # --- the API

    def route(self) -> None:
        place = self.place
        if place == "/v2/":
            return self.answer(200, b"{}")
        if place == "/v2/_catalog":
            return self.listed(
                "repositories", sorted(set(self.here.blobs) | set(self.here.manifests))
            )
        for pattern, act in (
            ("/v2/(.+)/tags/list", self.tags),
            ("/v2/(.+)/manifests/([^/]+)", self.manifest),
            ("/v2/(.+)/blobs/uploads/", self.begin),
            ("/v2/(.+)/blobs/uploads/([^/]+)", self.upload),
            ("/v2/(.+)/blobs/([^/]+)", self.blob),
            ("/v2/(.+)/referrers/([^/]+)", self.referrer_list),
        ):
            if match := re.fullmatch(pattern, place):
                return act(*match.groups())
        self.refuse(404, "UNKNOWN")
        return None

    def listed(self, key: str, found: list[str]) -> None:
        last = self.query.get("last", [""])[0]
        rest = [one for one in found if one > last]
        page = rest[: self.here.per_page]
        headers = {}
        if len(rest) > len(page):
            headers["Link"] = f'<{self.place}?last={page[-1]}&n=1>; rel="next"'
        self.answer(200, json.dumps({key: page}).encode(), headers)

    def tags(self, name: str) -> None:
        found = self.here.manifests.get(name)
        if found is None:
            return self.refuse(404, "NAME_UNKNOWN")
        self.listed("tags", sorted(tag for tag in found if ":" not in tag))
        return None

    def manifest(self, name: str, reference: str) -> None:
        held = self.here.manifests.setdefault(name, {})
        if self.command == "PUT":
            raw = self.body()
            digest = str(Digest.of(raw))
            kind = self.headers.get("Content-Type", "")
            with self.here.lock:
                held[digest] = held[reference] = (kind, raw)
            headers = {"Docker-Content-Digest": digest}
            if self.here.referrers and b'"subject"' in raw:
                headers["OCI-Subject"] = json.loads(raw)["subject"]["digest"]
            return self.answer(201, headers=headers)
        if reference not in held:
            return self.refuse(404, "MANIFEST_UNKNOWN")
        if self.command == "DELETE":
            del held[reference]
            return self.answer(202)
        kind, raw = held[reference]
        digest = reference if ":" in reference else str(Digest.of(raw))
        self.answer(200, raw, {"Content-Type": kind, "Docker-Content-Digest": digest})
        return None

    def blob(self, name: str, digest: str) -> None:
        data = self.here.blobs.get(name, {}).get(digest)
        if data is None:
            return self.refuse(404, "BLOB_UNKNOWN")
        if self.command == "DELETE":
            del self.here.blobs[name][digest]
            return self.answer(202)
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if asked and self.here.ranges:
            start = int(asked[1])
            part = f"bytes {start}-{len(data) - 1}/{len(data)}"
            return self.answer(206, data[start:], {"Content-Range": part})
        self.answer(200, data)
        return None

    def begin(self, name: str) -> None:
        mount, origin = self.query.get("mount", [""])[0], self.query.get("from", [""])[0]
        known = self.here.blobs.get(origin, {}).get(mount)
        if self.here.mounts and known is not None:
            self.here.blobs.setdefault(name, {})[mount] = known
            return self.answer(201, headers={"Location": f"/v2/{name}/blobs/{mount}"})
        with self.here.lock:
            self.here.begun += 1
            session = f"session-{self.here.begun}"
            self.here.uploads[session] = bytearray()
        self.answer(202, headers=self.at(name, session))
        return None

    def at(self, name: str, session: str) -> dict[str, str]:
        size = len(self.here.uploads[session])
        return {
            "Location": f"/v2/{name}/blobs/uploads/{session}?state=a%2Fb&size={size}",
            "Range": f"0-{max(size - 1, 0)}",
        }

    def upload(self, name: str, session: str) -> None:
        held = self.here.uploads.get(session)
        if held is None:
            return self.refuse(404, "BLOB_UPLOAD_UNKNOWN")
        if self.command == "GET":
            return self.answer(204, headers=self.at(name, session))
        if self.command == "DELETE":
            del self.here.uploads[session]
            return self.answer(204)
        if self.query.get("state") != ["a/b"]:
            return self.refuse(400, "BLOB_UPLOAD_INVALID")
        for piece in self.pieces():
            held += piece
            if self.cut is not None and len(held) >= self.cut:
                raise HungUp
        if self.command == "PATCH":
            return self.done(202, self.at(name, session))
        digest = self.query["digest"][0]
        if str(Digest.of(held, digest.partition(":")[0])) != digest:
            return self.done(400, {})
        self.here.blobs.setdefault(name, {})[digest] = bytes(held)
        del self.here.uploads[session]
        self.done(201, {"Location": f"/v2/{name}/blobs/{digest}"})
        return None

    def done(self, status: int, headers: dict[str, str]) -> None:
        self.taken = b""  # the body has been read
        self.answer(status, headers=headers)

    def referrer_list(self, name: str, digest: str) -> None:
        if not self.here.referrers:
            return self.refuse(404, "UNKNOWN")
        found = []
        for reference, (kind, raw) in self.here.manifests.get(name, {}).items():
            if ":" in reference and b'"subject"' in raw:
                document = json.loads(raw)
                if document["subject"]["digest"] == digest:
                    one = {"mediaType": kind, "digest": reference, "size": len(raw)}
                    found.append({**one, "artifactType": document.get("artifactType")})
        index = {"schemaVersion": 2, "mediaType": media_type.OCI_INDEX, "manifests": found}
        self.answer(200, json.dumps(index).encode(), {"Content-Type": media_type.OCI_INDEX})
        return None


def basic(user: tuple[str, str] | None) -> str | None:
    return None if user is None else "Basic " + base64.b64encode(":".join(user).encode()).decode()


def covers(held: set[str], wanted: str) -> bool:
    resource, _, action = wanted.rpartition(":")
    return any(
        one.rpartition(":")[0] == resource and action in one.rpartition(":")[2].split(",")
        for one in held
    )


# --- faults


def times(count: int, part: str, method: str, act: Callable[[Handler], bool]) -> Fault:
    """`act`, for the first `count` requests of a method whose path has `part` in it."""
    left = [count]

    def fault(handler: Handler) -> bool:
        if left[0] and handler.command == method and part in handler.place:
            left[0] -= 1
            return act(handler)
        return False

    return fault


def cut_after(size: int) -> Callable[[Handler], bool]:
    """Hang up after `size` bytes of the body."""

    def act(handler: Handler) -> bool:
        handler.cut = size
        return False

    return act


def status(code: int, body: bytes = b"", **headers: str) -> Callable[[Handler], bool]:
    """Answer with a status of one's own; `_` in names of headers is "-"."""

    def act(handler: Handler) -> bool:
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        handler.answer(code, body, named)
        return True

    return act


def hang_up(handler: Handler) -> bool:
    raise HungUp


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
