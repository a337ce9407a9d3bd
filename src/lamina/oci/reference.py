"""References: which image, by name, tag and digest (distribution/reference, "Grammar").

    reference  name [ ":" tag ] [ "@" digest ]
    name       [ domain "/" ] path

Docker's habit is chosen: a name without a domain is one of Docker Hub's, and a name of one part is
one of its `library/`.
"""

from __future__ import annotations

from functools import cache

from lamina.errors import Invalid
from lamina.late import re
from lamina.oci.digest import Digest
from lamina.values import dataclass, replace

HUB = "docker.io"
_OLD_HUB = "index.docker.io"
_LIBRARY = "library/"
DEFAULT_TAG = "latest"
_PATH_LIMIT = 255  # characters

_LABEL = "[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_DOMAIN = rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?"
_PART = "[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_PATH = f"{_PART}(?:/{_PART})*"
_TAG = "[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
_DIGEST = "[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}"
_NAME = f"(?:({_DOMAIN})/)?({_PATH})"
_REFERENCE = f"(?:({_DOMAIN})/)?({_PATH})(?::({_TAG}))?(?:@({_DIGEST}))?"


class BadReference(Invalid):
    """A text is not a reference."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A repository, and perhaps which of its images; only `split` leaves `domain` empty."""

    domain: str  # host[:port]
    path: str
    tag: str | None = None
    digest: Digest | None = None

    def __str__(self) -> str:
        return self._with_suffix(self.name)

    @property
    def name(self) -> str:
        """The repository: domain and path."""
        return f"{self.domain}/{self.path}" if self.domain else self.path

    @property
    def familiar_name(self) -> str:
        """The repository as people write it, without Docker Hub's domain and `library/`."""
        if self.domain != HUB:
            return self.name
        rest = self.path.removeprefix(_LIBRARY)
        return rest if "/" not in rest else self.path

    def familiar(self) -> str:
        """The whole reference as people write it."""
        return self._with_suffix(self.familiar_name)

    @property
    def is_name_only(self) -> bool:
        return self.tag is None and self.digest is None

    def with_tag(self, tag: str) -> Reference:
        """The same with another tag; a digest stays."""
        if not re.fullmatch(_TAG, tag):
            raise BadReference(
                f'"{tag}" is not a tag',
                hint="at most 128 letters, digits, '_', '.' and '-', and not '.' or '-' first",
            )
        return replace(self, tag=tag)

    def with_digest(self, digest: Digest) -> Reference:
        """The same with another digest; a tag stays."""
        if not re.fullmatch(_DIGEST, digest):
            raise BadReference(f'"{digest}" is not a digest')
        return replace(self, digest=digest)

    def with_default_tag(self) -> Reference:
        """The same, tagged `latest` if it has neither tag nor digest."""
        return replace(self, tag=DEFAULT_TAG) if self.is_name_only else self

    def repository(self) -> Reference:
        """The same without tag and digest."""
        return Reference(self.domain, self.path)

    def _with_suffix(self, name: str) -> str:
        tag = f":{self.tag}" if self.tag is not None else ""
        return f"{name}{tag}@{self.digest}" if self.digest is not None else f"{name}{tag}"


def parse(text: str) -> Reference:
    """The reference that `text` spells, with Docker Hub's defaults; BadReference if none.

    No tag is added: that is `with_default_tag`.
    """
    if is_identifier(text):
        raise BadReference(
            f'"{text}" is not a reference: 64 hexadecimal digits are an image ID',
            hint="name the repository, or write sha256: before the digits",
        )
    domain, rest = _split_domain(text)
    repository = rest.partition(":")[0]
    if repository != repository.lower():
        raise BadReference(
            f'"{text}" is not a reference: "{repository}" must be lower case',
            hint=f'did you mean "{text.replace(repository, repository.lower())}"?',
        )
    return split(f"{domain}/{rest}", shown=text)


def split(text: str, *, shown: str | None = None) -> Reference:
    """The reference as it stands, without any defaults; `shown` is what messages quote."""
    quoted = f'"{text if shown is None else shown}"'
    if not text:
        raise BadReference("a reference is empty", hint='expected a name, as in "debian:13"')
    parts = _plain_parts(text) or _parts(text)
    if parts is None:
        if text != text.lower() and _parts(text.lower()):
            raise BadReference(f"{quoted} is not a reference: the repository must be lower case")
        raise BadReference(
            f"{quoted} is not a reference",
            hint='expected [domain/]path[:tag][@digest], as in "debian:13"',
        )
    domain, path, tag, digest = parts
    if len(path) > _PATH_LIMIT:
        raise BadReference(
            f"{quoted} is not a reference: the path is longer than {_PATH_LIMIT} characters"
        )
    return Reference(domain or "", path, tag, Digest.parse(digest) if digest else None)


def parse_any(text: str) -> Reference | Digest:
    """A digest, 64 hexadecimal digits of one, or a reference with Docker Hub's defaults."""
    if is_identifier(text):
        return Digest(f"sha256:{text}")
    try:
        return Digest.parse(text)
    except Invalid:
        return parse(text)


def parse_canonical(text: str) -> Reference:
    """The reference that `text` spells in full; BadReference where a default would be needed."""
    found = parse(text)
    if str(found) != text:
        raise BadReference(f'"{text}" is not in full', hint=f'did you mean "{found}"?')
    return found


