from __future__ import annotations

from lamina.serve.web.pages.file import as_text, dump


def test_text_is_told_from_bytes() -> None:
    assert as_text(b"a\n", is_whole=True) == "a\n"
    assert as_text(b"", is_whole=True) == ""
    assert as_text(b"a\0b", is_whole=True) is None
    assert as_text(bytes(range(128, 256)) * 9, is_whole=True) is None


def test_some_letters_of_another_encoding_are_still_text() -> None:
    assert as_text(b"grosse Stra\xdfe, lang genug fuer eine Zeile", is_whole=True) == (
        "grosse Stra\ufffde, lang genug fuer eine Zeile"
    )


def test_a_text_may_be_cut_within_a_character() -> None:
    assert as_text("aü".encode()[:-1], is_whole=False) == "a"


def test_bytes_are_dumped_sixteen_to_a_line() -> None:
    lines = dump(bytes(range(40, 60))).split("\n")
    assert lines[0] == (
        "00000000  28 29 2a 2b 2c 2d 2e 2f  30 31 32 33 34 35 36 37  ()*+,-./01234567"
    )
    assert lines[1].split() == ["00000010", "38", "39", "3a", "3b", "89:;"]
