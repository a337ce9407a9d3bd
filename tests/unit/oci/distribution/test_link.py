from __future__ import annotations

import pytest

from lamina.oci.distribution.link import next_page, to_next


def test_a_link_leads_to_the_next_page() -> None:
    header = to_next("/v2/a/tags/list", {"n": "2", "last": "v1.0+x"})
    assert header == '</v2/a/tags/list?n=2&last=v1.0%2Bx>; rel="next"'
    assert next_page(header) == "/v2/a/tags/list?n=2&last=v1.0%2Bx"


@pytest.mark.parametrize(
    "header",
    [
        "</x>; rel=next",
        '</y>; rel="prev", </x>; title="a;b,c"; rel="next"',
        '</x>;rel="first next"',
        '<http://h/y>; rel=prev, </x>; REL="Next"',
    ],
)
def test_the_next_is_found_among_others(header: str) -> None:
    assert next_page(header) == "/x"


@pytest.mark.parametrize("header", ["", "</x>", '</x>; rel="prev"', "/x; rel=next", "<<<;;;"])
def test_without_a_next_there_is_none(header: str) -> None:
    assert next_page(header) is None
