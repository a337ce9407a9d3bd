"""What is written beside each tree: on what it stands, and who made it in which boot."""

from __future__ import annotations

import os
from functools import cache

from lamina.errors import Corrupt
from lamina.fs.owner import Owner, boot
from lamina.late import json
from lamina.oci.digest import ChainID, Digest
from lamina.values import dataclass

_NAME = "meta"


@dataclass(frozen=True, slots=True)
class Meta:
    """The facts about one snapshot or draft."""

    parent: ChainID | None
    owner: Owner
    boot: str  # during which it was made
    created: int  # nanoseconds since 1970

    def write(self, directory: str) -> None:
        """Write it into a directory that nobody else writes to; it is there as a whole."""
        document = {
            "parent": self.parent,
            "boot": self.boot,
            "pid": self.owner.pid,
            "start": self.owner.start,
            "created": self.created,
        }
        aside = os.path.join(directory, f"{_NAME}.new")
        with open(aside, "w", encoding="utf-8") as file:
            file.write(json.dumps(document))
        os.rename(aside, os.path.join(directory, _NAME))


def read(directory: str) -> Meta:
    """The facts about the tree in `directory`; FileNotFoundError, or Corrupt if unreadable."""
    with open(os.path.join(directory, _NAME), "rb", buffering=0) as file:
        data = file.readall()
    try:
        found = json.loads(data)
        parent = found["parent"]
        return Meta(
            None if parent is None else ChainID(Digest.parse(parent)),
            Owner(int(found["pid"]), int(found["start"])),
            str(found["boot"]),
            int(found["created"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise Corrupt(
            f'"{directory}" is damaged: its facts cannot be read',
            hint="the machine may have lost power; remove what uses it and make it again",
        ) from error


@cache
def this_boot() -> str:
    """The boot that this process lives in."""
    return boot()
