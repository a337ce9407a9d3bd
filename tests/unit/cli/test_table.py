from __future__ import annotations

import pytest

from lamina.cli.listing import Listing
from lamina.cli.table import render, shorten, visible
from lamina.cli.template.syntax import TemplateError

LISTING = Listing({"ID": "IMAGE ID", "Tag": "TAG"}, ("Tag", "ID"))
ROWS = [{"ID": "abc", "Tag": "1"}, {"ID": "def", "Tag": "a-longer-tag"}]


def test_columns_stand_below_each_other() -> None:
    assert render([["TAG", "SIZE"], ["a-longer-tag", "1B"]]) == [
        "TAG            SIZE",
        "a-longer-tag   1B",
    ]


def test_a_narrow_column_has_ten_characters() -> None:
    assert render([["TAG", "SIZE"]]) == ["TAG       SIZE"]


def test_a_long_text_ends_in_an_ellipsis() -> None:
    assert shorten("abcdef", 4) == "abc…"
    assert shorten("abcd", 4) == "abcd"


def test_control_characters_are_spelled_out() -> None:
    assert visible("a\tb\x1b[31m\n") == "a\\tb\\033[31m\\n"
    assert visible("\udcff ü") == "\udcff ü"


def test_a_list_is_a_table() -> None:
    assert LISTING.lines(ROWS) == [
        "TAG            IMAGE ID",
        "1              abc",
        "a-longer-tag   def",
    ]


def test_an_empty_list_still_has_its_header() -> None:
    assert LISTING.lines([]) == ["TAG       IMAGE ID"]


def test_a_template_is_a_line_each() -> None:
    assert LISTING.lines(ROWS, "{{.ID}}\\t{{upper .Tag}}") == ["abc\t1", "def\tA-LONGER-TAG"]


def test_a_table_of_a_template_has_headers() -> None:
    assert LISTING.lines(ROWS, "table {{.ID}}\\t{{lower .Tag}}") == [
        "IMAGE ID   TAG",
        "abc        1",
        "def        a-longer-tag",
    ]


def test_json_is_a_line_each_sorted_by_name() -> None:
    assert LISTING.lines(ROWS, "json")[0] == '{"ID":"abc","Tag":"1"}'
    assert LISTING.lines(ROWS, "{{json .}}")[0] == '{"ID":"abc","Tag":"1"}'
    assert LISTING.lines(ROWS, "{{json .Tag}}")[0] == '"1"'


def test_a_dear_value_is_found_only_when_asked_for() -> None:
    def fail() -> str:
        raise AssertionError

    assert LISTING.lines([{"ID": "abc", "Tag": fail}], "{{.ID}}") == ["abc"]
    assert LISTING.lines([{"ID": "abc", "Tag": lambda: "x"}], "{{.Tag}}") == ["x"]


def test_an_unknown_field_is_refused() -> None:
    with pytest.raises(TemplateError, match=r"no field \"\.Tga\"; did you mean \"\.Tag\""):
        LISTING.lines(ROWS, "{{.Tga}}")
