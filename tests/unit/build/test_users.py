"""Owners by name, in a root that may be hostile."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.build import users
from lamina.errors import Invalid
from lamina.fs.root import Root


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Root]:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text("root:x:0:0::/:/bin/sh\nann:x:1000:1001::/:/bin/sh\nbad\n")
    (tmp_path / "etc/group").write_text("root:x:0:\nstaff:x:50:ann\n")
    with Root.at(tmp_path) as root:
        yield root


@pytest.mark.parametrize(
    ("text", "uid", "gid"),
    [
        ("ann", 1000, 1001),
        ("ann:staff", 1000, 50),
        ("ann:7", 1000, 7),
        ("ann:", 1000, 1001),
        ("7", 7, 7),
        ("7:staff", 7, 50),
        ("1000", 1000, 1000),
        ("0:0", 0, 0),
        ("4294967294:1", 4294967294, 1),
    ],
)
def test_names_and_numbers_are_found(root: Root, text: str, uid: int, gid: int) -> None:
    assert users.find(root, text) == users.Owner(uid, gid)


def test_an_unknown_name_means_root_and_says_so(root: Root) -> None:
    owner = users.find(root, "eve:nobody")
    assert (owner.uid, owner.gid) == (0, 0)
    assert [note.split(" in ")[0] for note in owner.notes] == ['no user "eve"', 'no group "nobody"']


@pytest.mark.parametrize("text", ["", ":staff", "4294967295", "1:99999999999"])
def test_what_is_no_owner_is_refused(root: Root, text: str) -> None:
    with pytest.raises(Invalid):
        users.find(root, text)


def test_a_passwd_that_leads_out_of_the_root_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").symlink_to("/etc/passwd")
    with Root.at(tmp_path) as root:
        assert users.find(root, "daemon").notes


def test_a_passwd_that_is_a_pipe_does_not_block(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    os.mkfifo(tmp_path / "etc/passwd")
    with Root.at(tmp_path) as root:
        assert users.find(root, "ann").notes
