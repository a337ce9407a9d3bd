"""Licence expressions (SPDX 2.3, annex D); the identifiers are those of `spdx.json`."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path

_TOKEN = re.compile(r"\s*(\(|\)|[A-Za-z0-9.+:-]+)")
_OWN = re.compile(r"(?:DocumentRef-[A-Za-z0-9.-]+:)?LicenseRef-[A-Za-z0-9.-]+")


def is_license(text: str) -> bool:
    """Whether `text` is a licence, or an expression of several; deprecated names are none."""
    tokens: list[str] = []
    at = 0
    text = text.strip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None or len(tokens) > 200:
            return False
        tokens.append(match[1])
        at = match.end()
    licenses, exceptions = _known()
    wants_license, depth = True, 0
    for at, token in enumerate(tokens):
        if wants_license and token == "(":
            depth += 1
        elif wants_license:
            if token.removesuffix("+") not in licenses and not _OWN.fullmatch(token):
                return False
            wants_license = False
        elif token == ")":
            depth -= 1
            if depth < 0:
                return False
        elif token in ("AND", "OR"):
            wants_license = True
        elif token == "WITH":
            if at + 1 >= len(tokens) or tokens[at + 1] not in exceptions:
                return False
        elif tokens[at - 1] != "WITH":
            return False
    return bool(tokens) and not wants_license and not depth


@cache
def _known() -> tuple[frozenset[str], frozenset[str]]:
    document = json.loads(Path(__file__).with_name("spdx.json").read_text())
    return frozenset(document["licenses"]), frozenset(document["exceptions"])
