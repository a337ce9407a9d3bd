"""Credential helpers: real programs, well and badly behaved."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from keeper import KEEPER, install
from lamina.errors import Error, Invalid, NotFound, Unavailable
from lamina.remote.keychain import Credential
from lamina.remote.keychain.program import Program


def test_what_is_stored_comes_back(tmp_path: Path) -> None:
    program = Program("keeper", install(tmp_path, "keeper", KEEPER))
    assert program.get("r.io") is None
    program.store("r.io", Credential("ada", "pw"))
    program.store("t.io", Credential("ada", "pw", identity_token="refresh"))
    assert program.get("r.io") == Credential("ada", "pw")
    assert program.get("t.io") == Credential(identity_token="refresh")
    assert program.servers() == {"r.io": "ada", "t.io": "<token>"}
    assert program.erase("r.io")
    assert not program.erase("r.io")
    assert program.get("r.io") is None


def test_the_words_are_those_of_the_protocol(tmp_path: Path) -> None:
    environment = install(
        tmp_path, "told", f'#!/bin/sh\necho "$1" >>{tmp_path}/told\ncat >>{tmp_path}/told\n'
    )
    Program("told", environment).store("r.io", Credential("ada", "pw"))
    action, said = (tmp_path / "told").read_text().split("\n")
    assert action == "store"
    assert json.loads(said) == {"ServerURL": "r.io", "Username": "ada", "Secret": "pw"}


def test_a_helper_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match='"docker-credential-gone"'):
        Program("gone", {"PATH": str(tmp_path)}).get("r.io")


def test_a_helper_that_hangs_is_named_and_ended(tmp_path: Path) -> None:
    environment = install(tmp_path, "slow", "#!/bin/sh\nexec sleep 60\n")
    with pytest.raises(Unavailable, match='"docker-credential-slow" gave no answer'):
        Program("slow", environment, timeout=0.2).get("r.io")


@pytest.mark.parametrize(
    "script",
    [
        "echo s3cret",
        'echo \'{"Username": "ada", "Secret": ["s3cret"]}\'',
        'echo \'{"Username": "ada", "s3cret": "x"}\'',
        "echo '[\"s3cret\"]'",
        "printf '\\377s3cret'",
        'echo \'{"Username": "ada", "Secret": "s3cret"}\'; exit 2',
    ],
)
def test_garbage_is_refused_by_the_helpers_name_and_not_shown(tmp_path: Path, script: str) -> None:
    environment = install(tmp_path, "bad", f"#!/bin/sh\n{script}\n")
    with pytest.raises(Error, match='"docker-credential-bad"') as caught:
        Program("bad", environment).get("r.io")
    assert "s3cret" not in f"{caught.value}{caught.value.hint}"


def test_a_failing_store_shows_no_secret(tmp_path: Path) -> None:
    environment = install(tmp_path, "echo", "#!/bin/sh\ncat\nexit 1\n")
    with pytest.raises(Unavailable, match=r"failed to store with status 1$"):
        Program("echo", environment).store("r.io", Credential("ada", "s3cret"))


def test_the_reason_of_a_failure_is_told(tmp_path: Path) -> None:
    environment = install(tmp_path, "locked", "#!/bin/sh\necho the keychain is locked\nexit 1\n")
    with pytest.raises(Unavailable, match="failed to get with status 1: the keychain is locked"):
        Program("locked", environment).get("r.io")


def test_a_program_that_cannot_start_is_named(tmp_path: Path) -> None:
    environment = install(tmp_path, "torn", "#!/nowhere/at/all\n")
    with pytest.raises(Unavailable, match="docker-credential-torn"):
        Program("torn", environment).get("r.io")


@pytest.mark.parametrize("suffix", ["", "../../evil", "a/b", "x\0y"])
def test_a_suffix_is_no_path(suffix: str) -> None:
    with pytest.raises(Invalid, match="does not name a credential helper"):
        Program(suffix, {"PATH": "/bin"})
