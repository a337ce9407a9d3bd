"""The endpoints of a registry: paths to values for the server, values to paths for the client.

    /v2/                                   end-1    the API is here
    /v2/<name>/blobs/<digest>              end-2, 10
    /v2/<name>/manifests/<reference>       end-3, 7, 9
    /v2/<name>/blobs/uploads/              end-4, 11
    /v2/<name>/blobs/uploads/<session>     end-5, 6, 13, 14
    /v2/<name>/tags/list                   end-8
    /v2/<name>/referrers/<digest>          end-12
    /v2/_catalog                           Docker's extension

(distribution-spec, "Endpoints"). A path is looked at from its end, since names have slashes.
"""

from __future__ import annotations

from enum import StrEnum
from functools import cache
from urllib.parse import quote

from lamina.errors import Invalid
from lamina.late import re
from lamina.values import dataclass

NAME_LIMIT = 255  # characters, as clients need room for a host (distribution-spec, "Pulling")
_PART = "[a-z0-9]+(?:(?:[.]|_|__|-+)[a-z0-9]+)*"
_NAME = f"{_PART}(?:/{_PART})*"
_TAG = "[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}"
_SESSION = "[a-zA-Z0-9._=-]+"


class Kind(StrEnum):
    """What is behind a path."""

    BASE = "base"
    CATALOG = "catalog"
    TAGS = "tags"
    MANIFEST = "manifest"
    BLOB = "blob"
    UPLOADS = "uploads"
    UPLOAD = "upload"
    REFERRERS = "referrers"


class BadName(Invalid):
    """A repository's name is not of the spec's grammar."""


class BadTag(Invalid):
    """A tag is not of the spec's grammar."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a request goes; `reference` is the tag, digest or session as it stands in the path."""

    kind: Kind
    name: str = ""  # of the repository, as it stands in the path
    reference: str = ""

    @property
    def path(self) -> str:
        """The path, from the root of the host."""
        if self.kind is Kind.BASE:
            return "/v2/"
        if self.kind is Kind.CATALOG:
            return "/v2/_catalog"
        reference = quote(self.reference, safe=":")
        return f"/v2/{self.name}/{_TAILS[self.kind]}{reference}"


_TAILS = {
    Kind.TAGS: "tags/list",
    Kind.MANIFEST: "manifests/",
    Kind.BLOB: "blobs/",
    Kind.UPLOADS: "blobs/uploads/",
    Kind.UPLOAD: "blobs/uploads/",
    Kind.REFERRERS: "referrers/",
}


def parse_path(path: str) -> Endpoint | None:
    """The endpoint at `path`, percent signs decoded; None if there is none.

    Neither name nor reference is checked: a server says which of them is wrong.
    """
    if path in ("/v2/", "/v2"):
        return Endpoint(Kind.BASE)
    if path in ("/v2/_catalog", "/v2/_catalog/"):
        return Endpoint(Kind.CATALOG)
    if not path.startswith("/v2/"):
        return None
    head, _, last = path[len("/v2/") :].rpartition("/")
    name, _, noun = head.rpartition("/")
    if noun == "uploads" and name.endswith("/blobs"):
        kind = Kind.UPLOAD if last else Kind.UPLOADS
        return Endpoint(kind, name.removesuffix("/blobs"), last)
    if noun == "blobs" and last == "uploads":
        return Endpoint(Kind.UPLOADS, name)
    if noun == "tags" and last == "list":
        return Endpoint(Kind.TAGS, name)
    kinds = {"manifests": Kind.MANIFEST, "blobs": Kind.BLOB, "referrers": Kind.REFERRERS}
    if noun not in kinds or not last or not name:
        return None
    return Endpoint(kinds[noun], name, last)


def check_name(name: str) -> str:
    """`name` if it is a repository's; BadName."""
    if len(name) > NAME_LIMIT or not _compiled(_NAME).fullmatch(name):
        raise BadName(
            f'"{name[:80]}" is not the name of a repository',
            hint="lower-case letters and digits, with single separators . _ __ - and / between",
        )
    return name


def check_tag(tag: str) -> str:
    """`tag` if it is one; BadTag."""
    if not _compiled(_TAG).fullmatch(tag):
        raise BadTag(
            f'"{tag[:80]}" is not a tag',
            hint="at most 128 letters, digits, '_', '.' and '-', and not '.' or '-' first",
        )
    return tag


def is_session(text: str) -> bool:
    """Whether `text` can be the last part of an upload's path."""
    return _compiled(_SESSION).fullmatch(text) is not None


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)
