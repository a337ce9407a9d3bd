"""Links to the next page of a list (RFC 8288; distribution-spec, "Listing Tags")."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode

from lamina.late import re

_LINK = re.compile(r"""<([^<>]*)>((?:\s*;\s*[\w*-]+\s*=\s*(?:"(?:[^"\\]|\\.)*"|[^\s;,"]+))*)""")
_RELATION = re.compile(r';\s*rel\s*=\s*(?:"([^"]*)"|([^\s;,"]+))', re.IGNORECASE)


def next_page(header: str) -> str | None:
    """The target of the first link whose relation is `next`, as it stands; None without one."""
    for target, parameters in _LINK.findall(header):
        relation = _RELATION.search(parameters)
        if relation and "next" in (relation[1] or relation[2] or "").lower().split():
            return str(target)
    return None


def to_next(path: str, query: Mapping[str, str]) -> str:
    """The Link header that leads on to `path` with `query`."""
    return f'<{path}?{urlencode(query)}>; rel="next"'
