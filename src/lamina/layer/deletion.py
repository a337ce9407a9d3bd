"""What a layer deletes of the ones below (image-spec, layer.md, "Whiteouts"; AUFS's names, too)."""

from __future__ import annotations

import os
import stat

from lamina.fs.root import remove_at
from lamina.layer import whiteout
from lamina.layer.header import printable
from lamina.layer.limits import BadEntry
from lamina.layer.places import Places
from lamina.layer.prune import remove_empty, remove_unmade

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_PLNK = whiteout.META_PREFIX + "plnk"  # where AUFS kept the files that hard links point at


class Deletion:
    """Deletes in a tree what the archive has not made itself: `made` has hashes of those paths."""

    def __init__(self, places: Places, made: set[int]) -> None:
        self._places = places
        self._made = made
        self._linked = False  # whether AUFS's link files have to go in the end

    def act(self, path: str, directory: str, name: str) -> bool:
        """Act on a name of image-spec's or AUFS's; False if `path` is an ordinary one after all."""
        for part in directory.split("/"):
            if part.startswith(whiteout.META_PREFIX):
                self._linked = self._linked or directory == _PLNK
                return directory != _PLNK
            if part.startswith(whiteout.PREFIX):
                raise BadEntry(f'"{printable(path)}" lies below a whiteout, "{printable(part)}"')
        if name == whiteout.OPAQUE:
            self._hide(directory)
        elif name.startswith(whiteout.PREFIX) and not name.startswith(whiteout.META_PREFIX):
            target = name[len(whiteout.PREFIX) :]
            if target in ("", ".", ".."):
                raise BadEntry(f'"{printable(path)}" is a whiteout of nothing that has a name')
            self.remove(directory, target)
        return name.startswith(whiteout.PREFIX)

    def _hide(self, directory: str) -> None:
        """Remove what lower layers have in `directory`."""
        try:
            fd = self._places.root.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        except (FileNotFoundError, NotADirectoryError):
            return
        self._places.close()
        remove_unmade(fd, directory, self._made)

    def remove(self, directory: str, name: str) -> None:
        """Remove what lower layers have at `name` in `directory`; nothing there is fine."""
        parent = self._places.find(directory)
        if parent is None:
            return
        try:
            mode = os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode
        except FileNotFoundError:
            return
        path = f"{directory}/{name}" if directory else name
        if not stat.S_ISDIR(mode):
            if hash(path) not in self._made:
                os.unlink(name, dir_fd=parent)
                if stat.S_ISLNK(mode):
                    self._places.close()
            return
        if not self._made:
            remove_at(parent, name)
            self._places.close()
            return
        remove_unmade(os.open(name, _DIRECTORY, dir_fd=parent), path, self._made)
        if hash(path) not in self._made:
            remove_empty(parent, name)
        self._places.close()

    def finish(self) -> None:
        """Remove what was there only for others to point at."""
        if self._linked:
            self._places.root.remove(_PLNK)
