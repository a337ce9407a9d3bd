"""--chmod: octal and symbolic, against what chmod(1) of coreutils does."""

from __future__ import annotations

import pytest

from lamina.build.chmod import parse
from lamina.errors import Invalid


@pytest.mark.parametrize(
    ("text", "file", "program", "directory"),
    [
        ("0", 0, 0, 0),
        ("755", 0o755, 0o755, 0o755),
        ("04755", 0o4755, 0o4755, 0o4755),
        ("07777", 0o7777, 0o7777, 0o7777),
        ("go-w", 0o644, 0o755, 0o750),
        ("u+x", 0o744, 0o755, 0o750),
        ("g-rwx", 0o604, 0o705, 0o700),
        ("o+r", 0o644, 0o755, 0o754),
        ("a-x", 0o644, 0o644, 0o640),
        ("a+X", 0o644, 0o755, 0o751),
        ("u=rwX,go=rX", 0o644, 0o755, 0o755),
        ("u=rwx,g=,o=", 0o700, 0o700, 0o700),
        ("go=u-w", 0o644, 0o755, 0o755),
        ("+x", 0o755, 0o755, 0o751),
        ("+w", 0o644, 0o755, 0o750),
        ("=r", 0o444, 0o444, 0o444),
        ("u+s,+t", 0o5644, 0o5755, 0o5750),
        ("o+s", 0o644, 0o755, 0o750),
        ("u+r-w", 0o444, 0o555, 0o550),
    ],
)
def test_a_mode_changes_files_programs_and_directories(
    text: str, file: int, program: int, directory: int
) -> None:
    mode = parse(text)
    assert mode.apply(0o100644, is_directory=False) == file
    assert mode.apply(0o100755, is_directory=False) == program
    assert mode.apply(0o040750, is_directory=True) == directory


@pytest.mark.parametrize(
    "text", ["10000", "8", "75x", "", "rwx", "u", "u=rw,", ",u=r", "u=q", "-1x5", "0o755", "u~r"]
)
def test_what_is_no_mode_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match=f'invalid --chmod "{text}"'):
        parse(text)
