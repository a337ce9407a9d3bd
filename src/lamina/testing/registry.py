"""A real registry in this process, on a free port of loopback, that fails when it is told to."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from lamina.errors import NotFound
from lamina.registry import open_registry
from lamina.serve.access import Access
from lamina.serve.app import EVERYBODY, App
from lamina.serve.rights import ALL, LOGGED_IN, Rights, Rule
from lamina.serve.server import TLS, Running
from lamina.testing.faults import Faults
from lamina.testing.images import Made

_ROUNDS = 4  # of bcrypt: the fewest, for these passwords protect nothing


class TestRegistry:
    """The registry in the directory `root`; a context manager that serves it.

    With `users`, names to passwords, everybody has to log in: by Basic authentication, or by
    tokens that the registry itself gives out if `tokens`. `faults` says what goes wrong next.
    """

    __test__ = False  # it is no test, whatever its name makes pytest think

    def __init__(
        self,
        root: Path,
        *,
        users: Mapping[str, str] | None = None,
        tokens: bool = False,
        tls: TLS | None = None,
    ) -> None:
        self.faults = Faults()
        self.registry = open_registry(root)
        access = _access(root, users, tokens=tokens) if users else EVERYBODY
        self._app = App(self.registry, access=access)
        self._running = Running(self.faults.over(self._app), tls=tls)

    @property
    def address(self) -> str:
        """`host:port`, as it stands in a reference."""
        return self._running.address

    @property
    def url(self) -> str:
        return self._running.url

    def reference(self, name: str) -> str:
        """How a client names `name`, which is a repository with or without a tag."""
        return f"{self.address}/{name}"

    def push(self, image: Made, name: str) -> str:
        """Put an image into the registry, and tag it if `name` has a tag; its reference.

        It goes to the disk and not through the server, so that no fault befalls it.
        """
        repository_name, _, tag = name.partition(":")
        repository = self.registry.repository(repository_name)
        for digest, data in image.content.items():
            if digest in image.documents:
                continue
            with repository.resume(repository.begin(digest.algorithm)) as upload:
                upload.append([data])
                repository.finish(upload, digest)
        for digest, media_type in image.documents.items():
            tags = [tag] if tag and digest == image.digest else []
            repository.put_manifest(image.content[digest], media_type, tags=tags)
        return self.reference(name if tag else f"{name}@{image.digest}")

    def tags(self, name: str) -> list[str]:
        """The tags of a repository; none if there is no such repository."""
        try:
            return self.registry.repository(name).tags(limit=1 << 20)
        except NotFound:
            return []

    def __enter__(self) -> TestRegistry:
        self._running.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._running.__exit__(kind, error, trace)
        self._app.close()


def _access(root: Path, users: Mapping[str, str], *, tokens: bool) -> Access:
    import bcrypt

    from lamina.serve.passwords import Passwords

    lines = [
        f"{name}:{bcrypt.hashpw(password.encode(), bcrypt.gensalt(_ROUNDS)).decode()}\n"
        for name, password in users.items()
    ]
    (root / "htpasswd").write_text("".join(lines))
    passwords = Passwords(root / "htpasswd")
    rights = Rights((Rule(frozenset({LOGGED_IN}), ("**",), ALL),))
    if not tokens:
        return Access(rights, passwords=passwords)
    from lamina.serve.tokens import Issuer, Verifier

    issuer = Issuer(root / "token.json", issuer="lamina", service="lamina")
    verifier = Verifier(issuer.keys, issuer="lamina", service="lamina")
    return Access(rights, passwords=passwords, issuer=issuer, verifier=verifier)
