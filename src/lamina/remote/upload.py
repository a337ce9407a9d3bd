"""A blob on its way into a registry (distribution-spec, "Pushing blobs").

POST uploads/          a session begins, or the blob is mounted from another repository
PATCH <session>        the bytes, as they are made; taken up again where the registry says
GET <session>          how many bytes have arrived
PUT <session>?digest=  the end; in doubt whether it was heard, HEAD says

"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from urllib.parse import urlencode

from lamina.errors import Error, Unavailable
from lamina.oci.digest import Digest
from lamina.oci.distribution.endpoint import Endpoint, Kind
from lamina.oci.distribution.range import BadRange, parse_upload_range
from lamina.remote.session import NotThere, Rejected, Session, TooBusy
from lamina.remote.transport import Answer, Broken
from lamina.remote.url import with_query

Source = Callable[[int], Iterator[bytes]]
"""The bytes from an offset on; asked again, it gives the same bytes again."""

_STREAM = {"Content-Type": "application/octet-stream"}
_CHUNK = 1 << 18  # bytes of a body whose length is not known
_ROUNDS = 3  # sessions begun for one blob


class Lost(Unavailable):
    """The registry has forgotten the session, or has other bytes than were sent."""


class Upload:
    """One upload into the repository `name`; `begin`, then `send`, then `commit`."""

    def __init__(
        self, session: Session, name: str, scopes: tuple[str, ...], has: Callable[[Digest], bool]
    ) -> None:
        self._session = session
        self._name = name
        self._scopes = scopes
        self._has = has
        self._location = ""

    def begin(self, digest: Digest | None = None, origin: str | None = None) -> bool:
        """Begin; whether the registry has mounted the blob from the repository `origin` instead."""
        place = Endpoint(Kind.UPLOADS, self._name).path
        scopes = self._scopes
        if digest is not None and origin is not None:
            place += "?" + urlencode({"mount": digest, "from": origin})
            scopes = (*scopes, f"repository:{origin}:pull")
        answer = self._session.send(
            "POST",
            place,
            scopes=scopes,
            headers={"Content-Length": "0"},
            expect=(201, 202),
            repeat=True,  # a session begun twice is one that the registry forgets
        )
        answer.close()
        if answer.status == 201:
            return True
        self._location = self._session.absolute(answer)
        return False

    def send(self, source: Source, size: int | None = None) -> None:
        """Send all of the source; Unavailable when that fails again and again."""
        patience = self._session.transport.options.patience
        at, tried = 0, 0
        while True:
            counted = _Counted(source, at)
            try:
                self._patch(counted, at, size)
                return
            except (Broken, TooBusy, Rejected) as error:
                # 416 says that the registry is at another byte than we thought.
                if isinstance(error, Rejected) and error.status != 416:
                    raise
                tried += 1
                if tried >= patience.tries:
                    raise
                self._pause(tried)
                arrived = self._status()
            if arrived > counted.made:
                raise Lost(f'the registry "{self._session.host}" has bytes that were never sent')
            if arrived > at:
                tried = 0
            at = arrived

    def commit(self, digest: Digest, body: bytes | None = None) -> None:
        """End the upload; what is there then has `digest`, for the registry checks it."""
        url = with_query(self._location, "digest", digest)
        patience = self._session.transport.options.patience
        tried = 0
        while True:
            try:
                self._session.send(
                    "PUT",
                    url,
                    scopes=self._scopes,
                    headers={**_STREAM, "Content-Length": str(len(body or b""))},
                    body=body or b"",
                    expect=(201, 204),
                    repeat=False,
                ).close()
                return
            except (Broken, TooBusy, NotThere):
                # It may have been heard, and only the answer lost.
                if self._has(digest):
                    return
                tried += 1
                if tried >= patience.tries:
                    raise
                self._pause(tried)

    def cancel(self) -> None:
        """Tell the registry that nothing more comes; it forgets by itself, too."""
        if not self._location:
            return
        try:
            self._session.send(
                "DELETE", self._location, scopes=self._scopes, expect=(200, 202, 204)
            ).close()
        except Error:
            pass

    def _patch(self, source: _Counted, at: int, size: int | None) -> None:
        headers = dict(_STREAM)
        if size is not None:
            headers["Content-Length"] = str(size - at)
            if at:
                headers["Content-Range"] = f"{at}-{size - 1}"
        try:
            answer = self._session.send(
                "PATCH",
                self._location,
                scopes=self._scopes,
                headers=headers,
                body=source.pieces if size is not None else source.chunks,
                expect=(202, 201, 204),
            )
        except NotThere as error:
            raise Lost(error.message) from None
        self._move(answer)

    def _status(self) -> int:
        """How many bytes have arrived; Lost if the registry knows nothing of the session."""
        try:
            answer = self._session.send(
                "GET", self._location, scopes=self._scopes, expect=(204, 202, 200)
            )
        except NotThere:
            raise Lost(f'the registry "{self._session.host}" has lost the upload') from None
        self._move(answer)
        try:
            return parse_upload_range(answer.header("Range"))
        except BadRange:
            return 0

    def _move(self, answer: Answer) -> None:
        if answer.header("Location"):
            self._location = self._session.absolute(answer)
        answer.close()

    def _pause(self, tried: int) -> None:
        options = self._session.transport.options
        options.sleep(options.patience.pause(tried, options.random()))


class _Counted:
    """A source from an offset on, and how far it has been read."""

    def __init__(self, source: Source, at: int) -> None:
        self._source = source
        self._at = at
        self.made = at

    def pieces(self) -> Iterator[bytes]:
        self.made = self._at
        for piece in self._source(self._at):
            self.made += len(piece)
            yield piece

    def chunks(self) -> Iterator[memoryview]:
        """The pieces cut small: each is copied into a frame, and large copies miss the cache."""
        for piece in self.pieces():
            view = memoryview(piece)
            for at in range(0, len(view), _CHUNK):
                yield view[at : at + _CHUNK]


def upload(
    begin: Callable[[], Upload | None],
    source: Source,
    size: int | None,
    digest: Callable[[], Digest],
) -> None:
    """Send a blob from its first byte to its commit, with a new session where one is lost.

    `begin` returns None where the blob is mounted; `digest` is asked when all is sent.
    """
    for round_ in range(_ROUNDS):
        session = begin()
        if session is None:
            return
        try:
            session.send(source, size)
            session.commit(digest())
            return
        except Lost:
            if round_ == _ROUNDS - 1:
                raise
        except Error:
            session.cancel()
            raise
