from __future__ import annotations

import os
from pathlib import Path

import pytest

from lamina.fs.mounts import Bind
from lamina.oci.bundle import User
from lamina.runtime.accounts import Accounts, UnknownUser, read_accounts

PASSWD = b"""root:x:0:0:root:/root:/bin/sh
# a comment
app:x:1000:1000::/srv/app:/bin/false

twin:x:1000:2000::/twin:
broken line
nonumber:x:abc:0::/:
99:x:7:8::/named-like-a-number:
"""
GROUP = b"""root:x:0:
wheel:x:10:root,app
video:x:27:app
app:x:1000:
short
77:x:5:
"""
ACCOUNTS = Accounts.parse(PASSWD, GROUP)


@pytest.mark.parametrize(
    ("text", "user", "home"),
    [
        ("", User(0, 0, (0, 10)), "/root"),
        ("0", User(0, 0, (0, 10)), "/root"),
        ("app", User(1000, 1000, (1000, 10, 27)), "/srv/app"),
        ("1000", User(1000, 1000, (1000, 10, 27)), "/srv/app"),
        ("twin", User(1000, 2000, (2000,)), "/twin"),
        ("app:video", User(1000, 27, (27,)), "/srv/app"),
        ("app:4242", User(1000, 4242, (4242,)), "/srv/app"),
        ("4242", User(4242, 0, (0,)), "/"),
        (":video", User(0, 27, (27,)), "/root"),
        ("99", User(7, 8, (8,)), "/named-like-a-number"),
        ("app:77", User(1000, 5, (5,)), "/srv/app"),
    ],
)
def test_users_are_found_as_docker_finds_them(text: str, user: User, home: str) -> None:
    login = ACCOUNTS.login(text)
    assert (login.user, login.home) == (user, home)


@pytest.mark.parametrize("text", ["nobody", "app:nogroup", "-1", "1.5", "4294967296", "²"])
def test_what_is_neither_name_nor_number_is_refused(text: str) -> None:
    with pytest.raises(UnknownUser):
        ACCOUNTS.login(text)


def test_more_groups_are_added_once() -> None:
    login = ACCOUNTS.login("app", extra_groups=("video", "5555"))
    assert login.user.groups == (1000, 10, 27, 5555)


def test_an_image_without_files_knows_numbers_only() -> None:
    assert Accounts().login().user == User(0, 0, (0,))
    assert Accounts().login().home == "/"
    with pytest.raises(UnknownUser):
        Accounts().login("root")


def test_names_that_are_not_utf_8_are_found() -> None:
    accounts = Accounts.parse(b"caf\xe9:x:5:6::/:\n", b"")
    assert accounts.uid(os.fsdecode(b"caf\xe9")) == 5


def test_a_link_does_not_lead_to_the_host_s_accounts(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").symlink_to("/../../../../../../../../etc/passwd")
    (tmp_path / "etc/group").symlink_to("/nowhere")
    assert read_accounts(Bind(tmp_path)) == Accounts()


def test_a_fifo_or_a_directory_does_not_hang(tmp_path: Path) -> None:
    (tmp_path / "etc/group").mkdir(parents=True)
    os.mkfifo(tmp_path / "etc/passwd")
    assert read_accounts(Bind(tmp_path)) == Accounts()
