"""The build cache: which layer a step made the last time that it had this key.

Four kinds of record, all in the store's database:

    build-step   key -> the layer it made, when, and in how many seconds
    build-key    key -> the named parts of the key
    build-last   slot -> key: what stood at this place of this Dockerfile in the last build
    build-known  key without its base -> the trees that those were made of which it was made on
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lamina.build.key import Key
from lamina.errors import Invalid
from lamina.late import json
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import ChainID, DiffID, Digest
from lamina.store import Store
from lamina.values import dataclass

STEP, KEY, LAST, KNOWN = "build-step", "build-key", "build-last", "build-known"
_MOST = 200  # trees that are remembered below steps that are alike; a hit on an older one is missed


@dataclass(frozen=True, slots=True)
class Made:
    """A layer that a step has made."""

    descriptor: Descriptor
    diff_id: DiffID
    chain: ChainID  # of the whole tree, this layer on top
    created: str  # RFC 3339, UTC
    seconds: float  # that it took
    files: int = 0
    plain_size: int = 0  # bytes
    reads: tuple[str, ...] | None = None  # files of the context that a RUN opened, if recorded

    def encode(self) -> bytes:
        fields: dict[str, object] = {
            "mediaType": self.descriptor.media_type,
            "digest": self.descriptor.digest,
            "size": self.descriptor.size,
            "diffId": self.diff_id,
            "chainId": self.chain,
            "created": self.created,
            "seconds": round(self.seconds, 3),
            "files": self.files,
            "plainSize": self.plain_size,
        }
        if self.reads is not None:
            fields["reads"] = self.reads
        return json.dumps(fields).encode()

    @classmethod
    def decode(cls, data: bytes) -> Made:
        """ValueError, KeyError or Invalid if `data` is not what `encode` made."""
        fields = json.loads(data)
        digest = Digest.parse(fields["digest"])
        return cls(
            Descriptor(fields["mediaType"], digest, fields["size"]),
            DiffID(Digest.parse(fields["diffId"])),
            ChainID(Digest.parse(fields["chainId"])),
            fields["created"],
            fields["seconds"],
            fields["files"],
            fields["plainSize"],
            tuple(fields["reads"]) if "reads" in fields else None,
        )


class Cache:
    """The records of one store, as builds use them. Safe in several threads and processes.

    `now`: nanoseconds since 1970.
    """

    def __init__(self, store: Store, now: Callable[[], int]) -> None:
        self.store = store
        self.now = now

    def find(self, key: str) -> Made | None:
        """What a step with this key has made, if its layer is still here."""
        data = self.store.records.get(STEP, key)
        if data is None:
            return None
        try:
            made = Made.decode(data)
        except (ValueError, KeyError, Invalid):
            return None
        return made if self.store.blobs.has(made.descriptor.digest) else None

    def keep(
        self,
        key: Key,
        made: Made,
        *,
        also: Sequence[Key] = (),
        below: Sequence[ChainID] | None = None,
    ) -> None:
        """Remember what a step made under its key, and under others that mean the same.

        `below`: the trees below the one that it stands on, lowest first, if `knows` is to be asked.
        """
        with self.store.records.batch():
            for each in (key, *also):
                self.alias(each, made)
            if below is not None:
                new = [*map(_short, below)]
                old = [chain for chain in self._below(key) or () if chain not in new]
                data = json.dumps([*old, *new][-_MOST:]).encode()
                self.store.records.put(KNOWN, key.without_base, data, now=self.now())

    def knows(self, key: Key, chain: ChainID | None) -> bool:
        """Whether `find` may have something for a step on a tree that has `chain` below it.

        Whatever the base of `key`. Not, if no such step was made on any tree that had.
        """
        below = self._below(key)
        return below is not None and (chain is None or _short(chain) in below)

    def _below(self, key: Key) -> list[str] | None:
        """The short names of those trees, used last coming last; None if there is no such step."""
        data = self.store.records.get(KNOWN, key.without_base)
        try:
            return None if data is None else list(json.loads(data))
        except (ValueError, TypeError):
            return None

    def alias(self, key: Key, made: Made) -> None:
        """Let another key find the same layer."""
        refs = (made.descriptor.digest, made.diff_id, made.chain)
        self.store.records.put(STEP, key.digest, made.encode(), now=self.now(), refs=refs)

    def stand(self, slot: str, key: Key) -> None:
        """Say that `key` is what stands at `slot` now."""
        digest = key.digest
        if self.store.records.get(LAST, slot) == digest.encode():
            return
        with self.store.records.batch():
            now = self.now()
            self.store.records.put(KEY, digest, key.encode(), now=now)
            self.store.records.put(LAST, slot, digest.encode(), now=now)
            self.store.records.touch(STEP, digest, now=now)

    def last(self, slot: str) -> Key | None:
        """What stood at `slot` in the last build."""
        name = self.store.records.get(LAST, slot)
        data = self.store.records.get(KEY, name.decode()) if name else None
        try:
            return Key.decode(data) if data is not None else None
        except ValueError:
            return None

    def seconds(self, key: Key) -> float | None:
        """How long a step with this key took, if it was ever done here."""
        data = self.store.records.get(STEP, key.digest)
        try:
            return Made.decode(data).seconds if data is not None else None
        except (ValueError, KeyError, Invalid):
            return None


def _short(chain: ChainID) -> str:
    return chain[-32:]
