"""Names that delete (image-spec, layer.md, "Whiteouts" and "Opaque Whiteout")."""

from __future__ import annotations

PREFIX = ".wh."
OPAQUE = ".wh..wh..opq"
META_PREFIX = ".wh..wh."  # AUFS's own bookkeeping; of these only OPAQUE means something


def is_whiteout(name: str) -> bool:
    """Whether the base name `name` deletes another name, or hides what is below."""
    return name.startswith(PREFIX)


def hidden(name: str) -> str:
    """The base name that the whiteout `name` deletes; "" if it is no plain whiteout."""
    if not name.startswith(PREFIX) or name.startswith(META_PREFIX):
        return ""
    return name[len(PREFIX) :]


def path_of(path: str) -> str:
    """The path of the whiteout that deletes `path`."""
    parent, slash, name = path.rpartition("/")
    return f"{parent}{slash}{PREFIX}{name}"


def opaque_of(directory: str) -> str:
    """The path of the marker that hides all that lower layers have in `directory`."""
    return OPAQUE if directory == "." else f"{directory}/{OPAQUE}"
