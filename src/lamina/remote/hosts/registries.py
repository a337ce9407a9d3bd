"""registries.conf: mirrors, other locations, what is blocked (containers-registries.conf(5)).

Files are merged in their order (containers-registries.conf.d(5)): a later table with the same
prefix replaces the earlier one, and so does every other setting; aliases are added up.
Keys that are not known are left alone, as containers/image does; wrong values are refused with
the file and the key. Version 1 of the format is refused by name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from lamina.errors import Invalid, Unsupported
from lamina.oci import reference
from lamina.oci.document import BadDocument, Fields
from lamina.values import dataclass, field

_Choice = TypeVar("_Choice", bound=StrEnum)

AUTH_FILES = "containers-auth.json"  # among credential helpers: the files of credentials


class BadRegistries(Invalid):
    """A registries.conf is damaged."""


class PullFrom(StrEnum):
    """For which references a mirror is asked."""

    ALL = "all"
    DIGEST_ONLY = "digest-only"
    TAG_ONLY = "tag-only"


class ShortNames(StrEnum):
    """What containers/image does with a name without a domain."""

    ENFORCING = "enforcing"
    PERMISSIVE = "permissive"
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True)
class Mirror:
    """Another place for what a registry has."""

    location: str
    insecure: bool
    pull_from: PullFrom


@dataclass(frozen=True, slots=True)
class Registry:
    """One `[[registry]]` table: what is to be done for all names that begin with `prefix`."""

    prefix: str  # host[:port][/path], or *.host
    location: str  # empty: where the name says
    insecure: bool
    blocked: bool
    mirrors: tuple[Mirror, ...]
    file: str

    def matched(self, name: str) -> int | None:
        """How many characters of `name` the prefix stands for; None if it does not fit."""
        end = len(self.prefix)
        if self.prefix.startswith("*."):
            at = name.find(self.prefix[1:])
            if at < 0 or "/" in name[:at]:
                return None
            end = at + len(self.prefix) - 1
        elif not name.startswith(self.prefix):
            return None
        # That "host" fits "host:5000" too is what containers/image does.
        return end if end == len(name) or name[end] in "/:@" else None


@dataclass(frozen=True, slots=True)
class Registries:
    """What all the files say together.

    A name without a domain is what `aliases` say, or else one of Docker Hub's, as Docker has it:
    `search` and `short_names` are kept, but nobody here goes by them.
    """

    tables: Mapping[str, Registry] = field(default_factory=dict)  # by prefix
    search: tuple[str, ...] = ()  # unqualified-search-registries
    short_names: ShortNames = ShortNames.PERMISSIVE
    aliases: Mapping[str, str] = field(default_factory=dict)
    credential_helpers: tuple[str, ...] = (AUTH_FILES,)

    def expanded(self, text: str) -> str:
        """A reference with the alias that its name is replaced by what that stands for."""
        head, _, last = text.rpartition("/")
        cut = min((at for mark in ":@" if (at := last.find(mark)) >= 0), default=len(last))
        name = f"{head}/{last[:cut]}" if head else last[:cut]
        target = self.aliases.get(name)
        return text if target is None else target + last[cut:]

    def find(self, name: str) -> tuple[Registry, int] | None:
        """The table whose prefix stands for most of `name`, and for how much."""
        fitting = [
            (table, length)
            for table in self.tables.values()
            if (length := table.matched(name)) is not None
        ]
        # Of two wildcards that stand for as much, the one that says more counts.
        return max(fitting, key=lambda one: (one[1], len(one[0].prefix)), default=None)


def read(file: Path | None, directories: Sequence[Path] = ()) -> Registries:
    """The settings of `file`, then of the *.conf in each directory in the order of their names."""
    paths = [] if file is None else [file]
    for directory in directories:
        try:
            paths += sorted(path for path in directory.iterdir() if path.suffix == ".conf")
        except (FileNotFoundError, NotADirectoryError):
            continue
    merged = Registries()
    for path in paths:
        try:
            raw = path.read_bytes()
        except (FileNotFoundError, IsADirectoryError):
            continue
        merged = parse(raw, str(path), merged)
    _refuse_contradictions(merged)
    return merged


def parse(raw: bytes, file: str, before: Registries | None = None) -> Registries:
    """The settings of one file, laid over what came before."""
    import tomllib

    try:
        found = tomllib.loads(raw.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadRegistries(f'"{file}" is not TOML: {error}') from None
    if "registries" in found:
        raise Unsupported(
            f'"{file}" is of version 1 of the format, for its "registries"',
            hint='write it as [[registry]] tables, see "man containers-registries.conf"',
        )
    try:
        return _merged(Fields(found, ""), file, before or Registries())
    except BadDocument as error:
        raise BadRegistries(f'"{file}": {error.message}', hint=error.hint) from None


def _merged(fields: Fields, file: str, before: Registries) -> Registries:
    tables = dict(before.tables)
    for inner in fields.inners("registry"):
        table = _registry(inner, file)
        tables[table.prefix] = table
    aliases = dict(before.aliases)
    for name, target in fields.text_map("aliases").items():
        aliases.pop(name, None)
        if target:
            aliases[name] = _alias(fields, name, target)
    search = before.search
    if (given := fields.texts("unqualified-search-registries")) is not None:
        search = tuple(_domain(fields, name) for name in given)
    mode = fields.text("short-name-mode")
    return Registries(
        tables=tables,
        search=search,
        short_names=_choice(fields, "short-name-mode", ShortNames) if mode else before.short_names,
        aliases=aliases,
        credential_helpers=fields.texts("credential-helpers") or before.credential_helpers,
    )


def _registry(fields: Fields, file: str) -> Registry:
    location = _location(fields, "location")
    prefix = _location(fields, "prefix") or location
    if prefix.startswith("*."):
        if not reference.is_domain(prefix[2:]) or ":" in prefix:
            raise fields.refuse("prefix", prefix, 'a wildcard as in "*.example.com"')
    elif not prefix:
        raise fields.missing("location", "a location, or a prefix with a wildcard")
    elif not _is_place(prefix):
        if _has_tag(prefix):
            raise Unsupported(
                f'"{file}": "{fields.path("prefix")}" is "{prefix}", with a tag or a digest',
                hint="tables are for whole repositories, or namespaces, or registries",
            )
        raise fields.refuse("prefix", prefix, "host[:port][/path], in lower case")
    elif not location:
        raise fields.missing("location", "a location, as the prefix has no wildcard")
    by_digest = fields.boolean("mirror-by-digest-only")
    return Registry(
        prefix=prefix,
        location=location,
        insecure=fields.boolean("insecure"),
        blocked=fields.boolean("blocked"),
        mirrors=tuple(_mirror(inner, by_digest) for inner in fields.inners("mirror")),
        file=file,
    )


def _mirror(fields: Fields, by_digest: bool) -> Mirror:
    location = _location(fields, "location")
    if not location:
        raise fields.missing("location", "a location")
    said = fields.text("pull-from-mirror")
    if said and by_digest:
        raise fields.refuse(
            "pull-from-mirror", said, 'nothing, as "mirror-by-digest-only" is set for all mirrors'
        )
    pull_from = PullFrom.DIGEST_ONLY if by_digest else PullFrom.ALL
    if said:
        pull_from = _choice(fields, "pull-from-mirror", PullFrom)
    return Mirror(location, fields.boolean("insecure"), pull_from)


def _location(fields: Fields, key: str) -> str:
    said = fields.text(key)
    if "://" in said:
        raise fields.refuse(key, said, "host[:port][/path] without a scheme")
    trimmed = said.rstrip("/")
    if said and not trimmed:
        raise fields.refuse(key, said, "host[:port][/path]")
    if key == "location" and trimmed and not _is_place(trimmed):
        raise fields.refuse(key, said, "host[:port][/path], in lower case")
    return trimmed


def _is_place(text: str) -> bool:
    domain, slash, path = text.partition("/")
    return reference.is_domain(domain) and (not slash or reference.is_name(f"x.io/{path}"))


def _has_tag(text: str) -> bool:
    try:
        return not reference.split(text).is_name_only
    except Invalid:
        return False


def _domain(fields: Fields, name: str) -> str:
    trimmed = name.rstrip("/")
    if not reference.is_domain(trimmed):
        raise fields.refuse("unqualified-search-registries", name, "host[:port]")
    return trimmed


def _alias(fields: Fields, name: str, target: str) -> str:
    domain = target.partition("/")[0]
    if not reference.is_name(target) or not (set(domain) & set(".:") or domain == "localhost"):
        raise fields.refuse(f"aliases.{name}", target, "a name with its domain, without tag")
    return target


def _choice(fields: Fields, key: str, choices: type[_Choice]) -> _Choice:
    said = fields.text(key)
    try:
        return choices(said)
    except ValueError:
        raise fields.refuse(key, said, "one of " + ", ".join(choices)) from None


def _refuse_contradictions(registries: Registries) -> None:
    """One location cannot be both secure and insecure, or blocked and not."""
    seen: dict[str, Registry] = {}
    for table in registries.tables.values():
        if not table.location:
            continue
        other = seen.setdefault(table.location, table)
        for key in ("insecure", "blocked"):
            if getattr(table, key) != getattr(other, key):
                raise BadRegistries(
                    f'"{table.file}": location "{table.location}" is given twice,'
                    f' and "{key}" is not the same'
                )
