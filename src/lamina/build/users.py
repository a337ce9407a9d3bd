"""Owners by name, looked up in an image's own /etc/passwd and /etc/group."""

from __future__ import annotations

import os

from lamina.build import inside
from lamina.errors import Invalid
from lamina.fs.root import Root
from lamina.values import dataclass

_LIMIT = 16 << 20  # bytes read of either file; the root may be hostile
_HIGHEST = 0xFFFF_FFFE  # 0xFFFFFFFF means "leave it" to chown(2)


@dataclass(frozen=True, slots=True)
class Owner:
    """Who a file belongs to; `notes` are words for a person about names that were not found."""

    uid: int
    gid: int
    notes: tuple[str, ...] = ()


def find(root: Root, text: str) -> Owner:
    """The owner that "user[:group]" means in `root`.

    A number is taken as it is, and without a group it is the group's too; a user's name brings
    the user's own group. A name that is not in the image means 0, with a note: BuildKit builds
    such images too, and silently. Invalid for a number out of range, or an empty user.
    """
    user, colon, group = text.partition(":")
    if not user:
        raise Invalid(f'invalid owner "{text}": expected user[:group]')
    notes: list[str] = []
    uid = gid = 0
    number = _number(user, text)
    if number is not None:
        uid = gid = number
    else:
        row = _row(root, "etc/passwd", user)
        if row is None:
            notes.append(f'no user "{user}" in /etc/passwd of the image, uid 0 is used')
        else:
            uid, gid = row
    if colon and group:
        number = _number(group, text)
        if number is None:
            row = _row(root, "etc/group", group)
            if row is None:
                notes.append(f'no group "{group}" in /etc/group of the image, gid 0 is used')
            number = row[0] if row else 0
        gid = number
    return Owner(uid, gid, tuple(notes))


def _number(text: str, whole: str) -> int | None:
    if not (text.isascii() and text.isdigit()):
        return None
    number = int(text)
    if number > _HIGHEST:
        raise Invalid(f'invalid owner "{whole}": {text} is larger than {_HIGHEST}')
    return number


def _row(root: Root, path: str, name: str) -> tuple[int, int] | None:
    """Fields three and four of the row that begins with `name`, as numbers; 0 if not a number."""
    for line in (inside.read(root.fd, path, _LIMIT) or b"").splitlines():
        fields = os.fsdecode(line).split(":")
        if fields[0] == name and len(fields) >= 3 and fields[2].isdigit():
            fourth = fields[3] if len(fields) > 3 else ""
            return int(fields[2]), int(fourth) if fourth.isdigit() else 0
    return None
