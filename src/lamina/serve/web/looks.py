"""Images whose layers were read. The latest are kept, within bounds of memory."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable

from lamina.errors import Error, Unsupported
from lamina.image.stack import Stack
from lamina.image.timeline import Timeline
from lamina.image.view import Image
from lamina.layer.entry import Entry
from lamina.layer.limits import Limits, TooMuch
from lamina.serve.web.shelf import Sheet, Sight
from lamina.values import dataclass

ENTRIES = 400_000  # of one image, and of all that are kept: some 250 MB
KEPT = 16  # images
_WEIGHT = 128 << 20  # bytes of names, links and attributes of one image
_PLAIN = 64 << 30  # bytes of a layer's tar that are read for a page


@dataclass(frozen=True, slots=True)
class Broken:
    """A layer that cannot be read; what lies above it cannot be known."""

    layer: int  # 1 is the lowest
    error: Error


@dataclass(frozen=True, slots=True)
class Look:
    """One image with its tree after each layer, up to one that is broken."""

    sight: Sight
    timeline: Timeline
    broken: Broken | None
    lock: threading.Lock  # for the timeline, which is not for several threads

    @property
    def image(self) -> Image:
        return self.sight.image

    def whole(self) -> Stack:
        """The finished tree; raises what is wrong where a layer is broken."""
        if self.broken is not None:
            raise self.broken.error
        return self.timeline.stack


class Looks:
    """The latest. Safe for many threads; one image is read at a time, so memory has a bound."""

    def __init__(self, *, entries: int = ENTRIES, kept: int = KEPT) -> None:
        self._limit = entries
        self._count = kept
        self._held: OrderedDict[str, Look] = OrderedDict()
        self._lock = threading.Lock()
        self._reading = threading.Lock()

    def of(self, sheet: Sheet) -> Look:
        """The image of `sheet`, read now if it is not kept; raises why it is no image."""
        if sheet.sight is None:
            raise sheet.problem or Unsupported(f'"{sheet.reference}" is no image')
        look = self._known(sheet.key)
        if look is not None:
            return look
        with self._reading:
            look = self._known(sheet.key)  # read by somebody while we waited
            if look is None:
                look = self._read(sheet, sheet.sight)
                # What is missing may come; what is too large stays so.
                if look.broken is None or isinstance(look.broken.error, TooMuch):
                    self._hold(sheet.key, look)
        return look

    def _known(self, key: str) -> Look | None:
        with self._lock:
            look = self._held.get(key)
            if look is not None:
                self._held.move_to_end(key)
            return look

    def _hold(self, key: str, look: Look) -> None:
        with self._lock:
            held = self._held
            held[key] = look
            entries = sum(one.timeline.entries for one in held.values())
            while len(held) > 1 and (len(held) > self._count or entries > self._limit):
                entries -= held.popitem(last=False)[1].timeline.entries

    def _read(self, sheet: Sheet, sight: Sight) -> Look:
        timeline = Timeline()
        broken = None
        weight = _WEIGHT
        for number, layer in enumerate(sight.image.layers, 1):
            limits = Limits(entries=max(1, self._limit - timeline.entries), plain_size=_PLAIN)
            try:
                entries, weight = _bounded(sheet.entries(layer, limits), limits.entries, weight)
                timeline.push(entries)
            except Error as error:
                broken = Broken(number, self._in_words(error))
                break
        return Look(sight, timeline, broken, threading.Lock())

    def _in_words(self, error: Error) -> Error:
        if not isinstance(error, TooMuch):
            return error
        return TooMuch(
            f"the image is too large for these pages: {error.message}",
            hint='"lamina layers" and "lamina ls" show up to four million entries',
        )


def _bounded(entries: Iterable[Entry], room: int, weight: int) -> tuple[list[Entry], int]:
    """The entries, and what is left of `weight`, the bytes of text that they may hold; TooMuch."""
    found: list[Entry] = []
    for entry in entries:
        weight -= len(entry.path) + len(entry.link)
        if entry.xattrs:
            weight -= sum(len(name) + len(value) for name, value in entry.xattrs.items())
        found.append(entry)
        if len(found) > room:
            raise TooMuch(f"it has more than {room} entries")
        if weight < 0:
            raise TooMuch(f"its names and attributes are more than {_WEIGHT} bytes")
    return found, weight
