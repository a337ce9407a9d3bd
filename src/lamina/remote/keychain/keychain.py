"""The keychain: asks every place for the credential of a repository, and keeps new ones."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from lamina.errors import Denied, Error, Invalid, Unsupported
from lamina.fs import atomic, lock
from lamina.remote.keychain import names
from lamina.remote.keychain.credential import Credential
from lamina.remote.keychain.file import AuthFile
from lamina.remote.keychain.places import Place, Places
from lamina.remote.keychain.program import TIMEOUT, Program

FILES = "containers-auth.json"  # among helpers for all hosts: the files
_VARIABLE = "DOCKER_AUTH_CONFIG"


class Keychain:
    """Credentials by host and path. Reads anew at every question; may be shared by threads.

    `helpers` are the suffixes of helpers for all hosts, in their order (registries.conf,
    "credential-helpers"), in which "containers-auth.json" stands for the files of `places`.
    """

    def __init__(
        self,
        places: Places,
        *,
        helpers: Sequence[str] = (FILES,),
        helper_timeout: float = TIMEOUT,
    ) -> None:
        self._places = places
        self._helpers = tuple(helpers)
        self._timeout = helper_timeout

    def credential(self, host: str, path: str = "") -> Credential | None:
        """The credential for the repository `path` of `host`, or None.

        Places are asked in their order. Within a file the host's own helper is the last word, as
        in containers/*; then comes the default helper, and then the longest key that fits.
        """
        for helper in self._helpers:
            if helper != FILES:
                found = self._program(helper).get(names.server(host))
            else:
                answers = (self._ask(file, host, path) for file in self._files())
                found = next((answer for answer in answers if answer is not None), None)
            if found is not None:
                return found
        return None

    def store(self, host: str, credential: Credential) -> Path | None:
        """Keep a credential for `host`: in its helper (None), or in the file that is returned.

        It goes where it will be found: to the first file that knows the host, or to the home of
        what is new. The file is replaced as a whole, and nobody else may read it.
        """
        if self._helpers[:1] not in ((), (FILES,)):
            _hand_over(self._program(self._helpers[0]), names.server(host), credential)
            return None
        place = self._place_for(host)
        with _edited(place) as file:
            program, server = self._helper(file, host)
            if program is not None:
                _hand_over(program, server, credential)
            file.put(host, None if program is not None else credential)
        return None if program is not None else place.path

    def erase(self, host: str) -> bool:
        """Forget `host` in every file and helper, but not its paths; whether anybody knew it."""
        was_known = False
        failure: Error | None = None
        for helper in self._helpers:
            if helper != FILES:
                was_known |= self._program(helper).erase(names.server(host))
        for place in self._places.files:
            raw = _read(place.path)
            if raw is None:
                continue
            file = AuthFile(raw, str(place.path), is_old=place.is_old)
            if not file.knows(host) and not file.default_helper:
                continue
            with _edited(place) as file:
                program, server = self._helper(file, host)
                try:
                    was_known |= program is not None and program.erase(server)
                except Error as error:
                    failure = failure or error
                was_known |= file.drop(host)
        if failure is not None:
            raise failure
        return was_known

    def _ask(self, file: AuthFile, host: str, path: str) -> Credential | None:
        program, server = self._helper(file, host)
        if program is not None:
            found = program.get(server)
            if found is not None or file.helper(host):
                return found
        return file.find(host, path)

    def _helper(self, file: AuthFile, host: str) -> tuple[Program | None, str]:
        """The program that keeps the host's credential, and what it calls the host."""
        suffix, server = file.helper(host) or (file.default_helper, names.server(host))
        if not suffix:
            return None, server
        return self._program(suffix), server

    def _program(self, suffix: str) -> Program:
        return Program(suffix, self._places.environment, timeout=self._timeout)

    def _files(self) -> Iterator[AuthFile]:
        if self._places.text:
            yield AuthFile(self._places.text.encode("utf-8", "surrogateescape"), _VARIABLE)
        for place in self._places.files:
            raw = _read(place.path)
            if raw is not None:
                yield AuthFile(raw, str(place.path), is_old=place.is_old)

    def _place_for(self, host: str) -> Place:
        for place in self._places.files:
            raw = None if place.is_old else _read(place.path)
            if raw is not None and AuthFile(raw, str(place.path)).knows(host):
                return place
        if self._places.home is None:
            raise Invalid("there is no file to keep credentials in")
        return Place(self._places.home)


def _hand_over(program: Program, server: str, credential: Credential) -> None:
    if credential.registry_token:
        raise Unsupported(f'credential helper "{program.name}" keeps no registry token')
    program.store(server, credential)


@contextmanager
def _edited(place: Place) -> Iterator[AuthFile]:
    """The file's content to be changed, locked; written back if it has changed and no error came.

    A link stays a link: the file that it points at is replaced.
    """
    path = Path(os.path.realpath(place.path))
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with lock.exclusive(path.with_name(f".{path.name}.lock")):
            file = AuthFile(_read(path) or b"", str(place.path), is_old=place.is_old)
            before = file.dump()
            yield file
            if (after := file.dump()) != before:
                atomic.write(path, after, mode=0o600)
    except PermissionError:
        raise Denied(f'"{place.path}" cannot be changed by this user') from None


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except PermissionError:
        raise Denied(f'"{path}" holds credentials and cannot be read by this user') from None
    except IsADirectoryError:
        raise Invalid(f'"{path}" is a directory: expected a file of credentials') from None
