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
    assert "lamina" not in Path("/proc/self/mounts").read_text()


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


@pytest.mark.parametrize("note", ["", "{", "[]", "{}", "null"])
def test_a_damaged_note_is_tried_again(tmp_path: Path, note: str) -> None:
    expected = choose(tmp_path).name
    (tmp_path / "choice").write_text(note)
    assert choose(tmp_path).name == expected


def test_one_may_be_asked_for_by_name(tmp_path: Path) -> None:
    assert (choose(tmp_path, wanted="copying").name, os.listdir(tmp_path)) == ("copying", [])
    with pytest.raises(Unsupported, match='"btrfs"'):
        choose(tmp_path, wanted="btrfs")
