"""The CRC-32 of each layer that is kept as a plain tar, taken while its digest was.

Whoever sends the tar sees by it that the disk has not changed it, without the digest once more.
"""

from __future__ import annotations

import time

from lamina.errors import Corrupt
from lamina.late import json
from lamina.layer.crc import Crc
from lamina.oci.digest import Digest
from lamina.store.records import Records

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    import hashlib

KIND = "layer-crc32"  # kind of record: digest of the plain tar -> CRC-32 and length


class Crcs:
    """One for each tar; they only save work, and may be gone: the digest says the same."""

    def __init__(self, records: Records) -> None:
        self._records = records

    def put(self, digest: Digest, crc: Crc) -> None:
        """Keep it; only for who has hashed these very bytes, and found that they have `digest`."""
        value = json.dumps([crc.value, crc.size]).encode()
        self._records.put(KIND, digest, value, now=time.time_ns())

    def get(self, digest: Digest) -> Crc | None:
        """The CRC-32 of the tar; None if nobody has kept it."""
        value = self._records.get(KIND, digest)
        return Crc(*json.loads(value)) if value is not None else None

    def forget(self, digest: Digest) -> None:
        self._records.delete(KIND, digest)

    def check(self, digest: Digest) -> Check:
        """To be told of all bytes of the tar as they are read."""
        return Check(self, digest)


class Check:
    """Whether bytes that are read are those of the tar: `update` with each piece, then `end`."""

    def __init__(self, crcs: Crcs, digest: Digest) -> None:
        self._crcs = crcs
        self._digest = digest
        self._kept = crcs.get(digest)
        self._crc = Crc()
        self._hash: hashlib._Hash | None = digest.hasher() if self._kept is None else None

    def update(self, data: bytes) -> None:
        self._crc = self._crc.plus(data)
        if self._hash is not None:
            self._hash.update(data)

    def end(self) -> None:
        """Corrupt if they are others, or not all; what it took the digest to find out is kept."""
        if self._hash is None and self._crc != self._kept:
            # Were the note at fault, the next one who reads asks the digest.
            self._crcs.forget(self._digest)
            raise self._damaged(f"its bytes have {self._crc}, not {self._kept}")
        if self._hash is not None:
            found = Digest.done(self._hash)
            if found != self._digest:
                raise self._damaged(f'its bytes have the digest "{found}"')
            self._crcs.put(self._digest, self._crc)

    def _damaged(self, why: str) -> Corrupt:
        return Corrupt(
            f'the blob "{self._digest}" is damaged: {why}',
            hint="remove what uses it, and fetch or build it again",
        )
