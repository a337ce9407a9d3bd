"""Paths at which two builds of the same Dockerfile differ, or whose loss nobody sees; and why."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

from lamina.analysis.compare import Difference

# `*` is any part of a name, `**` any number of names.
VOLATILE = (
    ("var/log/**", "logs tell when they were written"),
    ("root/.npm/**", "npm's cache and logs: used by the next install alone"),
    ("**/.cache/**", "caches of pip, yarn and others: used by the next install alone"),
    ("var/cache/apt/**", "apt's cache of packages: used by the next install alone"),
    ("var/lib/apt/lists/**", "apt's lists of packages, as the mirror had them"),
    ("var/lib/apt/periodic/**", "apt's notes of when it did what"),
    ("var/cache/apk/**", "apk's index of packages, as the mirror had it"),
    ("lib/apk/db/scripts.tar*", "scripts of apk's packages, with the time of the install"),
    ("var/cache/dnf/**", "dnf's cache: used by the next install alone"),
    ("var/cache/libdnf5/**", "dnf's cache: used by the next install alone"),
    ("var/cache/yum/**", "yum's cache: used by the next install alone"),
    ("var/cache/zypp/**", "zypper's cache: used by the next install alone"),
    ("var/cache/ldconfig/aux-cache", "ldconfig's notes hold inodes and times"),
    ("var/cache/debconf/*-old", "the state before the last change"),
    ("var/cache/fontconfig/**", "fontconfig's cache holds times"),
    ("var/cache/man/**", "man's index holds times"),
    ("var/lib/dpkg/*-old", "the state before the last change"),
    ("var/lib/dpkg/lock*", "dpkg's locks are empty, and there once it ran"),
    ("var/lib/dpkg/triggers/Lock", "dpkg's locks are empty, and there once it ran"),
    ("var/lib/systemd/catalog/database", "systemd's index holds times"),
    ("etc/.pwd.lock", "the lock of passwd is empty, and there once an account was made"),
    ("etc/passwd-", "the state before the last change"),
    ("etc/group-", "the state before the last change"),
    ("etc/shadow-", "the state before the last change"),
    ("etc/gshadow-", "the state before the last change"),
    ("etc/subuid-", "the state before the last change"),
    ("etc/subgid-", "the state before the last change"),
    ("**/__pycache__/**", "Python's compiled files hold the time of their source"),
    ("**.pyc", "Python's compiled files hold the time of their source"),
    ("tmp/npm-*/**", "npm's temporary files"),
    ("tmp/v8-compile-cache*/**", "temporary files of Node.js"),
)


def reason(path: str) -> str | None:
    """Why a difference at `path` does not count; None where it does."""
    for pattern, why in _compiled():
        if pattern.fullmatch(path):
            return why
    return None


def sorted_out(
    differences: Sequence[Difference],
) -> tuple[list[Difference], list[tuple[Difference, str]]]:
    """Those that count, and those that do not, with the reason."""
    real: list[Difference] = []
    passing: list[tuple[Difference, str]] = []
    for each in differences:
        why = reason(each.path)
        if why is None:
            real.append(each)
        else:
            passing.append((each, why))
    return real, passing


@cache
def _compiled() -> list[tuple[re.Pattern[str], str]]:
    return [(re.compile(_expression(glob), re.DOTALL), why) for glob, why in VOLATILE]


def _expression(glob: str) -> str:
    """`dir/**` is the directory too."""
    found = ""
    for piece in re.split(r"(\*\*/|/\*\*|\*\*|\*)", glob):
        match piece:
            case "**/":
                found += "(?:.*/)?"
            case "/**":
                found += "(?:/.*)?"
            case "**":
                found += ".*"
            case "*":
                found += "[^/]*"
            case _:
                found += re.escape(piece)
    return found
