from __future__ import annotations

import pytest

from lamina.oci.distribution.range import (
    BadRange,
    content_range,
    parse_chunk,
    parse_content_range,
    parse_range,
    parse_upload_range,
    upload_range,
)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-9", (0, 10)),
        ("bytes=0-", (0, 100)),
        ("bytes=-7", (93, 7)),
        ("bytes=-700", (0, 100)),
        ("Bytes=90-500", (90, 10)),
        ("bytes=99-99", (99, 1)),
        ("bytes=0-" + "9" * 4000, (0, 100)),
    ],
)
def test_a_range_is_a_start_and_a_length(header: str, expected: tuple[int, int]) -> None:
    assert parse_range(header, 100) == expected


@pytest.mark.parametrize("header", ["bytes=-", "lines=0-9", "bytes=0-1,3-4", "x"])
def test_what_may_be_ignored_is(header: str) -> None:
    assert parse_range(header, 100) is None


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=200-300", "bytes=-0", "bytes=9-3"])
def test_a_range_without_bytes_is_refused(header: str) -> None:
    with pytest.raises(BadRange):
        parse_range(header, 100)


def test_a_part_says_where_it_is() -> None:
    assert content_range(5, 10, 100) == "bytes 5-14/100"
    assert parse_content_range("bytes 5-14/100") == (5, 10, 100)
    assert parse_content_range("bytes 5-14/*") == (5, 10, None)
    with pytest.raises(BadRange):
        parse_content_range("bytes 14-5/100")


@pytest.mark.parametrize("header", ["5-14", "bytes=5-14", "bytes 5-14/100", " 5-14 "])
def test_a_chunk_may_be_spelled_as_clients_do(header: str) -> None:
    assert parse_chunk(header) == (5, 10)


@pytest.mark.parametrize("header", ["", "5", "-5", "5-", "9-5", "a-b"])
def test_a_malformed_chunk_is_refused(header: str) -> None:
    with pytest.raises(BadRange):
        parse_chunk(header)


def test_an_upload_says_what_is_there() -> None:
    assert [parse_upload_range(upload_range(offset)) for offset in (0, 2, 100)] == [0, 2, 100]
    with pytest.raises(BadRange):
        parse_upload_range("5-9")
