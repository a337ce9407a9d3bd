"""Which packages a tree holds, by what their installers leave in it.

dpkg     /var/lib/dpkg/status, and status.d as distroless images have it (deb-control(5))
apk      /lib/apk/db/installed (Alpine's wiki, "Apk spec")
python   NAME-VERSION.dist-info (PyPA, "Recording installed projects") and NAME-VERSION.egg-info
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from lamina.image.stack import Node, Stack
from lamina.layer.entry import FILE
from lamina.values import dataclass

_DPKG = re.compile(r"var/lib/dpkg/(?:status|status\.d/[^/]+)")
_APK = frozenset(("lib/apk/db/installed", "usr/lib/apk/db/installed"))
_PYTHON = re.compile(r"(?:.*/)?([^/-]+)-([^/-]+)(?:-py[0-9.]+)?\.(?:dist|egg)-info(?:/METADATA)?")


@dataclass(frozen=True, slots=True)
class Package:
    """One installed package."""

    kind: str  # dpkg, apk or python
    name: str
    version: str


def packages(stack: Stack, read: Callable[[Node], bytes]) -> list[Package]:
    """The packages in the tree, sorted; `read` gives the bytes of a file."""
    found: set[Package] = set()
    for path, node in stack.nodes.items():
        if path in _APK or ("dpkg" in path and _DPKG.fullmatch(path)):
            if node.source.entry.type is FILE and not path.endswith(".md5sums"):
                text = read(node.source).decode(errors="replace")
                found.update(_apk(text) if path in _APK else _dpkg(text))
        elif path.endswith("-info"):
            match = _PYTHON.fullmatch(path)
            if match:
                name = re.sub("[-_.]+", "-", match[1]).lower()
                found.add(Package("python", name, match[2]))
    return sorted(found, key=lambda one: (one.kind, one.name, one.version))


def _dpkg(text: str) -> Iterator[Package]:
    for paragraph in text.split("\n\n"):
        fields = dict(re.findall(r"^([A-Za-z-]+):[ \t]*(.*)$", paragraph, re.MULTILINE))
        status = fields.get("Status", "install ok installed")
        if "Package" in fields and status.endswith(" installed"):
            yield Package("dpkg", fields["Package"], fields.get("Version", ""))


def _apk(text: str) -> Iterator[Package]:
    for paragraph in text.split("\n\n"):
        fields = dict(re.findall("^([PV]):(.*)$", paragraph, re.MULTILINE))
        if "P" in fields:
            yield Package("apk", fields["P"], fields.get("V", ""))
