"""Git URLs as ADD and build contexts spell them (BuildKit, util/gitutil and dfgitutil).

https://host/path.git#ref:subdir    git@host:path#ref    ssh://git@host/path    git://host/path
https://host/path.git?branch=main&subdir=app&checksum=…  (also tag, ref, submodules,
                                                          keep-git-dir, mtime, fetch-by-commit)
"""

from __future__ import annotations

from collections.abc import Mapping

from lamina.dockerfile.numbers import parse_bool
from lamina.dockerfile.text import did_you_mean
from lamina.errors import Invalid
from lamina.late import re
from lamina.values import dataclass, replace

# Compiled when they are first used: a Dockerfile seldom names a repository.
_SCHEME = r"([a-zA-Z0-9]+)://"
_SCP = r"(?s:([a-zA-Z0-9_-]+)@([a-zA-Z0-9.-]+):(.*?)(?:\?(.*?))?(?:#(.*))?)"
_SCHEMES = frozenset(("http", "https", "ssh", "git"))
_BAD_ESCAPE = r"%(?![0-9a-fA-F]{2})"
_CONTROL = r"[\x00-\x1f\x7f]"
_BAD_HOST = r"[^A-Za-z0-9._~!$&'()*+,;=:\[\]<>\"%\x80-\U0010ffff-]"
_TRUTHS = ("submodules", "keep-git-dir", "fetch-by-commit")
_QUERY = ("ref", "tag", "branch", "subdir", "checksum", "commit", "mtime", *_TRUTHS)


