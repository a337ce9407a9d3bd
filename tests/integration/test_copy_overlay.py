"""COPY onto an overlay that no mount table shows, as a build does it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from lamina.build.context import LocalContext, TreeContext
from lamina.build.copying import CopySpec, copy, digests, select
from lamina.errors import Unsupported
from lamina.fs.mounts import Bind, Overlay, opened

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")


@pytest.fixture
def plan(tmp_path: Path) -> Overlay:
    for name in ("lower", "upper", "work"):
        (tmp_path / name).mkdir(mode=0o755)
    plan = Overlay((tmp_path / "lower",), tmp_path / "upper", tmp_path / "work")
    try:
        with opened(plan):
            return plan
    except (OSError, Unsupported) as error:
        pytest.skip(f"no overlay here: {error}")


def test_only_what_is_copied_gets_into_the_upper_layer(tmp_path: Path, plan: Overlay) -> None:
    lower = tmp_path / "lower"
    (lower / "etc").mkdir()
    (lower / "etc/passwd").write_text("ann:x:1000:1001::/:/bin/sh\n")
    (lower / "etc/old").write_text("old")
    os.utime(lower / "etc", ns=(1, 1_000_000_000))
    context = tmp_path / "context"
    (context / "d").mkdir(parents=True)
    (context / "d/old").write_text("new")
    (context / "d/again").hardlink_to(context / "d/old")
    os.setxattr(context / "d/old", "user.a", b"b")
    selection = select(LocalContext(context), CopySpec(("d",), "/etc", chown="ann"))
    with opened(plan) as root:
        assert copy(selection, root) == ()
    upper = tmp_path / "upper"
    assert sorted(os.listdir(upper / "etc")) == ["again", "old"]
    assert (upper / "etc").stat().st_mtime_ns == 1_000_000_000
    found = (upper / "etc/old").stat()
    assert (found.st_uid, found.st_gid, found.st_nlink) == (1000, 1001, 2)
    assert os.getxattr(upper / "etc/old", "user.a") == b"b"


def test_a_file_over_a_lower_file_needs_no_whiteout(tmp_path: Path, plan: Overlay) -> None:
    (tmp_path / "lower/f").symlink_to("nowhere")
    context = tmp_path / "context"
    context.mkdir()
    (context / "f").write_text("new")
    with opened(plan) as root:
        copy(select(LocalContext(context), CopySpec((".",), "/")), root)
    assert stat.S_ISREG((tmp_path / "upper/f").lstat().st_mode)


def test_a_stage_is_selected_through_one_mount_and_copied_through_another(
    tmp_path: Path, plan: Overlay
) -> None:
    stage = tmp_path / "stage"
    (stage / "d").mkdir(parents=True)
    (stage / "d/f").write_text("text")
    (stage / "d/g").hardlink_to(stage / "d/f")
    (tmp_path / "other").mkdir()
    source = Overlay((stage, tmp_path / "other"), None, None)
    tree = TreeContext(lambda: opened(source), "stage")
    selection = select(tree, CopySpec(("d",), "/x"))
    names = [record.path for record in digests(selection)]
    with opened(plan) as root:
        copy(selection, root)
    assert names == [".", "f", "g"]
    assert (tmp_path / "upper/x/g").read_text() == "text"
    assert (tmp_path / "upper/x/g").stat().st_nlink == 2


def test_a_plain_directory_is_a_stage_too(tmp_path: Path) -> None:
    (tmp_path / "stage").mkdir()
    (tmp_path / "stage/f").write_text("text")
    (tmp_path / "root").mkdir()
    tree = TreeContext(lambda: opened(Bind(tmp_path / "stage", read_only=True)), "stage")
    with opened(Bind(tmp_path / "root")) as root:
        copy(select(tree, CopySpec(("/",), "/")), root)
    assert (tmp_path / "root/f").read_text() == "text"
