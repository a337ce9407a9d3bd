from __future__ import annotations

from lamina.analysis.blame import blame
from lamina.analysis.pages import blame_page, table
from lamina.analysis.waste import waste
from lamina.image.stack import Stack
from lamina.layer.entry import Entry


def test_what_a_name_holds_is_text_and_never_markup() -> None:
    assert "<script>" not in table(("<b>",), [("<script>alert(1)</script>", 'a"b')])


def test_names_of_any_bytes_are_shown() -> None:
    assert "\\xff" in table(("path",), [(b"\xff".decode("utf-8", "surrogateescape"),)])


def test_waste_is_shown_with_its_largest_files() -> None:
    stack = Stack()
    stack.push([Entry("big", size=70), Entry("kept", size=30)])
    stack.push([Entry(".wh.big")])
    page = waste(stack)._repr_html_()
    assert "efficiency 30.00%" in page
    assert "<td>70</td><td>1</td><td>2</td><td>big</td>" in page


def test_a_path_is_shown_with_its_layers() -> None:
    page = blame_page(blame("a", [[Entry("a", size=3)], [Entry(".wh.a")]]))
    assert "<td>1</td><td>added</td><td>3</td><td>a</td>" in page
    assert "<td>deleted</td>" in page
