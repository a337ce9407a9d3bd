from __future__ import annotations

import pytest

from lamina.serve.web import words


@pytest.mark.parametrize(
    ("count", "said"),
    [(0, "0 B"), (999, "999 B"), (1000, "1 kB"), (999_999, "1 MB"), (3.64e6, "3.64 MB")],
)
def test_sizes(count: float, said: str) -> None:
    assert words.size(count) == said


def test_growth_has_a_sign_unless_there_is_none() -> None:
    assert [words.growth(n) for n in (0, 1500, -20)] == ["", "+1.5 kB", "−20 B"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, ""),
        ("0001-01-01T00:00:00Z", ""),
        ("2026-11-20T10:04:59.123456789Z", "2026-11-20 10:04"),
        ("<soon>", "<soon>"),
    ],
)
def test_times(text: str | None, said: str) -> None:
    assert words.when(text) == said


def test_a_form_gets_only_what_it_can_send_back() -> None:
    assert words.form_safe("etc/ü") == "etc/ü"
    assert words.form_safe("bad\udcff") == ""
