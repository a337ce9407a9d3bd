"""The errors of registries: codes, and the JSON that carries them (distribution-spec, "Errors")."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from lamina.late import json
from lamina.values import dataclass


class Code(StrEnum):
    """What went wrong (distribution-spec, "Error Codes"; Docker's registry adds the last four)."""

    BLOB_UNKNOWN = "BLOB_UNKNOWN"
    BLOB_UPLOAD_INVALID = "BLOB_UPLOAD_INVALID"
    BLOB_UPLOAD_UNKNOWN = "BLOB_UPLOAD_UNKNOWN"
    DIGEST_INVALID = "DIGEST_INVALID"
    MANIFEST_BLOB_UNKNOWN = "MANIFEST_BLOB_UNKNOWN"
    MANIFEST_INVALID = "MANIFEST_INVALID"
    MANIFEST_UNKNOWN = "MANIFEST_UNKNOWN"
    NAME_INVALID = "NAME_INVALID"
    NAME_UNKNOWN = "NAME_UNKNOWN"
    SIZE_INVALID = "SIZE_INVALID"
    UNAUTHORIZED = "UNAUTHORIZED"
    DENIED = "DENIED"
    UNSUPPORTED = "UNSUPPORTED"
    TOOMANYREQUESTS = "TOOMANYREQUESTS"
    TAG_INVALID = "TAG_INVALID"
    PAGINATION_NUMBER_INVALID = "PAGINATION_NUMBER_INVALID"
    UNAVAILABLE = "UNAVAILABLE"
    UNKNOWN = "UNKNOWN"


STATUSES: dict[Code, int] = {
    Code.BLOB_UNKNOWN: 404,
    Code.BLOB_UPLOAD_INVALID: 400,
    Code.BLOB_UPLOAD_UNKNOWN: 404,
    Code.DIGEST_INVALID: 400,
    Code.MANIFEST_BLOB_UNKNOWN: 404,
    Code.MANIFEST_INVALID: 400,
    Code.MANIFEST_UNKNOWN: 404,
    Code.NAME_INVALID: 400,
    Code.NAME_UNKNOWN: 404,
    Code.SIZE_INVALID: 400,
    Code.UNAUTHORIZED: 401,
    Code.DENIED: 403,
    Code.UNSUPPORTED: 405,
    Code.TOOMANYREQUESTS: 429,
    Code.TAG_INVALID: 400,
    Code.PAGINATION_NUMBER_INVALID: 400,
    Code.UNAVAILABLE: 503,
    Code.UNKNOWN: 500,
}
"""The HTTP status of each code, where nothing more exact is known."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One error of a registry's answer."""

    code: str  # a Code, or what another registry has invented
    message: str = ""
    detail: object = None

    def to_json(self) -> dict[str, object]:
        found: dict[str, object] = {"code": str(self.code), "message": self.message}
        if self.detail is not None:
            found["detail"] = self.detail
        return found


def encode(faults: Sequence[Fault]) -> bytes:
    """The body of an answer that refuses."""
    return json.dumps({"errors": [fault.to_json() for fault in faults]}).encode()


def decode(body: bytes) -> list[Fault]:
    """The errors that a body tells of; none if it is not of that form, whatever else it is."""
    try:
        errors = json.loads(body)["errors"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return []
    if not isinstance(errors, list):
        return []
    return [
        Fault(str(error.get("code", "")), str(error.get("message") or ""), error.get("detail"))
        for error in errors
        if isinstance(error, dict)
    ]
