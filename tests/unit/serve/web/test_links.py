from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.serve.request import BadRequest
from lamina.serve.web.links import Query, attachment, to, visible


def test_what_is_not_said_is_left_out() -> None:
    assert to("image", ref="a:1", at=None, dir="", only=False) == "image?ref=a:1"
    assert to("image") == "image"
    assert to("image", only=True, at=0) == "image?only=1&at=0"


@given(st.binary(min_size=1, max_size=50))
def test_a_name_of_any_bytes_comes_back_from_an_address(name: bytes) -> None:
    text = name.decode("utf-8", "surrogateescape")
    address = to("file", path=text)
    assert address.isascii()
    assert not set(address) & set("<>\"' \n")
    assert Query(address.partition("?")[2].encode()).text("path") == text


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("plain ü", "plain ü"),
        ("bad\udcff", "bad\\xff"),
        ("a\u202eb", "a\\u202eb"),
        ("a\nb\0", "a\\nb\\x00"),
        ("<b>", "<b>"),
    ],
)
def test_names_are_spelled_so_that_they_steer_nothing(name: str, shown: str) -> None:
    assert visible(name) == shown


def test_an_attachment_cannot_leave_its_header() -> None:
    header = attachment('dir/a"b\r\nSet-Cookie: x\udcff;ü.txt')
    assert header.isascii()
    assert "\r" not in header
    assert header.startswith('attachment; filename="a_b__Set-Cookie: x___.txt"; filename*=')
    assert attachment("") == "attachment; filename=\"file\"; filename*=UTF-8''file"


@pytest.mark.parametrize("text", ["-1", "1e9", "x", "٣", "9" * 30])
def test_a_number_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(BadRequest):
        Query(to("", at=text).partition("?")[2].encode()).number("at", 1, most=9)


def test_a_number_is_moved_to_within_its_bounds() -> None:
    query = Query(b"a=0&b=99")
    assert [query.number(name, 5, least=1, most=9) for name in "abc"] == [1, 9, 5]


@pytest.mark.parametrize("raw", [b"a" * 9000, b"\xff=1", b"&".join([b"a=1"] * 50)], ids=len)
def test_a_query_that_is_none_is_refused(raw: bytes) -> None:
    with pytest.raises(BadRequest):
        Query(raw)
