"""Which differences of two builds do not count."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lamina.analysis.volatile import VOLATILE, reason

PAGE = Path(__file__).parents[3] / "docs/advice.md"


@pytest.mark.parametrize(
    "path",
    [
        "var/log",
        "var/log/apt/history.log",
        "var/lib/apt/lists/deb.debian.org_x",
        "var/cache/ldconfig/aux-cache",
        "var/lib/dpkg/status-old",
        "etc/.pwd.lock",
        "app/x/__pycache__/y.cpython-312.pyc",
        "__pycache__",
        "usr/lib/python3/a.pyc",
        "root/.cache/pip/http/1",
        "root/.npm/_logs/1.log",
    ],
)
def test_it_does_not_count(path: str) -> None:
    assert reason(path)


@pytest.mark.parametrize(
    "path",
    [
        "app/var/log/x",
        "var/logs",
        "var/lib/dpkg/status",
        "etc/passwd",
        "app/x.py",
        "root/.npmrc",
        "app/cache/x",
        "var/lib/dpkg/info/old-old/x",
    ],
)
def test_it_counts(path: str) -> None:
    assert reason(path) is None


def test_the_page_has_every_one() -> None:
    rows = re.findall(r"^\| `(/.*)` \| (.*) \|$", PAGE.read_text(), re.MULTILINE)
    assert rows == [(f"/{glob}", why) for glob, why in VOLATILE]
