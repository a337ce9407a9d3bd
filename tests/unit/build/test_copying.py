"""COPY and ADD into a directory that stands for an image's root."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from copies import Put, files, mode_of, opened, owner_of, tree
from lamina.build.context import LocalContext, TreeContext
from lamina.build.copying import CopySpec, copy, select
from lamina.errors import Invalid, NotFound

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="owners need root")


@pytest.mark.parametrize(
    ("sources", "destination", "expected"),
    [
        pytest.param(["f"], "/", ["f"], id="file-to-root"),
        pytest.param(["f"], "/x", ["x"], id="file-renamed"),
        pytest.param(["f"], "/x/", ["x", "x/f"], id="file-into-new-directory"),
        pytest.param(["f"], "/x/.", ["x", "x/f"], id="file-into-dot"),
        pytest.param(["f"], "a/b/c", ["w", "w/a", "w/a/b", "w/a/b/c"], id="relative"),
        pytest.param(["f"], ".", ["w", "w/f"], id="working-directory"),
        pytest.param(["d"], "/", ["g", "s", "s/h"], id="contents-to-root"),
        pytest.param(["d"], "/x", ["x", "x/g", "x/s", "x/s/h"], id="contents-renamed"),
        pytest.param(["d/"], "/x/", ["x", "x/g", "x/s", "x/s/h"], id="slashes-change-nothing"),
        pytest.param(["d/."], "/x", ["x", "x/g", "x/s", "x/s/h"], id="dot-changes-nothing"),
        pytest.param(["f", "d"], "/x/", ["x", "x/f", "x/g", "x/s", "x/s/h"], id="two-sources"),
        pytest.param(["f", "d/g"], "/x", ["x"], id="the-last-of-two-files-wins"),
        pytest.param(["d/*"], "/x/", ["x", "x/g", "x/h"], id="wildcard-takes-contents"),
        pytest.param(["*/s/h"], "/x/", ["x", "x/h"], id="wildcard-in-the-middle"),
        pytest.param(["f", "no*"], "/", ["f"], id="a-wildcard-may-match-nothing"),
        pytest.param(["no*"], "/x/", [], id="nothing-matched-makes-nothing"),
        pytest.param(["../../f"], "/x", ["x"], id="dots-stop-at-the-root"),
        pytest.param(["/d/../f"], "/x", ["x"], id="paths-are-cleaned"),
    ],
)
def test_sources_get_their_names(
    put: Put,
    context: Path,
    root: Path,
    sources: list[str],
    destination: str,
    expected: list[str],
) -> None:
    files(context, "f", "d/g", "d/s/h")
    put(*sources, to=destination, working_dir="/w")
    assert tree(root) == expected


def test_files_of_a_client_belong_to_root_and_keep_mode_and_time(
    put: Put, context: Path, root: Path
) -> None:
    files(context, "d/f", mode=0o4750)
    os.chown(context / "d/f", 5, 6)
    (context / "d/f").chmod(0o4750)
    (context / "d").chmod(0o1777)
    os.utime(context / "d/f", ns=(1, 1_500_000_000_000_000_001))
    os.utime(context / "d", ns=(1, 1_400_000_000_000_000_001))
    put(".", to="/x")
    copied = root / "x/d/f"
    assert (mode_of(copied), owner_of(copied)) == (0o4750, (0, 0))
    assert copied.stat().st_mtime_ns == 1_500_000_000_000_000_001
    assert mode_of(root / "x/d") == 0o1777
    assert (root / "x/d").stat().st_mtime_ns == 1_400_000_000_000_000_001


def test_files_of_a_stage_keep_their_owner(context: Path, root: Path) -> None:
    files(context, "f")
    os.chown(context / "f", 5, 6)
    stage = TreeContext(lambda: opened(context), 'stage "a"')
    with opened(root) as fd:
        copy(select(stage, CopySpec(("f",), "/f")), fd)
    assert owner_of(root / "f") == (5, 6)


def test_chown_and_chmod_reach_what_is_copied_and_what_leads_there(
    put: Put, context: Path, root: Path
) -> None:
    files(context, "d/f")
    put("d", to="/a/b", chown="7:8", chmod="710")
    assert [owner_of(root / path) for path in ("a", "a/b", "a/b/f")] == [(7, 8)] * 3
    assert [mode_of(root / path) for path in ("a", "a/b", "a/b/f")] == [0o710, 0o710, 0o710]


def test_a_symbolic_chmod_changes_what_leads_there_from_0755(
    put: Put, context: Path, root: Path
) -> None:
    files(context, "f")
    put("f", to="/a/f", chmod="go-rx,u=rwX")
    assert (mode_of(root / "a"), mode_of(root / "a/f")) == (0o700, 0o600)


def test_a_link_made_elsewhere_is_no_change(context: Path, root: Path) -> None:
    files(context, "f")
    selection = select(LocalContext(context), CopySpec(("f",), "/f"))
    (root.parent / "elsewhere").hardlink_to(context / "f")
    with opened(root) as fd:
        copy(selection, fd)
    assert (root / "f").read_text() == "f"


def test_an_existing_destination_keeps_its_owner_mode_and_time(
    put: Put, context: Path, root: Path
) -> None:
    files(context, "d/s/f")
    (context / "d/s").chmod(0o711)
    for path in ("x", "x/s"):
        (root / path).mkdir(mode=0o700)
        os.chown(root / path, 3, 4)
    os.utime(root / "x", ns=(1, 1_000_000_000))
    put("d", to="/x")
    assert (mode_of(root / "x"), owner_of(root / "x")) == (0o700, (3, 4))
    assert (root / "x").stat().st_mtime_ns == 1_000_000_000
    # Below the destination the source's say counts.
    assert (mode_of(root / "x/s"), owner_of(root / "x/s")) == (0o711, (0, 0))


def test_links_in_the_destination_are_followed_inside_the_root(
    put: Put, context: Path, root: Path
) -> None:
    files(context, "f")
    (root / "real").mkdir()
    (root / "link").symlink_to("/real")
    (root / "dangling").symlink_to("../../../new/place")
    (root / "file").symlink_to("real/target")
    put("f", to="/link/")
    put("f", to="/dangling/sub/")
    put("f", to="/file")
    assert tree(root) == [
        "dangling", "file", "link", "new", "new/place", "new/place/sub", "new/place/sub/f",
        "real", "real/f", "real/target",
    ]  # fmt: skip
    assert (root / "file").is_symlink()


def test_a_link_in_a_copied_tree_is_replaced_not_followed(
    put: Put, context: Path, root: Path, tmp_path: Path
) -> None:
    files(context, "d/f")
    outside = tmp_path / "outside"
    outside.write_text("untouched")
    (root / "f").symlink_to(outside)
    put("d", to="/")
    assert (root / "f").read_text() == "d/f"
    assert outside.read_text() == "untouched"


def test_a_directory_over_a_link_to_a_directory_is_refused(
    put: Put, context: Path, root: Path
) -> None:
    files(context, "d/s/f")
    (root / "real").mkdir()
    (root / "s").symlink_to("real")
    with pytest.raises(Invalid, match="not a directory"):
        put("d", to="/")


@pytest.mark.parametrize(
    ("sources", "destination", "message"),
    [
        (["d"], "/file", 'cannot copy a directory to "/file"'),
        (["f"], "/file/", 'cannot make the directory "/file"'),
        (["f"], "/file/x", 'cannot make the directory "/file"'),
        (["d"], "/dir", 'cannot replace the directory "/dir/g"'),
    ],
)
def test_what_is_in_the_way_is_named(
    put: Put, context: Path, root: Path, sources: list[str], destination: str, message: str
) -> None:
    files(context, "f", "d/g")
    files(root, "file")
    (root / "dir/g").mkdir(parents=True)
    with pytest.raises(Invalid, match=message):
        put(*sources, to=destination)


def test_a_source_that_is_a_link_is_followed_and_keeps_its_name(
    put: Put, context: Path, root: Path
) -> None:
    files(context, "f", "d/g")
    (context / "file-link").symlink_to("/f")
    (context / "dir-link").symlink_to("d")
    put("file-link", "dir-link", to="/x/")
    assert tree(root) == ["x", "x/file-link", "x/g"]
    assert not (root / "x/file-link").is_symlink()


def test_links_inside_a_copied_directory_are_copied_as_links(
    put: Put, context: Path, root: Path
) -> None:
    (context / "d").mkdir()
    (context / "d/l").symlink_to("/etc/passwd")
    os.utime(context / "d/l", ns=(1, 5_000_000_000), follow_symlinks=False)
    put("d", to="/x", chown="5:6", chmod="600")
    assert os.readlink(root / "x/l") == "/etc/passwd"
    assert owner_of(root / "x/l") == (5, 6)
    assert (root / "x/l").lstat().st_mtime_ns == 5_000_000_000


def test_a_link_never_leads_out_of_the_context(put: Put, context: Path) -> None:
    (context / "escape").symlink_to("../../../../etc/passwd")
    with pytest.raises(NotFound, match='"/escape": not found'):
        put("escape", to="/x")


def test_hard_links_within_one_directory_stay_linked(put: Put, context: Path, root: Path) -> None:
    files(context, "d/a")
    (context / "d/b").hardlink_to(context / "d/a")
    (context / "outside").hardlink_to(context / "d/a")
    put("d", to="/x")
    assert (root / "x/a").stat().st_ino == (root / "x/b").stat().st_ino
    assert (root / "x/a").stat().st_nlink == 2


def test_devices_and_pipes_are_copied_and_sockets_are_not(
    put: Put, context: Path, root: Path
) -> None:
    import socket

    (context / "d").mkdir()
    os.mkfifo(context / "d/pipe", 0o640)
    os.mknod(context / "d/null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    with socket.socket(socket.AF_UNIX) as listener, opened(context / "d") as fd:
        listener.bind(f"/proc/self/fd/{fd}/socket")
    put("d", to="/x")
    assert tree(root / "x") == ["null", "pipe"]
    assert (root / "x/null").stat().st_rdev == os.makedev(1, 3)
    assert mode_of(root / "x/pipe") == 0o640


def test_extended_attributes_are_kept(put: Put, context: Path, root: Path) -> None:
    files(context, "d/f")
    capability = bytes.fromhex("0100000200040000000000000000000000000000")
    try:
        os.setxattr(context / "d/f", "user.a", b"b")
        os.setxattr(context / "d/f", "security.capability", capability)
    except OSError:
        pytest.skip("this file system keeps no extended attributes")
    put("d", to="/x", chown="1:1")
    assert os.getxattr(root / "x/f", "user.a") == b"b"
    assert os.getxattr(root / "x/f", "security.capability") == capability


def test_holes_and_large_files_are_copied(put: Put, context: Path, root: Path) -> None:
    with (context / "big").open("wb") as file:
        file.seek(3 << 20)
        file.write(os.urandom(1 << 20))
        file.truncate(6 << 20)
    put("big", to="/x")
    assert (root / "x").read_bytes() == (context / "big").read_bytes()


def test_an_epoch_is_the_time_of_all_that_is_written(put: Put, context: Path, root: Path) -> None:
    files(context, "d/s/f")
    put("d", to="/a/b", epoch=1_000, inline=(("note", b"text"),))
    for path in ("a", "a/b", "a/b/s", "a/b/s/f", "a/b/note"):
        assert (root / path).stat().st_mtime == 1_000


def test_the_same_input_gives_the_same_times(put: Put, context: Path, root: Path) -> None:
    files(context, "d/f")
    os.utime(context / "d", ns=(1, 2_000_000_000))
    os.utime(root, ns=(1, 3_000_000_000))
    put("d", to="/a/b")
    assert [(root / p).stat().st_mtime_ns for p in ("", "a", "a/b")] == [
        3_000_000_000,
        2_000_000_000,
        2_000_000_000,
    ]


def test_inline_files_are_written(put: Put, root: Path) -> None:
    put(to="/x/", inline=(("a", b"one"), ("b", b"two")), chown="1:2")
    assert (root / "x/a").read_bytes() == b"one"
    assert (mode_of(root / "x/b"), owner_of(root / "x/b")) == (0o644, (1, 2))
    put(to="/robots.txt", inline=(("EOF", b"three"),), chmod="600")
    assert (mode_of(root / "robots.txt"), (root / "robots.txt").read_text()) == (0o600, "three")


def test_names_of_owners_come_from_the_root(put: Put, context: Path, root: Path) -> None:
    files(context, "f")
    files(root, "etc/passwd")
    (root / "etc/passwd").write_text("ann:x:1000:1001::/:/bin/sh\n")
    assert put("f", to="/f", chown="ann") == ()
    assert owner_of(root / "f") == (1000, 1001)
    assert put("f", to="/g", chown="eve") == (
        'no user "eve" in /etc/passwd of the image, uid 0 is used',
    )
