"""What is remembered of layers and registries, so that a second push need not find it out again."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from lamina.late import json
from lamina.oci.digest import DiffID, Digest
from lamina.store.records import Records

COMPRESSED = "layer-compressed"  # diff ID, method -> digest and size of the compressed blob
PLACES = "blob-places"  # digest -> repositories that have it, the latest last
_PLACES = 8  # remembered of one blob
UNUSED_NS = 90 * 24 * 3600 * 1_000_000_000  # after that long it is forgotten


class Known:
    """Notes on blobs; all of them only save work, and may be wrong or gone."""

    def __init__(self, records: Records, clock: Callable[[], int]) -> None:
        self._records = records
        self._clock = clock  # nanoseconds since 1970

    def compressed(self, diff_id: DiffID, method: str) -> tuple[Digest, int] | None:
        """The digest and the size that the layer has when compressed by `method`."""
        key = f"{diff_id} {method}"
        value = self._records.get(COMPRESSED, key)
        if value is None:
            return None
        self._records.touch(COMPRESSED, key, now=self._clock())
        digest, size = json.loads(value)
        return Digest(digest), size

    def remember_compressed(self, diff_id: DiffID, method: str, digest: Digest, size: int) -> None:
        value = json.dumps([digest, size]).encode()
        self._records.put(COMPRESSED, f"{diff_id} {method}", value, now=self._clock())

    def places(self, digest: Digest) -> list[str]:
        """Repositories, domain and path, that had the blob when we last looked."""
        value = self._records.get(PLACES, digest)
        return json.loads(value) if value is not None else []

    def remember_place(self, digests: Iterable[Digest], repository: str) -> None:
        now = self._clock()
        with self._records.batch():
            for digest in digests:
                others = [one for one in self.places(digest) if one != repository]
                found = [*others[-_PLACES + 1 :], repository]
                self._records.put(PLACES, digest, json.dumps(found).encode(), now=now)

    def forget_old(self) -> None:
        """Drop what was of no use for long."""
        for kind in (COMPRESSED, PLACES):
            self._records.prune(kind, now=self._clock(), unused_ns=UNUSED_NS)
