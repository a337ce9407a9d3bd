from __future__ import annotations

import time

import pytest

from lamina.serve.request import BadRequest
from lamina.serve.web.pages.find import wanted


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("motd", "etc/motd"),
        ("tc/mo", "etc/motd"),
        ("/etc/", "etc/motd"),
        ("README", "usr/share/readme"),
        ("readme", "usr/share/README"),
        ("*.so", "usr/lib/libshop.so"),
        ("lib?.deb", "var/cache/lib8.deb"),
        ("/usr/*.so", "usr/lib/libshop.so"),
        ("usr/*/libshop.so", "usr/lib/libshop.so"),
        ("[ab]c", "x/bc"),
        ("\\xff", "bad\udcff"),
        ("bad\udcff", "bad\udcff"),
        ("bad\\xff", "bad\udcff"),
        ("<b>", "a<b>c"),
        ("[z-a]*", "x/nothing"),
    ],
)
def test_what_fits(text: str, path: str) -> None:
    assert wanted(text)(path) == ("nothing" not in path)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("etc/passwd", "etc/motd"),
        ("*.so", "usr/lib/libshop.so.1"),
        ("lib", "usr/share/doc"),
        ("usr/*.so", "opt/usr/x.so"),
        ("?", "ab"),
        ("\\xff", "xff"),
    ],
)
def test_what_does_not_fit(text: str, path: str) -> None:
    assert not wanted(text)(path)


def test_a_pattern_that_means_harm_takes_no_time() -> None:
    before = time.process_time()
    fits = wanted("*a" * 99 + "b")
    assert not any(fits("a" * 2000) for _ in range(20))
    assert time.process_time() - before < 3


def test_a_pattern_that_is_too_long_is_refused() -> None:
    with pytest.raises(BadRequest):
        wanted("x" * 201)
