"""Credential helpers: programs called docker-credential-X that keep secrets elsewhere.

    get     the server on stdin; {"ServerURL", "Username", "Secret"} on stdout
    store   such an object on stdin
    erase   the server on stdin
    list    {server: name} on stdout

A helper that fails says why on stdout and ends with 1 (docker-credential-helpers, "Development").
What it prints is quoted only where it cannot be a secret.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from lamina.errors import Error, Invalid, NotFound, Unavailable
from lamina.oci import document
from lamina.remote.keychain.credential import Credential

PREFIX = "docker-credential-"
TIMEOUT = 60.0  # seconds; somebody may have to unlock a keychain
_TOKEN_NAME = "<token>"  # the name beside which the secret is an identity token
_NOT_FOUND = "credentials not found in native keychain"
_OUTPUT_LIMIT = 1 << 20  # bytes


class Program:
    """One helper; it runs in the given environment, and is looked for in its PATH."""

    def __init__(
        self, suffix: str, environment: Mapping[str, str], *, timeout: float = TIMEOUT
    ) -> None:
        if not suffix or "/" in suffix or "\0" in suffix:
            raise Invalid(
                f'"{suffix}" does not name a credential helper',
                hint=f'expected what follows "{PREFIX}" in the name of a program',
            )
        self.name = PREFIX + suffix
        self._environment = environment
        self._timeout = timeout

    def get(self, server: str) -> Credential | None:
        """The credential for `server`, if the helper has one."""
        output = self._run("get", server)
        if output is None:
            return None
        name, secret = self._texts(output, "Username", "Secret")
        if name == _TOKEN_NAME:
            return Credential(identity_token=secret)
        return Credential(name, secret)

    def store(self, server: str, credential: Credential) -> None:
        name, secret = credential.username, credential.secret
        if credential.identity_token:
            name, secret = _TOKEN_NAME, credential.identity_token
        self._run("store", json.dumps({"ServerURL": server, "Username": name, "Secret": secret}))

    def erase(self, server: str) -> bool:
        """Forget `server`; whether the helper knew it, as far as it says."""
        return self._run("erase", server) is not None

    def servers(self) -> dict[str, str]:
        """The name for each server that the helper knows."""
        found = self._parse(self._run("list", "") or b"{}")
        return dict(zip(found, self._values(found, *found), strict=True))

    def _run(self, action: str, text: str) -> bytes | None:
        """What the helper prints; None if it says that there is nothing."""
        import shutil
        import subprocess

        path = shutil.which(self.name, path=self._environment.get("PATH", ""))
        if path is None:
            raise NotFound(
                f'credential helper "{self.name}" is not in PATH',
                hint="install it, or take it out of the file that names it",
            )
        try:
            done = subprocess.run(
                [path, action],
                input=text.encode("utf-8", "surrogateescape"),
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=dict(self._environment),
                timeout=self._timeout,
            )
        except subprocess.TimeoutExpired:
            raise Unavailable(
                f'credential helper "{self.name}" gave no answer to "{action}"'
                f" in {self._timeout:g} seconds",
                hint="does it wait for a keychain to be unlocked?",
            ) from None
        except OSError as error:
            raise Unavailable(
                f'credential helper "{path}" cannot be run: {(error.strerror or "").lower()}'
            ) from None
        if done.returncode == 0:
            return done.stdout
        if _NOT_FOUND in done.stdout.decode("utf-8", "replace"):
            return None
        raise self._failed(action, done.returncode, done.stdout, text)

    def _failed(self, action: str, status: int, output: bytes, said: str) -> Error:
        lines = output.decode("utf-8", "replace").strip().splitlines()
        reason = lines[0][:200] if lines else ""
        # On "store" the words may repeat what was to be stored; and no reason is an object.
        if action == "store" or not reason.isprintable() or "{" in reason:
            reason = ""
        message = f'credential helper "{self.name}" failed to {action} with status {status}'
        return Unavailable(f"{message}: {reason}" if reason else message)

    def _texts(self, output: bytes, *keys: str) -> list[str]:
        return self._values(self._parse(output), *keys)

    def _parse(self, output: bytes) -> dict[str, object]:
        try:
            return document.load(output, "output", limit=_OUTPUT_LIMIT)
        except Invalid:
            raise self._garbage("expected a JSON object") from None

    def _values(self, found: dict[str, object], *keys: str) -> list[str]:
        values: list[str] = []
        for key in keys:
            value = found.get(key)
            if not isinstance(value, str):
                raise self._garbage(f'"{key}" is not a string')
            values.append(value)
        return values

    def _garbage(self, why: str) -> Invalid:
        return Invalid(f'credential helper "{self.name}" gave an answer of a wrong form: {why}')