def parse_pullable(text: str) -> Reference:
    """The reference to pull: a digest beats a tag, and `latest` is the tag if there is neither."""
    found = parse(text)
    if found.digest is not None:
        return replace(found, tag=None)
    return found.with_default_tag()


def familiar_match(pattern: str, reference: Reference) -> bool:
    """Whether the familiar form, with or without tag, matches a shell pattern.

    `*` and `?` stop at slashes. BadReference if the pattern is malformed.
    """
    expression = _pattern(pattern)
    return any(
        re.fullmatch(expression, text, re.DOTALL)
        for text in (reference.familiar(), reference.familiar_name)
    )


def order(texts: list[str]) -> list[str]:
    """The most telling first: name, tag and digest; name and tag; name and digest; name; digest.

    What is not a reference comes last; equals are in the order of their canonical form.
    """
    good: list[tuple[int, str]] = []
    bad: list[str] = []
    for text in texts:
        try:
            found = parse_any(text)
        except Invalid:
            bad.append(text)
        else:
            good.append((_telling(found), str(found)))
    return [text for _, text in sorted(good)] + sorted(bad)


def is_identifier(text: str) -> bool:
    """Whether `text` is a whole image ID without its algorithm: 64 hexadecimal digits."""
    return len(text) == 64 and re.fullmatch("[a-f0-9]{64}", text) is not None


def is_domain(text: str) -> bool:
    """Whether `text` is a host with an optional port, as references spell it."""
    return re.fullmatch(_DOMAIN, text) is not None


def is_name(text: str) -> bool:
    """Whether `text` is a repository: [domain/]path."""
    return re.fullmatch(_NAME, text) is not None


_Parts = tuple[str | None, str, str | None, str | None]  # domain, path, tag, digest


def _parts(text: str) -> _Parts | None:
    match = _grammar().fullmatch(text)
    return None if match is None else (match[1], match[2], match[3], match[4])


@cache
def _grammar() -> re.Pattern[str]:
    return re.compile(_REFERENCE)


def _plain_parts(text: str) -> _Parts | None:
    """What `_parts` finds in most names, without the time that it takes to compile the grammar.

    None for whatever has more than dots, slashes and one colon between its letters and digits.
    """
    name, colon, tag = text.partition(":")
    domain, slash, path = name.partition("/")
    if not slash:
        domain, path = "", name
    is_plain = (
        text.isascii()
        and all(label.isalnum() for label in domain.split(".") if slash)
        and all(part.isalnum() for part in path.split("/"))
        and path == path.lower()
        and (not colon or (tag.isalnum() and len(tag) <= 128))
    )
    return (domain or None, path, tag or None, None) if is_plain else None


def _split_domain(text: str) -> tuple[str, str]:
    """The domain, Docker Hub by default, and the rest, with `library/` where Hub has it."""
    first, slash, rest = text.partition("/")
    if not slash:
        return HUB, _LIBRARY + text
    if first == _OLD_HUB:
        first = HUB
    elif first != "localhost" and not set(first) & set(".:") and first == first.lower():
        return HUB, text
    if first == HUB and "/" not in rest:
        rest = _LIBRARY + rest
    return first, rest


def _telling(found: Reference | Digest) -> int:
    if isinstance(found, Digest):
        return 5
    if found.tag is not None:
        return 1 if found.digest is not None else 2
    return 3 if found.digest is not None else 4


def _pattern(pattern: str) -> str:
    """A regular expression for a pattern of Go's path.Match."""
    out: list[str] = []
    at = 0
    while at < len(pattern):
        character = pattern[at]
        at += 1
        if character == "*":
            out.append("[^/]*")
        elif character == "?":
            out.append("[^/]")
        elif character == "[":
            expression, at = _pattern_class(pattern, at)
            out.append(expression)
        elif character == "\\":
            out.append(re.escape(_pattern_character(pattern, at)))
            at += 1
        else:
            out.append(re.escape(character))
    return "".join(out)


def _pattern_class(pattern: str, at: int) -> tuple[str, int]:
    """The class that begins at `at`, behind its bracket, and where it ends."""
    negated = pattern[at : at + 1] == "^"
    at += negated
    ranges: list[str] = []
    while not ranges or pattern[at : at + 1] != "]":
        low, at = _pattern_bound(pattern, at)
        high = low
        if pattern[at : at + 1] == "-":
            high, at = _pattern_bound(pattern, at + 1)
        # A range that runs backwards matches nothing, as in Go.
        ranges.append(f"[{re.escape(low)}-{re.escape(high)}]" if low <= high else "(?!)")
    body = "|".join(ranges)
    return (f"(?:(?!{body})[^/])" if negated else f"(?:(?!/)(?:{body}))"), at + 1


def _pattern_bound(pattern: str, at: int) -> tuple[str, int]:
    character = _pattern_character(pattern, at)
    if character in "-]":
        raise BadReference(f'"{pattern}" is not a pattern: "{character}" stands alone in "[…]"')
    if character == "\\":
        return _pattern_character(pattern, at + 1), at + 2
    return character, at + 1


def _pattern_character(pattern: str, at: int) -> str:
    if at >= len(pattern):
        raise BadReference(f'"{pattern}" is not a pattern: it ends too early')
    return pattern[at]
