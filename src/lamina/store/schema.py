"""The tables of lamina.db; times are nanoseconds since 1970, digests are text.

A migration is never edited once released: another one follows it.
"""

from __future__ import annotations

_FIRST = (
    # One row: the state of index.json. `generation` counts changes of names.
    "CREATE TABLE meta (id INTEGER PRIMARY KEY CHECK (id = 1), generation INTEGER NOT NULL,"
    " projected INTEGER NOT NULL)",
    "INSERT INTO meta VALUES (1, 0, 0)",
    # `id` is the config's digest, or for an index its own.
    "CREATE TABLE images (digest TEXT PRIMARY KEY, descriptor TEXT NOT NULL,"
    " created INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE image_ids (id TEXT NOT NULL, digest TEXT NOT NULL REFERENCES images,"
    " PRIMARY KEY (id, digest)) WITHOUT ROWID",
    "CREATE INDEX image_ids_by_digest ON image_ids (digest)",
    "CREATE TABLE names (name TEXT PRIMARY KEY, digest TEXT NOT NULL REFERENCES images,"
    " tagged INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE INDEX names_by_digest ON names (digest)",
    "CREATE TABLE records (kind TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL,"
    " created INTEGER NOT NULL, used INTEGER NOT NULL, expires INTEGER,"
    " PRIMARY KEY (kind, key))",
    "CREATE TABLE record_refs (kind TEXT NOT NULL, key TEXT NOT NULL, digest TEXT NOT NULL,"
    " PRIMARY KEY (kind, key, digest)) WITHOUT ROWID",
    "CREATE TABLE indexes (diff_id TEXT PRIMARY KEY, value BLOB NOT NULL)",
    "CREATE TABLE diff_ids (digest TEXT PRIMARY KEY, diff_id TEXT NOT NULL) WITHOUT ROWID",
    "CREATE INDEX diff_ids_by_diff_id ON diff_ids (diff_id)",
    "CREATE TABLE leases (id INTEGER PRIMARY KEY, owner TEXT NOT NULL, pid INTEGER NOT NULL,"
    " start INTEGER NOT NULL, boot TEXT NOT NULL, began INTEGER NOT NULL)",
    "CREATE TABLE lease_refs (lease INTEGER NOT NULL, digest TEXT NOT NULL,"
    " PRIMARY KEY (lease, digest)) WITHOUT ROWID",
    "CREATE TABLE pins (owner TEXT NOT NULL, digest TEXT NOT NULL,"
    " PRIMARY KEY (owner, digest)) WITHOUT ROWID",
)

MIGRATIONS: tuple[tuple[str, ...], ...] = (_FIRST,)
