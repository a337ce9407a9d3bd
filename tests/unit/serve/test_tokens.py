from __future__ import annotations

from pathlib import Path

import pytest

from lamina.errors import Invalid
from lamina.serve.rights import Action
from lamina.serve.tokens import BadToken, Issuer, Scope, Verifier, parse_scopes, read_keys

SERVICE = "registry.test"


@pytest.fixture
def issuer(tmp_path: Path) -> Issuer:
    return Issuer(tmp_path / "keys" / "token.json", issuer="us", service=SERVICE)


@pytest.fixture
def verifier(issuer: Issuer) -> Verifier:
    return Verifier(issuer.keys, issuer="us", service=SERVICE)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("repository:a/b:pull,push", [Scope("repository", "a/b", ("pull", "push"))]),
        ("repository:host:5000/a:pull", [Scope("repository", "host:5000/a", ("pull",))]),
        ("repository(plugin):a:pull", [Scope("repository", "a", ("pull",))]),
        ("registry:catalog:*", [Scope("registry", "catalog", ("*",))]),
        (
            "repository:a:pull  repository:b:push",
            [Scope("repository", "a", ("pull",)), Scope("repository", "b", ("push",))],
        ),
        ("repository:a:pull,pull,", [Scope("repository", "a", ("pull",))]),
        ("repository:a", []),
        ("", []),
        (":::", []),
    ],
)
def test_scopes_are_read_and_what_is_none_is_passed_over(text: str, expected: list[Scope]) -> None:
    assert parse_scopes([text]) == expected


def test_a_token_says_who_and_what(issuer: Issuer, verifier: Verifier) -> None:
    token = issuer.token("alice", [Scope("repository", "a/b", ("pull",))])
    for _ in range(2):
        claims = verifier.verify(token)
        assert claims.subject == "alice"
        assert claims.allows("a/b", Action.PULL)
        assert not claims.allows("a/b", Action.PUSH)
        assert not claims.allows("a", Action.PULL)
        assert not claims.may_list
    assert verifier.verify(issuer.token(None, [])).subject is None


def test_a_token_of_another_registry_is_of_no_use(issuer: Issuer, tmp_path: Path) -> None:
    other = Issuer(tmp_path / "other" / "token.json", issuer="us", service=SERVICE)
    with pytest.raises(BadToken):
        Verifier(other.keys, issuer="us", service=SERVICE).verify(issuer.token("alice", []))
    with pytest.raises(BadToken):
        Verifier(issuer.keys, issuer="us", service="x").verify(issuer.token("alice", []))


def test_a_refresh_token_is_for_its_user_and_password(issuer: Issuer, verifier: Verifier) -> None:
    token = issuer.refresh("alice", b"hash")
    verifier.refreshed(token, b"hash", "alice")
    for hashed, subject in ((b"other", "alice"), (b"hash", "bob"), (None, "alice")):
        with pytest.raises(BadToken):
            verifier.refreshed(token, hashed, subject)
    with pytest.raises(BadToken):
        verifier.refreshed(issuer.token("alice", []), b"hash", "alice")
    with pytest.raises(BadToken):
        verifier.verify(token)


def test_the_key_is_made_once_and_private(issuer: Issuer, tmp_path: Path) -> None:
    path = tmp_path / "keys" / "token.json"
    assert path.stat().st_mode & 0o077 == 0
    again = Issuer(path, issuer="us", service=SERVICE)
    Verifier(again.keys, issuer="us", service=SERVICE).verify(issuer.token("alice", []))
    assert "d" not in issuer.keys.keys[0].as_dict()


@pytest.mark.parametrize("text", [None, "", "{}", "[]", '{"keys": 7}', '{"keys": [{"kty": "x"}]}'])
def test_what_is_no_key_set_is_refused(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "jwks.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(Invalid):
        read_keys(path)
