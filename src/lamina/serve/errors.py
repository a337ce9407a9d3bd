"""The one table from what went wrong to status, code and headers (distribution-spec, "Errors")."""

from __future__ import annotations

from lamina.errors import (
    Conflict,
    Corrupt,
    Denied,
    Error,
    Invalid,
    NotFound,
    Unavailable,
    Unsupported,
)
from lamina.fs.faults import Full
from lamina.oci.distribution.endpoint import BadName, BadTag
from lamina.oci.distribution.fault import Code, Fault, encode
from lamina.oci.distribution.range import BadRange
from lamina.registry import failures
from lamina.registry.mirror import UpstreamFailed
from lamina.serve.answer import Answer, of_bytes
from lamina.serve.request import BadRequest, LongHeaders, Slow
from lamina.values import dataclass


@dataclass(frozen=True, slots=True)
class Refusal:
    """How one class of error is told."""

    status: int
    code: Code


class Unauthorized(Denied):
    """Nobody has said who is asking, or the proof is wrong."""

    def __init__(self, message: str, challenge: str) -> None:
        super().__init__(message, hint="log in")
        self.challenge = challenge


class TooMany(Unavailable):
    """The client asks more often than it may."""

    def __init__(self, wait: int) -> None:
        super().__init__(f"too many requests: try again in {wait} seconds")
        self.wait = wait  # seconds


class NotHere(NotFound):
    """No endpoint has that path."""


class WrongMethod(Unsupported):
    """The endpoint does not know the method."""

    def __init__(self, method: str, allowed: str) -> None:
        super().__init__(f'"{method[:20]}" is not done here: expected {allowed}')
        self.allowed = allowed


class BadPage(Invalid):
    """The number of entries asked for is none."""


class TooManyTags(Invalid):
    """More tags in one push than are taken."""


# The most exact class counts.
_TABLE: dict[type[Error], Refusal] = {
    failures.NoRepository: Refusal(404, Code.NAME_UNKNOWN),
    failures.NoManifest: Refusal(404, Code.MANIFEST_UNKNOWN),
    failures.NoBlob: Refusal(404, Code.BLOB_UNKNOWN),
    failures.NoUpload: Refusal(404, Code.BLOB_UPLOAD_UNKNOWN),
    failures.WrongDigest: Refusal(400, Code.DIGEST_INVALID),
    failures.WrongSize: Refusal(400, Code.SIZE_INVALID),
    failures.BadManifest: Refusal(400, Code.MANIFEST_INVALID),
    failures.MissingContent: Refusal(404, Code.MANIFEST_BLOB_UNKNOWN),
    failures.TooLarge: Refusal(413, Code.SIZE_INVALID),
    failures.OutOfOrder: Refusal(416, Code.BLOB_UPLOAD_INVALID),
    failures.UploadBusy: Refusal(409, Code.BLOB_UPLOAD_INVALID),
    failures.Changed: Refusal(412, Code.MANIFEST_INVALID),
    failures.ReadOnly: Refusal(405, Code.UNSUPPORTED),
    BadName: Refusal(400, Code.NAME_INVALID),
    BadTag: Refusal(400, Code.TAG_INVALID),
    BadRange: Refusal(416, Code.UNSUPPORTED),
    BadRequest: Refusal(400, Code.UNSUPPORTED),
    Unauthorized: Refusal(401, Code.UNAUTHORIZED),
    TooMany: Refusal(429, Code.TOOMANYREQUESTS),
    NotHere: Refusal(404, Code.UNSUPPORTED),
    WrongMethod: Refusal(405, Code.UNSUPPORTED),
    BadPage: Refusal(400, Code.PAGINATION_NUMBER_INVALID),
    TooManyTags: Refusal(414, Code.TAG_INVALID),
    UpstreamFailed: Refusal(502, Code.UNAVAILABLE),
    LongHeaders: Refusal(431, Code.UNSUPPORTED),
    Slow: Refusal(408, Code.UNAVAILABLE),
    Full: Refusal(507, Code.UNAVAILABLE),
    Invalid: Refusal(400, Code.UNSUPPORTED),
    NotFound: Refusal(404, Code.UNKNOWN),
    Conflict: Refusal(409, Code.UNKNOWN),
    Corrupt: Refusal(500, Code.UNKNOWN),
    Denied: Refusal(403, Code.DENIED),
    Unavailable: Refusal(503, Code.UNAVAILABLE),
    Unsupported: Refusal(405, Code.UNSUPPORTED),
}


def refusal(error: Error) -> Refusal:
    """How `error` is told."""
    for kind in type(error).__mro__:
        found = _TABLE.get(kind)
        if found is not None:
            return found
    return Refusal(500, Code.UNKNOWN)


def answer(error: Error) -> Answer:
    """The answer that refuses."""
    told = refusal(error)
    # What is wrong with this machine is for its log, not for strangers.
    message = error.message if told.status < 500 else "the registry has failed: try again later"
    detail = error.hint if told.status < 500 else None
    headers: dict[str, str] = {}
    faults = [Fault(told.code, message, detail)]
    if isinstance(error, failures.MissingContent):
        faults = [
            Fault(told.code, "not in the repository", {"digest": str(digest)})
            for digest in error.missing
        ]
    elif isinstance(error, Unauthorized):
        headers["www-authenticate"] = error.challenge
    elif isinstance(error, TooMany):
        headers["retry-after"] = str(error.wait)
    elif isinstance(error, WrongMethod):
        headers["allow"] = error.allowed
    return of_bytes(told.status, encode(faults), "application/json", headers)


def unexpected() -> Answer:
    """The answer where a fault of our own is."""
    body = encode([Fault(Code.UNKNOWN, "the registry has failed: try again later")])
    return of_bytes(500, body, "application/json")