@dataclass(frozen=True, slots=True)
class GitURL:
    """A URL that git can fetch from, in its parts."""

    scheme: str
    host: str  # with its port
    path: str
    user: str | None
    password: str | None
    query: Mapping[str, tuple[str, ...]]
    fragment: str | None  # None where it is missing or empty
    remote: str  # what git is given: without query and fragment

    @property
    def ref(self) -> str:
        """The fragment up to its colon."""
        return (self.fragment or "").partition(":")[0]

    @property
    def subdir(self) -> str:
        """The fragment after its colon."""
        return (self.fragment or "").partition(":")[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class GitRef:
    """What to fetch; what was not given is empty or None."""

    remote: str
    short_name: str  # of the repository
    ref: str = ""  # branch, tag or commit
    checksum: str = ""  # the commit that it must be, or how that begins
    subdir: str = ""
    keep_git_dir: bool | None = None
    submodules: bool | None = None
    mtime: str = ""  # checkout or commit
    fetch_by_commit: bool = False
    looks_local: bool = False  # github.com/…: only a build context may be spelled so
    is_unencrypted: bool = False  # http and git


def parse_url(text: str) -> GitURL:
    """The parts of `text`, a URL or git's short form user@host:path; Invalid if it is neither."""
    match = re.match(_SCHEME, text)
    if match:
        scheme = match[1].lower()
        if scheme not in _SCHEMES:
            raise Invalid(f'git cannot fetch by "{scheme}"', hint="use https, http, ssh or git")
        return _from_url(scheme, text[match.end() :], text)
    match = re.fullmatch(_SCP, text)
    if not match:
        raise Invalid(f'"{text}" is no git URL')
    user, host, path, query, fragment = match.groups()
    return GitURL(
        "ssh", host, path, user, None, _read_query(query or ""), fragment or None,
        f"{user}@{host}:{path}",
    )  # fmt: skip


def parse_ref(text: str) -> GitRef:
    """The ref that `text` names; Invalid where it is no git URL, or contradicts itself.

    An http or https URL is one only if its path ends with `.git`, for it may be a file.
    """
    if text.startswith(("./", "../")):
        raise Invalid(f'"{text}" is a path, no git URL')
    looks_local = text.startswith("github.com/")
    if looks_local:
        url = _from_url("https", text, text)
    else:
        url = parse_url(text)
        if url.scheme in ("http", "https") and not url.path.endswith(".git"):
            raise Invalid(f'"{text}" is no git URL', hint="one by http or https ends with .git")
    remote = url.remote.partition("://")[2] if looks_local else url.remote
    ref = GitRef(
        remote=remote,
        short_name=remote.rsplit("/", 1)[-1].removesuffix(".git"),
        ref=url.ref,
        subdir=url.subdir,
        looks_local=looks_local,
        is_unencrypted=not looks_local and url.scheme in ("http", "git"),
    )
    try:
        return _with_query(ref, url.query)
    except Invalid as error:
        raise Invalid(f'git URL "{text}": {error.message}', hint=error.hint) from None


def as_fragment(text: str, *, with_subdir: bool = False) -> str | None:
    """`text` with its query turned into a fragment of only the ref (and the subdir); else None."""
    try:
        ref = parse_ref(text)
    except Invalid:
        return None
    subdir = ref.subdir.lstrip("/") if with_subdir else ""
    fragment = f"{ref.ref}:{subdir}" if subdir else ref.ref
    return f"{ref.remote}#{fragment}" if fragment else ref.remote


def _from_url(scheme: str, rest: str, text: str) -> GitURL:
    """The URL whose part after the scheme is `rest`."""
    from urllib.parse import unquote

    if re.search(_CONTROL, text):
        raise Invalid(f'"{text}" holds a control character')
    rest, _, fragment = rest.partition("#")
    rest, _, query = rest.partition("?")
    authority, slash, path = rest.partition("/")
    login, at, host = authority.rpartition("@")
    port = host.rpartition("]")[2].rpartition(":")[2] if ":" in host.rpartition("]")[2] else ""
    if re.search(_BAD_HOST, host) or (port and not (port.isascii() and port.isdecimal())):
        raise Invalid(f'"{host}" in "{text}" is no host')
    for part in (login, path, fragment):
        if re.search(_BAD_ESCAPE, part):
            raise Invalid(f'an escape in "{text}" is malformed', hint="write a percent sign as %25")
    user, has_password, password = login.partition(":")
    return GitURL(
        scheme=scheme,
        host=host,
        path=unquote(slash + path),
        user=unquote(user) if at else None,
        password=unquote(password) if has_password else None,
        query=_read_query(query),
        fragment=unquote(fragment) or None,
        remote=f"{scheme}://{rest}",
    )


def _read_query(text: str) -> dict[str, tuple[str, ...]]:
    """The values of each key; pairs that are malformed are dropped, as Go does."""
    from urllib.parse import unquote_plus

    query: dict[str, tuple[str, ...]] = {}
    for pair in text.split("&"):
        if not pair or ";" in pair or re.search(_BAD_ESCAPE, pair):
            continue
        key, _, value = pair.partition("=")
        key = unquote_plus(key)
        query[key] = (*query.get(key, ()), unquote_plus(value))
    return query


def _with_query(ref: GitRef, query: Mapping[str, tuple[str, ...]]) -> GitRef:
    tag = branch = ""
    for key, values in query.items():
        if key not in _QUERY:
            raise Invalid(f'"{key}" is not known in its query', hint=did_you_mean(key, _QUERY))
        if len(values) > 1:
            raise Invalid(f'"{key}" is given twice')
        value = values[0]
        if not value and key not in _TRUTHS:
            raise Invalid(f'"{key}" has no value')
        if key == "ref":
            ref = replace(ref, ref=_agreed(key, ref.ref, value))
        elif key == "subdir":
            ref = replace(ref, subdir=_agreed(key, ref.subdir, value))
        elif key == "tag":
            tag = value
        elif key == "branch":
            branch = value
        elif key in ("checksum", "commit"):
            ref = replace(ref, checksum=value)
        elif key == "mtime":
            if value not in ("checkout", "commit"):
                raise Invalid(f'mtime "{value}" is not known', hint="use checkout or commit")
            ref = replace(ref, mtime=value)
        elif key == "submodules":
            ref = replace(ref, submodules=_truth(key, value))
        elif key == "keep-git-dir":
            ref = replace(ref, keep_git_dir=_truth(key, value))
        else:
            ref = replace(ref, fetch_by_commit=_truth(key, value))
    if tag and branch:
        raise Invalid("it names both a tag and a branch")
    if tag or branch:
        prefix, name = ("refs/tags/", tag) if tag else ("refs/heads/", branch)
        full = name if name.startswith(prefix) else prefix + name
        ref = replace(ref, ref=_agreed("ref", ref.ref, full))
    return ref


def _agreed(key: str, before: str, value: str) -> str:
    if before and before != value:
        raise Invalid(f'{key} is both "{before}" and "{value}"')
    return value


def _truth(key: str, value: str) -> bool:
    if not value:
        return True
    try:
        return parse_bool(value)
    except Invalid:
        raise Invalid(f'"{key}" is "{value}", neither true nor false') from None
