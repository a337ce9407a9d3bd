"""A registry on loopback, and a client that says what it sends and shows what it gets."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urljoin

import urllib3

from lamina.oci import media_type as types
from lamina.oci.digest import Digest

EMPTY_CONFIG = b"{}"


@dataclass
class Reply:
    """One answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str

    @property
    def codes(self) -> list[str]:
        return [error["code"] for error in json.loads(self.body)["errors"]]

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def location(self) -> str:
        return urljoin(self.url, self.headers["location"])


class Client:
    """Speaks to one registry; nothing is retried, redirected or made up."""

    def __init__(self, url: str, headers: Mapping[str, str] | None = None, **pool: Any) -> None:
        self.url = url
        self.headers = dict(headers or {})
        self.pool = urllib3.PoolManager(retries=False, timeout=30, **pool)

    def __call__(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: Sequence[tuple[str, str]] = (),
        **headers: str,
    ) -> Reply:
        url = urljoin(self.url, path)
        if query:
            url += ("&" if "?" in url else "?") + urlencode(query)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if body is None and method in ("POST", "PUT", "PATCH"):
            named.setdefault("Content-Length", "0")
        found = self.pool.request(
            method, url, body=body, headers={**self.headers, **named}, redirect=False
        )
        return Reply(found.status, found.headers, found.data, url)

    def upload(self, name: str, data: bytes, algorithm: str = "sha256") -> Digest:
        """Push a blob by POST and PUT."""
        digest = Digest.of(data, algorithm)
        begun = self("POST", f"/v2/{name}/blobs/uploads/")
        assert begun.status == 202, begun
        done = self("PUT", begun.location, data, query=[("digest", digest)])
        assert done.status == 201, done
        return digest

    def push(
        self, name: str, reference: str | None, *layers: bytes, **fields: Any
    ) -> tuple[Digest, bytes]:
        """Push an image of these layers; the digest and the bytes of its manifest."""
        for blob in (EMPTY_CONFIG, *layers):
            self.upload(name, blob)
        raw = manifest(EMPTY_CONFIG, *layers, **fields)
        return self.put(name, reference, raw), raw

    def put(self, name: str, reference: str | None, raw: bytes) -> Digest:
        """Push a manifest, by its digest if there is no reference."""
        digest = Digest.of(raw)
        put = self("PUT", f"/v2/{name}/manifests/{reference or digest}", raw)
        assert put.status == 201, put
        return digest


def descriptor(data: bytes, media_type: str, algorithm: str = "sha256") -> dict[str, Any]:
    return {
        "mediaType": media_type,
        "digest": Digest.of(data, algorithm),
        "size": len(data),
    }


def manifest(
    config: bytes,
    *layers: bytes,
    config_type: str = types.OCI_CONFIG,
    layer_type: str = types.OCI_LAYER,
    algorithm: str = "sha256",
    **fields: Any,
) -> bytes:
    """An image manifest."""
    return json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": types.OCI_MANIFEST,
            "config": descriptor(config, config_type, algorithm),
            "layers": [descriptor(layer, layer_type, algorithm) for layer in layers],
            **fields,
        }
    ).encode()


def index(*children: bytes, algorithm: str = "sha256", **fields: Any) -> bytes:
    """An index of manifests."""
    return json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": types.OCI_INDEX,
            "manifests": [
                descriptor(child, json.loads(child)["mediaType"], algorithm) for child in children
            ],
            **fields,
        }
    ).encode()


def blob(size: int = 512) -> bytes:
    """Bytes that nobody else has."""
    return os.urandom(size)
