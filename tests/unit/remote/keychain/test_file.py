"""One file of credentials: what is found in it, and what stays when it is changed."""

from __future__ import annotations

import base64
import json

import pytest

from lamina.errors import Invalid
from lamina.remote.keychain import Credential
from lamina.remote.keychain.file import AuthFile


def auth(pair: str) -> dict[str, str]:
    return {"auth": base64.b64encode(pair.encode()).decode()}


def of(auths: object = None, *, is_old: bool = False, **others: object) -> AuthFile:
    found = auths if is_old else {"auths": auths, **others}
    return AuthFile(json.dumps(found).encode(), "config.json", is_old=is_old)


PATHS = {"r.io": auth("host:1"), "r.io/ns": auth("ns:2"), "r.io/ns/repo": auth("repo:3")}


@pytest.mark.parametrize(
    ("path", "username"),
    [
        ("ns/repo", "repo"),
        ("ns/repo/deeper", "repo"),
        ("ns/other", "ns"),
        ("ns2/repo", "host"),
        ("nsx", "host"),
        ("", "host"),
    ],
)
def test_the_longest_key_wins(path: str, username: str) -> None:
    found = of(PATHS).find("r.io", path)
    assert found is not None
    assert found.username == username


def test_a_key_with_a_path_serves_no_other_path() -> None:
    assert of({"r.io/ns": auth("ns:2")}).find("r.io", "other") is None
    assert of({"r.io/ns": auth("ns:2")}).find("r.io") is None


@pytest.mark.parametrize("key", ["https://index.docker.io/v1/", "docker.io", "index.docker.io"])
def test_docker_hub_is_found_however_it_is_spelled(key: str) -> None:
    assert of({key: auth("ada:x")}).find("docker.io", "library/debian") == Credential("ada", "x")


@pytest.mark.parametrize("key", ["https://r.io/v1/", "http://r.io", "https://r.io/v2/"])
def test_what_old_clients_wrote_is_found(key: str) -> None:
    assert of({key: auth("ada:x")}).find("r.io", "a/b") == Credential("ada", "x")
    assert of({key: auth("ada:x")}, is_old=True).find("r.io") == Credential("ada", "x")


def test_an_exact_key_comes_before_an_old_one() -> None:
    found = of({"https://r.io/v1/": auth("old:1"), "r.io": auth("new:2")}).find("r.io")
    assert found == Credential("new", "2")


def test_all_forms_of_an_entry_are_read() -> None:
    entries = {
        "colon.io": auth("ada:a:b"),
        "plain.io": {"username": "ada", "password": "pw"},
        "token.io": auth("ada:x") | {"identitytoken": "refresh"},
        "bearer.io": {"registrytoken": "bearer"},
        "nul.io": auth("ada:pw\0\0"),
    }
    file = of(entries)
    assert file.find("colon.io") == Credential("ada", "a:b")
    assert file.find("plain.io") == Credential("ada", "pw")
    assert file.find("token.io") == Credential("ada", "x", "refresh")
    assert file.find("bearer.io") == Credential(registry_token="bearer")
    assert file.find("nul.io") == Credential("ada", "pw")


@pytest.mark.parametrize("entry", [{}, None, {"auth": ""}, {"email": "a@b"}])
def test_an_entry_without_a_secret_is_none(entry: object) -> None:
    assert of({"r.io": entry}).find("r.io") is None


def test_an_empty_file_says_nothing() -> None:
    assert AuthFile(b" \n", "config.json").find("r.io") is None


@pytest.mark.parametrize(
    ("raw", "culprit"),
    [
        (b'"s3cret"', "config.json"),
        (b'{"auths": "s3cret"}', "auths"),
        (b'{"auths": {"r.io": "s3cret"}}', "auths.r.io"),
        (b'{"auths": {"r.io": {"auth": 53}}}', "auths.r.io.auth"),
        (b'{"auths": {"r.io": {"auth": "s3cret!"}}}', "auths.r.io.auth"),
        (b'{"auths": {"r.io": {"auth": "czNjcmV0"}}}', "auths.r.io.auth"),
        (b'{"auths": {"r.io": {"identitytoken": ["s3cret"]}}}', "auths.r.io.identitytoken"),
        (b'{"auths": {"r.io": {"auth": "s3cret}', "config.json"),
    ],
)
def test_a_damaged_file_is_named_but_never_quoted(raw: bytes, culprit: str) -> None:
    with pytest.raises(Invalid) as caught:
        AuthFile(raw, "config.json").find("r.io")
    assert culprit in str(caught.value)
    for secret in ("s3cret", "czNjcmV0", "53"):
        assert secret not in f"{caught.value} {caught.value.hint}"


def test_a_damaged_entry_of_another_host_does_no_harm() -> None:
    assert of({"bad.io": "x", "r.io": auth("ada:x")}).find("r.io") == Credential("ada", "x")


def test_helpers_are_found_by_host_however_it_is_spelled() -> None:
    file = of(credHelpers={"r.io": "pass", "docker.io": "hub", "https://old.io": "old"})
    assert file.helper("r.io") == ("pass", "r.io")
    assert file.helper("registry-1.docker.io") == ("hub", "docker.io")
    assert file.helper("old.io") == ("old", "https://old.io")
    assert file.helper("other.io") is None


def test_a_change_leaves_everything_else_as_it_was() -> None:
    others = {"HttpHeaders": {"A": "b"}, "psFormat": "x", "plugins": {"q": [1, None]}}
    file = of({"https://r.io/v1/": auth("old:1"), "s.io": auth("s:1")}, **others)
    file.put("r.io", Credential("ada", "pw"))
    written = json.loads(file.dump())
    assert written == {"auths": {"s.io": auth("s:1"), "r.io": auth("ada:pw")}, **others}
    assert file.drop("r.io")
    assert not file.drop("r.io")
    assert json.loads(file.dump()) == {"auths": {"s.io": auth("s:1")}, **others}


def test_forgetting_a_host_keeps_its_paths() -> None:
    file = of(dict(PATHS))
    assert file.drop("r.io")
    assert file.find("r.io") is None
    assert file.find("r.io", "ns/x") == Credential("ns", "2")


def test_what_is_put_is_found_again() -> None:
    file = AuthFile(b"", "config.json")
    for host in ("docker.io", "r.io:5000"):
        credential = Credential("ada", "p:w\udcff", "refresh", "bearer")
        file.put(host, credential)
        assert AuthFile(file.dump(), "again").find(host) == credential
