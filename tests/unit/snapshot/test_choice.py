from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from lamina.errors import Unsupported
from lamina.fs import mounts
from lamina.snapshot import choose, overlay_fault

works = pytest.mark.skipif(os.geteuid() != 0, reason="overlay needs the right to mount")


def need_overlay(root: Path) -> None:
    fault = overlay_fault(root)
    if fault is not None:
        pytest.skip(f"overlay does not work here: {fault}")


@works
def test_overlay_is_chosen_where_it_works_and_leaves_no_trace(tmp_path: Path) -> None:
    need_overlay(tmp_path)
    chosen = choose(tmp_path / "snapshots")
    assert chosen.name in ("erofs", "overlay")
    assert os.listdir(tmp_path / "snapshots") == ["choice"]
    assert str(tmp_path) not in Path("/proc/self/mounts").read_text()


@works
def test_the_upper_of_an_overlay_may_not_lie_on_one(tmp_path: Path) -> None:
    need_overlay(tmp_path)
    lower, upper, work = tmp_path / "lower", tmp_path / "upper", tmp_path / "work"
    for path in (lower, upper, work):
        path.mkdir()
    with mounts.opened(mounts.Overlay((lower,), upper, work)) as root:
        inside = Path(f"/proc/self/fd/{root}/snapshots")
        chosen = choose(inside)
        assert chosen.name == "copying"
        assert chosen.why
        assert os.listdir(inside) == ["choice"]
        with pytest.raises(Unsupported, match="do not work here"):
            choose(inside, wanted="overlay")


def test_what_was_found_is_remembered_for_this_boot(tmp_path: Path) -> None:
    first = choose(tmp_path)
    note = json.loads((tmp_path / "choice").read_text())
    faults = {"overlay": "told so", "erofs": "told so"}
    (tmp_path / "choice").write_text(json.dumps({**note, **faults}))
    assert (choose(tmp_path).name, choose(tmp_path).why) == ("copying", "told so")
    (tmp_path / "choice").write_text(json.dumps({**note, **faults, "for": "another boot"}))
    assert choose(tmp_path).name == first.name


def test_a_root_that_was_moved_to_another_file_system_is_tried_again(tmp_path: Path) -> None:
    choose(tmp_path / "here")
    note = json.loads((tmp_path / "here" / "choice").read_text())
    assert note["for"].endswith(f" {os.stat(tmp_path).st_dev}")
    moved = {**note, "overlay": "told so", "for": note["for"] + "1"}
    (tmp_path / "here" / "choice").write_text(json.dumps(moved))
    assert choose(tmp_path / "here").why != "told so"


@pytest.mark.parametrize("note", ["", "{", "[]", "{}", "null"])
def test_a_damaged_note_is_tried_again(tmp_path: Path, note: str) -> None:
    expected = choose(tmp_path).name
    (tmp_path / "choice").write_text(note)
    assert choose(tmp_path).name == expected


@pytest.mark.parametrize(
    ("found", "expected", "why"),
    [
        (("", "", False), "erofs", "no layer is extracted"),
        (("", "", True), "overlay", "by loop devices only"),
        (("", "no EROFS", False), "overlay", "no EROFS"),
        (("no overlay", "no overlay", False), "copying", "no overlay"),
    ],
)
def test_the_best_that_works_is_chosen_and_says_why(
    tmp_path: Path, found: tuple[str, str, bool], expected: str, why: str
) -> None:
    tell(tmp_path, *found)
    chosen = choose(tmp_path)
    assert chosen.name == expected
    assert why in chosen.why


@pytest.mark.parametrize(
    ("made_with", "expected"),
    [
        (("overlay",), "overlay"),
        (("erofs",), "erofs"),
        (("overlay", "erofs"), "overlay"),
        (("erofs", "overlay"), "erofs"),
    ],
)
def test_a_store_keeps_what_it_was_made_with(
    tmp_path: Path, made_with: tuple[str, ...], expected: str
) -> None:
    for age, name in enumerate(made_with):
        (tmp_path / name / "chains" / "one").mkdir(parents=True)
        (tmp_path / name / "drafts").mkdir()
        os.utime(tmp_path / name, (age, age))
    tell(tmp_path, "", "", False)
    chosen = choose(tmp_path)
    assert chosen.name == expected
    if expected == "overlay":
        assert chosen.why.startswith("what is here")
    assert choose(tmp_path, wanted="overlay").name == "overlay"
    tell(tmp_path, "", "", True)
    assert choose(tmp_path).name == expected
    assert choose(tmp_path).why.startswith("what is here")


def test_erofs_by_loop_devices_is_there_for_who_asks(tmp_path: Path) -> None:
    tell(tmp_path, "", "", True)
    assert choose(tmp_path, wanted="erofs").name == "erofs"
    tell(tmp_path, "", "no EROFS", False)
    with pytest.raises(Unsupported, match="no EROFS"):
        choose(tmp_path, wanted="erofs")


def tell(root: Path, overlay: str, erofs: str, by_loop: bool) -> None:
    """Let the note say that this was found."""
    choose(root)
    note = json.loads((root / "choice").read_text())
    found = {"overlay": overlay, "erofs": erofs, "loop": by_loop}
    (root / "choice").write_text(json.dumps({**note, **found}))


def test_one_may_be_asked_for_by_name(tmp_path: Path) -> None:
    assert (choose(tmp_path, wanted="copying").name, os.listdir(tmp_path)) == ("copying", [])
    with pytest.raises(Unsupported, match='"btrfs"'):
        choose(tmp_path, wanted="btrfs")
