"""Which version of one package a tree holds, where it is looked for by its name.

npm    NAME/package.json in the directory of packages for all (npm-folders(7))
gem    NAME-VERSION.gemspec, or with a platform behind it, in a `specifications` directory
go     what the Go linker writes into a program of its module ("go version -m")
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import TypeVar

from lamina.image.stack import Node, Stack
from lamina.layer.entry import FILE

_GLOBAL = ("usr/local/lib/node_modules", "usr/lib/node_modules", "opt/node/lib/node_modules")
_GEMSPEC = re.compile(r"([0-9]+(?:\.[0-9A-Za-z]+)*)(?:-[a-z][\w.-]*)?\.gemspec")
_NPM_VERSION = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+[0-9A-Za-z.+-]*")
_GO_VERSION = re.compile(rb"v[0-9]+\.[0-9]+\.[0-9]+[0-9A-Za-z.+-]*")
_PROGRAMS = ("root/go/bin", "go/bin", "usr/local/bin", "usr/bin", "bin")
_DOCUMENT = 1 << 20  # bytes of a package.json that is read
_PROGRAM = 512 << 20  # bytes of a program that is read
T = TypeVar("T")

Read = Callable[[Node, int], bytes]
"""The bytes of a file of at most so many."""


def npm(stack: Stack, read: Read, name: str) -> str | None:
    """Of a package that was installed for all (`npm install --global`)."""
    found: set[str] = set()
    for directory in _GLOBAL:
        node = _file(stack, f"{directory}/{name}/package.json", _DOCUMENT)
        if node is None:
            continue
        try:
            document = json.loads(read(node, _DOCUMENT))
        except (ValueError, RecursionError):
            return None
        version = document.get("version") if isinstance(document, dict) else None
        if not isinstance(version, str) or not _NPM_VERSION.fullmatch(version):
            return None
        found.add(version)
    return _only(found)


def gem(stack: Stack, name: str) -> str | None:
    """Of a gem, wherever it is installed; None where there are several."""
    found: set[str] = set()
    start = f"{name}-"
    for path in stack.nodes:
        if not path.endswith(".gemspec"):
            continue
        directory, _, last = path.rpartition("/")
        if last.startswith(start) and directory.endswith(("/specifications", "/default")):
            match = _GEMSPEC.fullmatch(last.removeprefix(start))
            if match:
                found.add(match[1])
    return _only(found)


def go(stack: Stack, read: Read, package: str) -> str | None:
    """Of the module that a program was built from, by the path of its main package."""
    name = package.rpartition("/")[2]
    if re.fullmatch(r"v[0-9]+", name):  # the major version of a module is no name
        name = package.split("/")[-2] if package.count("/") else name
    wanted = b"path\t%b\nmod\t" % package.encode("utf-8", "surrogateescape")
    found: set[bytes] = set()
    for directory in _PROGRAMS:
        node = _file(stack, f"{directory}/{name}", _PROGRAM)
        if node is None:
            continue
        data = read(node, _PROGRAM)
        at = data.find(wanted)
        if at < 0:
            continue
        line = data[at + len(wanted) : at + len(wanted) + 1024].partition(b"\n")[0]
        version = line.split(b"\t")[1:2]
        if not version or not _GO_VERSION.fullmatch(version[0]):
            return None  # of a tree and not of a release
        found.add(version[0])
    only = _only(found)
    return only.decode() if only is not None else None


def _file(stack: Stack, path: str, most: int) -> Node | None:
    node = stack.nodes.get(path)
    if node is None or node.source.entry.type is not FILE or node.source.entry.size > most:
        return None
    return node.source


def _only(found: set[T]) -> T | None:
    return next(iter(found)) if len(found) == 1 else None
