"""The tables of registry.db; times are nanoseconds since 1970, digests are text.

A migration is never edited once released: another one follows it.
"""

from __future__ import annotations

_FIRST = (
    # Which repository may see which blob. `linked` is when somebody last said to need it.
    "CREATE TABLE blobs (repository TEXT NOT NULL, digest TEXT NOT NULL, size INTEGER NOT NULL,"
    " linked INTEGER NOT NULL, PRIMARY KEY (repository, digest)) WITHOUT ROWID",
    "CREATE INDEX blobs_by_digest ON blobs (digest)",
    # `orphanable`: the subject was here once, so its going takes this one along.
    "CREATE TABLE manifests (repository TEXT NOT NULL, digest TEXT NOT NULL,"
    " media_type TEXT NOT NULL, size INTEGER NOT NULL, pushed INTEGER NOT NULL, subject TEXT,"
    " artifact_type TEXT, referrer TEXT, orphanable INTEGER NOT NULL DEFAULT 0,"
    " PRIMARY KEY (repository, digest)) WITHOUT ROWID",
    "CREATE INDEX manifests_by_digest ON manifests (digest)",
    "CREATE INDEX manifests_by_subject ON manifests (repository, subject, digest)"
    " WHERE subject IS NOT NULL",
    # Spec: tags are listed in case-insensitive order.
    "CREATE TABLE tags (repository TEXT NOT NULL, tag TEXT NOT NULL, digest TEXT NOT NULL,"
    " tagged INTEGER NOT NULL, PRIMARY KEY (repository, tag)) WITHOUT ROWID",
    "CREATE INDEX tags_in_order ON tags (repository, tag COLLATE NOCASE, tag)",
    "CREATE INDEX tags_by_digest ON tags (repository, digest)",
    # What a manifest refers to; `is_manifest` tells children from blobs.
    "CREATE TABLE refs (repository TEXT NOT NULL, parent TEXT NOT NULL, child TEXT NOT NULL,"
    " is_manifest INTEGER NOT NULL, PRIMARY KEY (repository, parent, child)) WITHOUT ROWID",
    "CREATE INDEX refs_by_child ON refs (repository, child)",
)

MIGRATIONS: tuple[tuple[str, ...], ...] = (_FIRST,)
