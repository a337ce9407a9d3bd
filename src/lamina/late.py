"""Modules of the standard library that are imported at their first use.

A command lives for some tens of milliseconds. `re` takes 1.5 of them to import, and `json`, which
needs it, as much again; many a command does without the one or both, though the rooms that it
imports might use them. Type checkers see the modules themselves.
"""

from __future__ import annotations

TYPE_CHECKING = False  # type checkers read it as True, and `typing` need not be imported

if TYPE_CHECKING:
    import json as json
    import re as re

else:

    class _Late:
        def __init__(self, name):
            self._name = name

        def __getattr__(self, attribute):
            value = getattr(__import__(self._name), attribute)
            setattr(self, attribute, value)
            return value

    re = _Late("re")
    json = _Late("json")
