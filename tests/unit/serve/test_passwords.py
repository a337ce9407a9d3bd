from __future__ import annotations

import os
from pathlib import Path

import bcrypt
import pytest

from lamina.errors import Invalid, NotFound
from lamina.serve.passwords import Passwords, parse


def line(user: str, password: str) -> str:
    return f"{user}:{bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()}\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "htpasswd"
    found.write_text("# users\n\n" + line("alice", "secret") + line("bob", "x" * 72))
    return found


def test_a_right_password_is_right_and_remembered(path: Path) -> None:
    passwords = Passwords(path)
    assert not passwords.remembered("alice", "secret")
    assert passwords.check("alice", "secret")
    assert passwords.remembered("alice", "secret")
    assert not passwords.remembered("alice", "other")
    assert not passwords.remembered("bob", "secret")


@pytest.mark.parametrize(
    ("user", "password"),
    [
        ("alice", "wrong"),
        ("alice", ""),
        ("nobody", "secret"),
        ("", ""),
        ("alice", "secret\0more"),
        ("bob", "x" * 73),
        ("bob", "x" * 72 + "anything"),
    ],
)
def test_a_wrong_one_is_not(path: Path, user: str, password: str) -> None:
    passwords = Passwords(path)
    assert not passwords.check(user, password)
    assert not passwords.remembered(user, password)


def test_a_changed_password_is_forgotten_at_once(path: Path) -> None:
    passwords = Passwords(path)
    assert passwords.check("alice", "secret")
    aside = path.with_name("new")
    aside.write_text(line("alice", "changed"))
    os.replace(aside, path)
    assert not passwords.remembered("alice", "secret")
    assert not passwords.check("alice", "secret")
    assert passwords.check("alice", "changed")
    path.unlink()
    assert passwords.check("alice", "changed")


@pytest.mark.parametrize(
    ("text", "culprit"),
    [
        ("alice", "line 1"),
        (":x", "line 1"),
        ("a:$apr1$abc$def", '"a" in line 1'),
        ("\nb:plain", '"b" in line 2'),
        ("a:{SHA}x", '"a"'),
        ("a:$2y$05$short", '"a"'),
    ],
)
def test_only_bcrypt_is_taken(text: str, culprit: str) -> None:
    with pytest.raises(Invalid, match=culprit):
        parse(text, "file")


def test_a_file_that_is_not_there_is_said_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        Passwords(tmp_path / "absent")
