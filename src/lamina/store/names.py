"""Names, and the images that they point at; a Resolver and a Tagger of `oci.content`.

The database has the truth; `index.json` is written again from it after each change, so that
other tools see an OCI image layout (image-layout.md, "index.json file").
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from lamina.errors import Denied, Invalid, NotFound, Unavailable
from lamina.fs import atomic, lock
from lamina.fs.faults import told
from lamina.late import json, re
from lamina.oci import descriptor as descriptors
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest
from lamina.store.blobs import Blobs
from lamina.store.database import Database
from lamina.store.reach import image_ids
from lamina.values import dataclass

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

REF_NAME = "org.opencontainers.image.ref.name"  # annotations.md, "Pre-Defined Annotation Keys"
IMAGE_NAME = "io.containerd.image.name"  # containerd's, and docker's since 25

_PREFIX = r"(?:sha256:)?([0-9a-f]{1,64})"


class NoImage(NotFound):
    """No image has that name or ID here."""


class Ambiguous(Invalid):
    """The beginning of an ID that several images share."""


@dataclass(frozen=True, slots=True)
class Named:
    """An image here under one of its names, or under none."""

    name: str | None  # the full reference, "docker.io/library/alpine:3.20"
    descriptor: Descriptor  # of its manifest or index
    created_ns: int  # when the name was given, or the image kept; nanoseconds since 1970
    image_ids: tuple[Digest, ...]  # of its config, or of each config that an index has here


class Names:
    """The names of one store. Every change is one transaction, on the disk when it returns."""

    def __init__(self, root: Path | str, database: Database, blobs: Blobs) -> None:
        self._root = os.fspath(root)
        self._database = database
        self._blobs = blobs
        self._names_lock = f"{root}/locks/names"
        self._gc_lock = f"{root}/locks/gc"

    def tag(self, name: str, descriptor: Descriptor) -> None:
        """Let `name`, a full reference, mean `descriptor`, whose blob is here.

        An image that loses its last name by this stays, without a name.
        """
        if not name or any(character.isspace() for character in name):
            raise Invalid(f'"{name}" is not a name for an image')
        self._change(name, descriptor)

    def keep(self, descriptor: Descriptor) -> None:
        """Keep an image without a name; nothing changes if it is here already."""
        self._change(None, descriptor)

    def untag(self, name: str, *, keep: bool = False) -> bool:
        """Take a name away; NoImage if there is none. Whether the image went with it.

        An image that loses its last name goes too, unless `keep`.
        """
        with self._changing() as connection:
            row = connection.execute("SELECT digest FROM names WHERE name = ?", (name,)).fetchone()
            if row is None:
                raise _no_image(name)
            connection.execute("DELETE FROM names WHERE name = ?", (name,))
            left = connection.execute(
                "SELECT 1 FROM names WHERE digest = ? LIMIT 1", (row[0],)
            ).fetchone()
            if left is not None or keep:
                return False
            _drop(connection, row[0])
            return True

    def drop(self, digest: Digest) -> tuple[str, ...]:
        """Forget the image whose manifest has `digest`, and all its names, which are returned."""
        with self._changing() as connection:
            if not _drop(connection, digest):
                raise _no_image(digest)
            rows = connection.execute(
                "DELETE FROM names WHERE digest = ? RETURNING name", (str(digest),)
            ).fetchall()
            return tuple(sorted(row[0] for row in rows))

    def resolve(self, name: str) -> Descriptor:
        """What the full reference `name` means, as it was tagged; NoImage if nothing."""
        row = self._database.one(
            "SELECT descriptor FROM names JOIN images USING (digest) WHERE name = ?", (name,)
        )
        if row is None:
            raise _no_image(name)
        return _decode(row[0])

    def digest(self, name: str) -> Digest | None:
        """The digest alone of what the full reference `name` means; None if nothing."""
        row = self._database.one("SELECT digest FROM names WHERE name = ?", (name,))
        return None if row is None else Digest(row[0])

    def keeps(self, digest: str) -> bool:
        """Whether an image whose manifest has `digest` is here, under a name or without one."""
        row = self._database.one("SELECT 1 FROM images WHERE digest = ?", (str(digest),))
        return row is not None

    def find(self, text: str) -> Descriptor:
        """What a person means by `text`, as Docker reads it.

        In this order: a reference ("alpine" is "docker.io/library/alpine:latest"), one with a
        digest, an image ID or a manifest's digest, or the beginning of one of those.
        NoImage if nothing, Ambiguous if a beginning fits several.
        """
        return self._find_name(text) or self._find_id(text) or _refuse(text)

    def list(self) -> list[Named]:
        """Every name, sorted, then every image without one, the newest first."""
        self._mend()
        ids: dict[str, list[Digest]] = {}
        for image, digest in self._database.query("SELECT id, digest FROM image_ids ORDER BY id"):
            ids.setdefault(digest, []).append(Digest(image))
        rows = self._database.query(
            "SELECT name, descriptor, coalesce(tagged, created), images.digest"
            " FROM images LEFT JOIN names USING (digest)"
            " ORDER BY name IS NULL, name, created DESC, images.digest"
        )
        return [
            Named(name, _decode(document), when, tuple(ids.get(digest, ())))
            for name, document, when, digest in rows
        ]

    def names_of(self, digest: Digest) -> tuple[str, ...]:
        """Every name of the image whose manifest has `digest`."""
        rows = self._database.query(
            "SELECT name FROM names WHERE digest = ? ORDER BY name", (str(digest),)
        )
        return tuple(row[0] for row in rows)

    def mend(self) -> None:
        """Write `index.json` again if a killed process has left it behind."""
        with told(self._root), lock.exclusive(self._names_lock):
            if self._is_behind():
                self._project()

    def _change(self, name: str | None, descriptor: Descriptor) -> None:
        digest, now = descriptor.digest, time.time_ns()
        with self._changing() as connection:
            if not self._blobs.has(digest):
                raise NotFound(
                    f'"{digest}" cannot be named: it is not in the store',
                    hint="push the content first, then name it",
                )
            connection.execute(
                "INSERT INTO images VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET"
                " descriptor = excluded.descriptor",
                (str(digest), _encode(descriptor), now),
            )
            connection.executemany(
                "INSERT OR IGNORE INTO image_ids VALUES (?, ?)",
                [(str(image), str(digest)) for image in image_ids(self._blobs, digest)],
            )
            if name is not None:
                connection.execute(
                    "INSERT INTO names VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET"
                    " digest = excluded.digest, tagged = excluded.tagged",
                    (name, str(digest), now),
                )

    @contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        """A change of names: under the locks, durable, then shown in index.json."""
        # gc's lock is shared, so that it does not sweep what is being named; it comes first.
        with (
            told(self._root),
            lock.shared(self._gc_lock),
            lock.exclusive(self._names_lock),
        ):
            self._blobs.sync()
            with self._database.transaction(durable=True) as connection:
                connection.execute("UPDATE meta SET generation = generation + 1")
                yield connection
            self._project()

    def _find_name(self, text: str) -> Descriptor | None:
        from lamina.oci import reference

        try:
            found = reference.parse(text)
        except Invalid:
            return None
        if found.digest is not None:
            return self._with_digest(found.digest)
        try:
            return self.resolve(str(found.with_default_tag()))
        except NoImage:
            return None

    def _find_id(self, text: str) -> Descriptor | None:
        match = re.fullmatch(_PREFIX, text)
        if match is None:
            return None
        low = f"sha256:{match[1]}"
        rows = self._database.query(
            "SELECT id, descriptor FROM"
            " (SELECT id, digest FROM image_ids UNION SELECT digest, digest FROM images)"
            " JOIN images USING (digest) WHERE id >= ? AND id < ? ORDER BY created DESC",
            (low, low + "g"),
        )
        if len({row[0] for row in rows}) > 1 and len({row[1] for row in rows}) > 1:
            raise Ambiguous(f'"{text}" is the beginning of several IDs', hint="give more digits")
        return _decode(rows[0][1]) if rows else None

    def _with_digest(self, digest: Digest) -> Descriptor | None:
        row = self._database.one(
            "SELECT descriptor FROM images WHERE digest = ?"
            " OR digest IN (SELECT digest FROM image_ids WHERE id = ?)"
            " ORDER BY digest = ? DESC, created DESC",
            (str(digest),) * 3,
        )
        return None if row is None else _decode(row[0])

    def _mend(self) -> None:
        """`mend` for readers: at once or not at all."""
        if not self._is_behind():
            return
        try:
            with told(self._root), lock.exclusive(self._names_lock, timeout=0):
                self._project()
        except (Unavailable, Denied):
            pass  # whoever holds the lock, or changes names next, will do it

    def _is_behind(self) -> bool:
        row = self._database.one("SELECT generation > projected FROM meta")
        return bool(row[0])

    def _project(self) -> None:
        """Write index.json from the database; the caller holds the lock of names."""
        (generation,) = self._database.one("SELECT generation FROM meta")
        rows = self._database.query(
            "SELECT name, descriptor FROM images LEFT JOIN names USING (digest)"
            " ORDER BY name IS NULL, name, images.digest"
        )
        document = {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": [_with_name(json.loads(text), name) for name, text in rows],
        }
        atomic.write(
            f"{self._root}/index.json", json.dumps(document, separators=(",", ":")).encode()
        )
        with self._database.transaction() as connection:
            connection.execute("UPDATE meta SET projected = ?", (generation,))


def _drop(connection: sqlite3.Connection, digest: str) -> bool:
    connection.execute("DELETE FROM image_ids WHERE digest = ?", (str(digest),))
    cursor = connection.execute("DELETE FROM images WHERE digest = ?", (str(digest),))
    return cursor.rowcount > 0


def _encode(descriptor: Descriptor) -> str:
    """The descriptor as JSON, without the names that another layout gave it."""
    document = descriptor.to_json()
    annotations = document.pop("annotations", None)
    if isinstance(annotations, dict):
        kept = {key: value for key, value in annotations.items() if key not in _NAMING}
        if kept:
            document["annotations"] = kept
    return json.dumps(document, separators=(",", ":"))


_NAMING = frozenset({REF_NAME, IMAGE_NAME})


def _decode(text: str) -> Descriptor:
    return descriptors.parse(json.loads(text), "names")


def _with_name(document: dict[str, object], name: str | None) -> dict[str, object]:
    if name is None:
        return document
    annotations = document.get("annotations")
    before = annotations if isinstance(annotations, dict) else {}
    return {**document, "annotations": {**before, IMAGE_NAME: name, REF_NAME: name}}


def _no_image(text: str) -> NoImage:
    return NoImage(f'no image "{text}" here', hint='"lamina images" lists what is here')


def _refuse(text: str) -> Descriptor:
    raise _no_image(text)
