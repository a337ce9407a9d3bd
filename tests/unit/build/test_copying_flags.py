"""What flags and ignore rules make of COPY, and what is refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from copies import Put, files, mode_of, opened, tree
from lamina.build.context import LocalContext
from lamina.build.copying import Changed, CopySpec, copy, select
from lamina.errors import NotFound, Unsupported

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="owners need root")

# -- --parents, --exclude ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        (["d/s/h"], ["d", "d/s", "d/s/h"]),
        (["./d/s/"], ["d", "d/s", "d/s/h"]),
        (["d/./s/h"], ["s", "s/h"]),
        (["./d/./s"], ["s", "s/h"]),
        (["d/s/./*"], ["h"]),
        (["*/g"], ["d", "d/g", "e", "e/g"]),
        (["**/h"], ["d", "d/s", "d/s/h"]),
        (["d*/./g"], ["g"]),
        (["no*/g"], []),
        (["."], ["d", "d/g", "d/s", "d/s/h", "e", "e/g", "f"]),
        (["d/g", "e/g"], ["d", "d/g", "e", "e/g"]),
    ],
)
def test_parents_are_kept(
    put: Put, context: Path, root: Path, sources: list[str], expected: list[str]
) -> None:
    files(context, "f", "d/g", "d/s/h", "e/g")
    put(*sources, to="/x/", parents=True)
    assert tree(root / "x") == expected


def test_parents_keep_their_own_modes(put: Put, context: Path, root: Path) -> None:
    files(context, "d/s/h")
    (context / "d").chmod(0o711)
    put("d/s/h", to="/x/", parents=True)
    assert (mode_of(root / "x"), mode_of(root / "x/d")) == (0o755, 0o711)


def test_a_plain_source_with_parents_must_be_there(put: Put, context: Path) -> None:
    files(context, "d/g")
    with pytest.raises(NotFound, match='"/d/nothing": not found'):
        put("d/nothing", to="/x/", parents=True)


@pytest.mark.parametrize(
    ("excludes", "expected"),
    [
        (("g",), ["s", "s/h", "s/i"]),
        (("s",), ["g"]),
        (("*/h",), ["g", "s", "s/i"]),
        (("**/h", "g"), ["s", "s/i"]),
        (("s", "!s/i"), ["g", "s", "s/i"]),
        (("*", "!*/h"), ["s", "s/h"]),
        (("d/g",), ["g", "s", "s/h", "s/i"]),
    ],
)
def test_what_is_excluded_is_not_copied(
    put: Put, context: Path, root: Path, excludes: tuple[str, ...], expected: list[str]
) -> None:
    files(context, "d/g", "d/s/h", "d/s/i")
    put("d", to="/x", excludes=excludes)
    assert tree(root / "x") == expected


# -- ignore rules --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ignore", "expected"),
    [
        ("d", ["f"]),
        ("*\n!d/s", ["d", "d/s", "d/s/h"]),
        ("*\n!d/nothing", []),
        ("d/*\n!d/g", ["d", "d/g", "f"]),
        ("**/h", ["d", "d/g", "d/s", "f"]),
        ("f\nd/s/h", ["d", "d/g", "d/s"]),
    ],
)
def test_ignored_files_do_not_exist(
    put: Put, context: Path, root: Path, ignore: str, expected: list[str]
) -> None:
    files(context, "f", "d/g", "d/s/h")
    put(".", to="/x", ignore=ignore)
    assert tree(root / "x") == expected


@pytest.mark.parametrize(
    ("source", "ignore", "hint"),
    [
        ("f", "# c\nf", 'excluded by .dockerignore line 2: "f"'),
        ("d", "d\n!d/nothing", 'excluded by .dockerignore line 1: "d"'),
        ("link", "f", 'excluded by .dockerignore line 1: "f"'),
        ("link", "link", 'excluded by .dockerignore line 1: "link"'),
        ("d/gg", "x", 'did you mean "d/ggg"'),
        ("zzz", "x", None),
    ],
)
def test_a_source_that_is_not_there_says_why(
    put: Put, context: Path, source: str, ignore: str, hint: str | None
) -> None:
    files(context, "f", "d/ggg")
    (context / "link").symlink_to("f")
    with pytest.raises(NotFound, match=f'"/{source}": not found') as caught:
        put(source, to="/", ignore=ignore)
    assert caught.value.hint == hint


def test_wildcards_do_not_see_ignored_files(put: Put, context: Path, root: Path) -> None:
    files(context, "a1", "a2")
    put("a*", to="/x/", ignore="a1")
    assert tree(root) == ["x", "x/a2"]


# -- --link --------------------------------------------------------------------------------


def test_with_link_the_way_is_made_of_directories(put: Put, context: Path, root: Path) -> None:
    files(context, "f")
    (root / "real").mkdir()
    (root / "link").symlink_to("real")
    (root / "kept").mkdir(mode=0o700)
    files(root, "kept/old")
    put("f", to="/link/f", link=True)
    put("f", to="/kept/f", link=True)
    assert tree(root) == ["kept", "kept/f", "kept/old", "link", "link/f", "real"]
    assert not (root / "link").is_symlink()
    assert mode_of(root / "kept") == 0o755


def test_with_link_the_copy_does_not_see_what_is_below(put: Put, context: Path, root: Path) -> None:
    files(context, "f", "d/s/g")
    files(root, "dir/old", "s")
    put("f", to="/dir", link=True)
    put("d", to="/", link=True)
    assert tree(root) == ["dir", "s", "s/g"]
    assert (root / "dir").read_text() == "f"


def test_with_link_and_chmod_it_is_a_plain_copy(put: Put, context: Path, root: Path) -> None:
    files(context, "f")
    (root / "real").mkdir()
    (root / "link").symlink_to("real")
    put("f", to="/link/f", link=True, chmod="600")
    assert tree(root) == ["link", "real", "real/f"]


# -- refusals ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "source",
    [
        "https://example.com/file.tar.gz",
        "http://example.com/",
        "https://github.com/owner/repo.git#v1",
        "git@github.com:owner/repo.git",
        "git://example.com/repo",
    ],
)
def test_remote_sources_are_refused_by_name(put: Put, source: str) -> None:
    with pytest.raises(Unsupported) as caught:
        put(source, to="/")
    assert source in caught.value.message


def test_a_file_that_changed_since_it_was_selected_is_refused(context: Path, root: Path) -> None:
    files(context, "f")
    selection = select(LocalContext(context), CopySpec(("f",), "/f"))
    (context / "f").write_text("something else")
    with opened(root) as fd, pytest.raises(Changed, match='"f" changed'):
        copy(selection, fd)


def test_a_context_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="does not exist"):
        select(LocalContext(tmp_path / "no"), CopySpec((".",), "/"))
