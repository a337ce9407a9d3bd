"""Docker schema 1, for clients that know nothing newer; off unless it is asked for.

What such clients push is verified and kept as its payload, without the signatures, for those say
no more than that whoever signed had a key. What they pull is made of the image's documents and
signed by the registry's own key: embedded where they take that, else detached in a header.
"""

from __future__ import annotations

import json
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from lamina.errors import Corrupt, Error
from lamina.oci import config as configs
from lamina.oci import manifest as manifests
from lamina.oci import media_type as types
from lamina.oci import schema1
from lamina.oci.digest import Digest
from lamina.oci.manifest import Index, Manifest
from lamina.registry.failures import BadManifest, NoManifest
from lamina.registry.metadata import Entry
from lamina.registry.repository import Repository
from lamina.serve import keys
from lamina.values import dataclass

if TYPE_CHECKING:
    from lamina.oci.schema1.keys import SigningKey

_GZIPPED = frozenset({types.OCI_LAYER_GZIP, types.DOCKER_LAYER_GZIP})
_PLATFORM = ("linux", "amd64")  # of an index, what clients of that age run on
_CONFIG_LIMIT = 8 << 20  # bytes
_REMEMBERED = 200  # manifests that were made


@dataclass(frozen=True, slots=True)
class Offer:
    """A schema 1 manifest to answer with."""

    body: bytes
    media_type: str
    digest: Digest  # of the payload
    signature: str | None = None  # detached (RFC 7515, appendix F)


class Old:
    """Makes and verifies schema 1 manifests with the key in `key_file`, made if there is none."""

    def __init__(self, key_file: Path) -> None:
        self._key = _own_key(key_file)
        self._made: OrderedDict[tuple[str, str, Digest], bytes] = OrderedDict()

    @property
    def key_id(self) -> str:
        """As libtrust spells it."""
        return self._key.id

    @staticmethod
    def payload(raw: bytes) -> bytes:
        """What was signed of a manifest that is pushed; BadManifest if a signature is wrong."""
        try:
            found = schema1.read(raw)
            if not found.is_signed:
                return raw
            schema1.verify(raw)
            return schema1.payload(raw)
        except Corrupt as error:
            raise BadManifest(error.message, hint=error.hint) from error
        except Error as error:
            raise BadManifest(error.message, hint=error.hint) from error

    def offer(self, repository: Repository, entry: Entry, tag: str, *, embedded: bool) -> Offer:
        """A manifest as schema 1; NoManifest if it cannot be said in it."""
        key = (repository.name, tag, entry.digest)
        signed = self._made.get(key)
        if signed is None:
            signed = self._made[key] = self._signed(repository, entry, tag)
            while len(self._made) > _REMEMBERED:
                self._made.popitem(last=False)
        payload = schema1.payload(signed)
        if embedded:
            return Offer(signed, types.SCHEMA1_SIGNED, Digest.of(payload))
        (block,) = json.loads(signed)["signatures"]
        detached = f"{block['protected']}..{block['signature']}"
        return Offer(payload, types.SCHEMA1, Digest.of(payload), detached)

    def _signed(self, repository: Repository, entry: Entry, tag: str) -> bytes:
        raw = repository.read(entry)
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        if entry.media_type == types.SCHEMA1:
            try:
                return schema1.sign(raw, self._key, time=now)
            except ValueError:
                raise NoManifest(repository.name, tag) from None
        try:
            found = _chosen(repository, raw, entry.media_type)
            config = configs.parse(_read(lambda: repository.open(found.config.digest)))
            if any(layer.media_type not in _GZIPPED for layer in found.layers):
                raise BadManifest("schema 1 knows layers with gzip only")
            made = schema1.make(found, config, repository.name, tag, self._key, time=now)
        except Error as error:
            raise NoManifest(repository.name, tag) from error
        if any(one.empty_layer for one in config.history):
            _put(repository, schema1.GZIPPED_EMPTY_LAYER)
        return made


def _chosen(repository: Repository, raw: bytes, media_type: str) -> Manifest:
    """The image, or of an index the one that old clients run."""
    found = manifests.parse(raw, media_type)
    if isinstance(found, Manifest):
        return found
    assert isinstance(found, Index)
    for child in found.manifests:
        platform = child.platform
        if platform is not None and (platform.os, platform.architecture) == _PLATFORM:
            entry = repository.manifest(child.digest)
            inner = manifests.parse(repository.read(entry), entry.media_type)
            if isinstance(inner, Manifest):
                return inner
    raise BadManifest("the index has no image for old clients")


def _put(repository: Repository, data: bytes) -> None:
    digest = Digest.of(data)
    with repository.resume(repository.begin()) as upload:
        upload.append([data])
        repository.finish(upload, digest)


def _read(opened: Callable[[], BinaryIO]) -> bytes:
    with opened() as stream:
        return stream.read(_CONFIG_LIMIT)


def _own_key(path: Path) -> SigningKey:
    from lamina.oci.schema1.keys import SigningKey

    return SigningKey.from_pem(keys.own(path, lambda: SigningKey.generate().to_pem()))
