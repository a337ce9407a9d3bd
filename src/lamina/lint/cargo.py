"""`cargo fetch`: which files it reads, and which have only to be there.

Cargo wants a target to exist before it looks at the dependencies: `src/main.rs` or `src/lib.rs`,
unless every target says its path (The Cargo Book, "Cargo Targets").
"""

from __future__ import annotations

import posixpath
import tomllib
from collections.abc import Mapping

from lamina.lint.command import flags, operands
from lamina.lint.shell import Command
from lamina.values import dataclass

_FLAGS = frozenset(("locked", "q", "quiet", "target", "v", "verbose"))
_BESIDE = ("Cargo.lock", "rust-toolchain", "rust-toolchain.toml")
_SPOILED_BY = (".cargo", "vendor", "target")
_INFERRED = ("src/main.rs", "src/lib.rs")
_TABLES = ("bin", "example", "test", "bench")


@dataclass(frozen=True, slots=True)
class Fetch:
    """What `cargo fetch` needs of the directory where it runs."""

    lists: tuple[str, ...]  # paths in the context
    stubs: tuple[str, ...]  # names there that may be empty files; none where no target is inferred


def is_fetch(command: Command) -> bool:
    """Whether it is `cargo fetch`, with no flag that names a file."""
    words = [word.text for word in operands(command, ("target",))]
    return command.name == "cargo" and words == ["fetch"] and flags(command) <= _FLAGS


def fetch(command: Command, place: str, files: Mapping[str, str | None]) -> Fetch | None:
    """What it reads when it runs in `place` of the context; None where it may read more."""
    if not is_fetch(command) or any(posixpath.join(place, name) in files for name in _SPOILED_BY):
        return None
    path = posixpath.join(place, "Cargo.toml")
    text = files.get(path)
    if text is None:
        return None
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError):
        return None
    if not _is_alone(document):
        return None
    stubs = tuple(name for name in _INFERRED if posixpath.join(place, name) in files)
    targets = [document["lib"]] if "lib" in document else []
    for name in _TABLES:
        tables = document.get(name, [])
        if not isinstance(tables, list):
            return None
        if not all(isinstance(one, dict) and "path" in one for one in tables):
            return None  # the file that such a target means has to be there
        targets += tables if name == "bin" else []
    is_told = bool(targets) and all(isinstance(one, dict) and "path" in one for one in targets)
    if not is_told and not stubs:
        return None
    beside = [found for name in _BESIDE if (found := posixpath.join(place, name)) in files]
    return Fetch((path, *beside), () if is_told else stubs)


def _is_alone(document: Mapping[str, object]) -> bool:
    """Whether a package has no part in another directory."""
    package = document.get("package")
    if not isinstance(package, dict) or {"workspace", "build", "links"} & package.keys():
        return False
    if "workspace" in document or any(isinstance(one, dict) for one in package.values()):
        return False  # values that are inherited
    kept = {key: value for key, value in document.items() if key not in ("lib", *_TABLES)}
    return not _has_path(kept)


def _has_path(value: object) -> bool:
    if isinstance(value, dict):
        return "path" in value or any(map(_has_path, value.values()))
    return isinstance(value, list) and any(map(_has_path, value))
