from __future__ import annotations

import pytest

from lamina.cli.layers import deletes, tar_lines
from lamina.image.instruction import instruction
from lamina.layer.entry import BLOCK, DIR, FIFO, FILE, HARDLINK, SYMLINK, Entry


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("RUN /bin/sh -c make # buildkit", "RUN make"),
        ("/bin/sh -c make", "RUN make"),
        ('/bin/sh -c #(nop)  CMD ["sh"]', 'CMD ["sh"]'),
        ("COPY a b # buildkit", "COPY a b"),
        ("WORKDIR /x", "WORKDIR /x"),
        ("", ""),
    ],
)
def test_an_instruction_is_shown_as_written(text: str, expected: str) -> None:
    assert instruction(text) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("etc/.wh.a", "etc/a"),
        (".wh.a", "a"),
        ("etc/.wh..wh..opq", "etc/*"),
        (".wh..wh..opq", "*"),
        ("etc/a", ""),
        ("etc/.wh..wh.plnk", ""),
    ],
)
def test_a_whiteout_says_what_it_deletes(path: str, expected: str) -> None:
    assert deletes(path) == expected


@pytest.mark.parametrize(
    ("entry", "start", "end"),
    [
        (Entry("a", FILE, 0o4755, size=12), "-rwsr-xr-x 0/0              12 ", " a"),
        (Entry("a", FILE, 0o2644), "-rw-r-Sr-- ", " a"),
        (Entry("d", DIR, 0o1777), "drwxrwxrwt ", " d/"),
        (Entry("l", SYMLINK, 0o777, link="to"), "lrwxrwxrwx ", " l -> to"),
        (Entry("h", HARDLINK, link="a"), "hrw-r--r-- ", " h link to a"),
        (Entry("b", BLOCK, device=(8, 1)), "brw-r--r-- 0/0             8,1 ", " b"),
        (Entry("p", FIFO, uname="root", gname="adm"), "prw-r--r-- root/adm          0 ", " p"),
        (Entry("a\x1b[1m", FILE), "-", " a\\033[1m"),
    ],
    ids=lambda value: value.path if isinstance(value, Entry) else "",
)
def test_an_entry_is_shown_as_tar_shows_it(entry: Entry, start: str, end: str) -> None:
    (line,) = tar_lines([entry])
    assert line.startswith(start)
    assert line.endswith(end)


def test_a_time_that_no_calendar_knows_is_a_number() -> None:
    (line,) = tar_lines([Entry("a", mtime=1 << 90)])
    assert str((1 << 90) // 10**9) in line
