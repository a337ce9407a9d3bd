"""One file of credentials, as Docker's config.json and containers/*' auth.json have it.

    {"auths": {KEY: {"auth": BASE64, "identitytoken": …, "registrytoken": …}},
     "credsStore": SUFFIX, "credHelpers": {HOST: SUFFIX}}

~/.dockercfg is the inner object of "auths" alone. All other keys belong to somebody else and stay
as they are. Messages name the file and the key, and never show a value: it may be a secret.
"""

from __future__ import annotations

import base64
import binascii
import json

from lamina.errors import Invalid
from lamina.oci import document
from lamina.remote.keychain import names
from lamina.remote.keychain.credential import Credential


class AuthFile:
    """The content of one file; `shown` is what messages call it. Edited in memory only."""

    def __init__(self, raw: bytes, shown: str, *, is_old: bool = False) -> None:
        self.shown = shown
        self._is_old = is_old
        start = raw.lstrip()[:1]
        if start not in (b"", b"{"):  # the parser would quote what stands there
            raise Invalid(f'"{shown}" holds no credentials: expected an object of JSON')
        # Docker takes an empty file for one that says nothing.
        self._found = document.load(raw, f'"{shown}"') if start else {}

    def find(self, host: str, path: str = "") -> Credential | None:
        """The credential of the longest key that fits; what old clients wrote comes last."""
        entries = self._object("auths")
        for key in names.candidates(host, path):
            for spelled in (key, names.HUB) if key == "docker.io" else (key,):
                if spelled in entries:
                    return self._credential(spelled, entries[spelled])
        for key in self._keys(host):
            return self._credential(key, entries[key])
        return None

    def helper(self, host: str) -> tuple[str, str] | None:
        """The suffix of the helper that a host has of its own, and what it calls the host."""
        helpers = self._object("credHelpers")
        plain = names.normal(host)
        for key in (names.server(host), plain, *helpers):
            if key in helpers and names.normal(key) == plain:
                return self._text(helpers[key], f"credHelpers.{key}"), key
        return None

    @property
    def default_helper(self) -> str:
        """The suffix of the helper for every host that has none of its own; empty if there is none.

        Only Docker knows it.
        """
        if self._is_old:
            return ""
        return self._text(self._found.get("credsStore"), "credsStore")

    def knows(self, host: str) -> bool:
        """Whether the host itself, rather than a path of it, has an entry or a helper here."""
        return bool(self.helper(host)) or bool(self._keys(host))

    def put(self, host: str, credential: Credential | None) -> None:
        """File a credential under the host, in place of what old clients wrote.

        None files an empty entry, which says that a helper has it.
        """
        keys = self._keys(host)
        entries = self._entries()
        for key in keys:
            del entries[key]
        entries[names.server(host)] = {} if credential is None else _entry(credential)

    def drop(self, host: str) -> bool:
        """Forget the host itself, however it is spelled; whether it was there."""
        keys = self._keys(host)
        for key in keys:
            del self._entries()[key]
        return bool(keys)

    def dump(self) -> bytes:
        """The whole file, indented as Docker does."""
        return json.dumps(self._found, indent="\t", ensure_ascii=False).encode() + b"\n"

    def _keys(self, host: str) -> list[str]:
        """However the host itself is spelled here."""
        plain = names.normal(host)
        found = [(names.normal(key), key) for key in self._object("auths")]
        if self._is_old:  # it knew no paths but those of an API
            found = [(name.partition("/")[0], key) for name, key in found]
        return [key for name, key in found if name == plain]

    def _entries(self) -> dict[str, object]:
        """The inner object of "auths" to be changed."""
        if not self._is_old and self._found.get("auths") is None:
            self._found["auths"] = {}
        return self._object("auths")

    def _object(self, key: str) -> dict[str, object]:
        if self._is_old:
            return self._found if key == "auths" else {}
        value = self._found.get(key)
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise self._wrong(key, "an object")
        return value

    def _text(self, value: object, where: str) -> str:
        if value is None:
            return ""
        if not isinstance(value, str):
            raise self._wrong(where, "a string")
        return value

    def _credential(self, key: str, entry: object) -> Credential | None:
        where = f"auths.{key}"
        if entry is None:
            return None
        if not isinstance(entry, dict):
            raise self._wrong(where, "an object")

        def text(name: str) -> str:
            return self._text(entry.get(name), f"{where}.{name}")

        username, secret = text("username"), text("password")
        if auth := text("auth"):
            username, secret = self._decode(auth, f"{where}.auth")
        found = Credential(username, secret, text("identitytoken"), text("registrytoken"))
        return None if found.is_empty else found

    def _decode(self, auth: str, where: str) -> tuple[str, str]:
        try:
            decoded = base64.b64decode(auth, validate=True).decode("utf-8", "surrogateescape")
        except (binascii.Error, ValueError):
            raise self._wrong(where, "base64") from None
        username, colon, secret = decoded.partition(":")
        if not colon or not username:
            raise self._wrong(where, "base64 of a name, a colon and a secret")
        return username, secret.strip("\0")

    def _wrong(self, where: str, expected: str) -> Invalid:
        return Invalid(
            f'"{where}" of "{self.shown}" is damaged: expected {expected}',
            hint='mend the file, or run "lamina login" again',
        )


def _entry(credential: Credential) -> dict[str, str]:
    entry = {}
    if credential.username or credential.secret:
        pair = f"{credential.username}:{credential.secret}"
        entry["auth"] = base64.b64encode(pair.encode("utf-8", "surrogateescape")).decode()
    if credential.identity_token:
        entry["identitytoken"] = credential.identity_token
    if credential.registry_token:
        entry["registrytoken"] = credential.registry_token
    return entry
