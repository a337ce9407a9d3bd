"""Words: what becomes of quotes, escapes and variables."""

from __future__ import annotations

import pytest

from lamina.dockerfile.words import WordError, expand, expand_to_words, used_names

ENV = {"A": "one", "E": "", "P": "/usr/local/bin/tool.tar.gz", "B": "aXbXc"}


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("plain", "plain"),
        ("$A-${A}", "one-one"),
        ("'$A' \"$A\" \\$A", "$A one $A"),
        ("$none|${none}", "|"),
        ("${E-d}${E:-d}${none-d}", "dd"),
        ("${A+y}${E+y}${E:+n}${none+n}", "yy"),
        ("${A:?no}${E?no}", "one"),
        ("${P#*/}", "usr/local/bin/tool.tar.gz"),
        ("${P##*/}", "tool.tar.gz"),
        ("${P%.*}", "/usr/local/bin/tool.tar"),
        ("${P%%.*}", "/usr/local/bin/tool"),
        ("${B/X/-}", "a-bXc"),
        ("${B//X/-}", "a-b-c"),
        ("${B//?X/}", "c"),
        ("${B/*/x}", "x"),
        ("${none:-${A}$A}", "oneone"),
        ('${none:-"a}b"}', "a}b"),
    ],
)
def test_a_word_becomes(word: str, text: str) -> None:
    assert expand(word, ENV) == text


def test_the_other_escape_leaves_backslashes_alone() -> None:
    assert expand("c:\\x`$A", ENV, escape="`") == "c:\\x$A"


def test_unset_variables_can_be_kept() -> None:
    assert expand("$x ${y} ${z:-w} $A", ENV, keep_unset=True) == "$x ${y} ${z:-w} one"


def test_quotes_mean_nothing_in_a_heredoc() -> None:
    assert expand('it\'s "$A"\n', ENV, skip_quotes=True) == 'it\'s "one"\n'


def test_words_are_cut_after_the_values_are_in() -> None:
    assert expand_to_words("$L 'c d' e", {"L": "a b"}) == ["a", "b", "c d", "e"]


def test_used_names_are_found_even_inside_modifiers() -> None:
    assert used_names("$A '$N' ${B:-${C}} ${D?x} ${F//$G/$H}") == {*"ABCDFGH"}


@pytest.mark.parametrize(
    "word",
    ["'a", '"a', "${", "${}", "${A", "${A:", "${A:=x}", "${A:#x}", "${A/x}", "${none?}", "${E:?}"],
)
def test_a_word_that_is_ill_formed_is_refused(word: str) -> None:
    with pytest.raises(WordError):
        expand(word, ENV)


def test_depth_is_no_danger() -> None:
    with pytest.raises(WordError):
        expand("${a:-" * 50_000, {})
