"""Lamina builds, runs and looks inside container images, with no daemon.

The names here are imported when they are first asked for, so that `import lamina` costs nothing.
"""

from __future__ import annotations

TYPE_CHECKING = False  # type checkers read it as True, and `typing` need not be imported

if TYPE_CHECKING:
    from lamina.dockerfile import parse as parse_dockerfile
    from lamina.engine import Engine, Settings
    from lamina.engine.sight import analyze
    from lamina.errors import Error
    from lamina.image.view import Image
    from lamina.lint import check
    from lamina.oci.digest import Digest

_HOMES = {
    "Digest": ("lamina.oci.digest", "Digest"),
    "Engine": ("lamina.engine", "Engine"),
    "Error": ("lamina.errors", "Error"),
    "Image": ("lamina.image.view", "Image"),
    "Settings": ("lamina.engine", "Settings"),
    "analyze": ("lamina.engine.sight", "analyze"),
    "check": ("lamina.lint", "check"),
    "parse_dockerfile": ("lamina.dockerfile", "parse"),
}

__all__ = [
    "Digest",
    "Engine",
    "Error",
    "Image",
    "Settings",
    "analyze",
    "check",
    "parse_dockerfile",
]


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'lamina' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(home[0]), home[1])
