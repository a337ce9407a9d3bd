"""Tokens: for which scopes, how often, from where, and who gets to see what."""

from __future__ import annotations

import pytest
from tests.registry import Registry, serving, status, times
from tests.unit.remote.conftest import Open
from tests.unit.remote.test_repository import DATA, blob, with_blob, with_image

from lamina.errors import Corrupt, Denied
from lamina.remote.auth import Auth, merged
from lamina.remote.keychain import Credential
from lamina.remote.transport import Transport

ADA = Credential("ada", "s3cret")


def test_without_a_login_a_token_is_asked_for_too(registry: Registry, repository: Open) -> None:
    root = with_image(registry)
    registry.challenge = "bearer"
    assert repository().resolve(f"{registry.host}/x:1") == root
    assert "authorization" not in registry.requests("GET", "/token")[0].headers


def test_a_token_is_asked_for_once(registry: Registry, repository: Open) -> None:
    root = with_image(registry)
    with_blob(registry)
    registry.challenge, registry.user = "bearer", ("ada", "s3cret")
    opened = repository(credential=ADA)
    for _ in range(3):
        opened.resolve(f"{registry.host}/x:1")
        opened.open(root).close()
        opened.open(blob()).close()
    tokens = registry.requests("GET", "/token")
    assert len(tokens) == 1
    assert "scope=repository%3Ax%3Apull&account=ada" in tokens[0].query
    assert len([one for one in registry.seen if one.status == 401]) == 1


def test_for_pushing_another_token_is_asked_for(registry: Registry, repository: Open) -> None:
    import io

    with_image(registry)
    registry.challenge = "bearer"
    opened = repository()
    opened.resolve(f"{registry.host}/x:1")
    opened.push(blob(), io.BytesIO(DATA))
    assert len(registry.requests("GET", "/token")) == 2


def test_a_mount_asks_for_both_repositories(registry: Registry, repository: Open) -> None:
    import io

    registry.challenge = "bearer"
    registry.blobs["other"] = {str(blob().digest): DATA}
    repository(origins=("other",)).push(blob(), io.BytesIO(DATA))
    asked = registry.requests("GET", "/token")[-1].query
    assert "repository%3Aother%3Apull" in asked
    assert "repository%3Ax%3Apull%2Cpush" in asked


def test_a_token_that_is_no_longer_good_is_replaced(registry: Registry, repository: Open) -> None:
    root = with_image(registry)
    registry.challenge = "bearer"
    opened = repository()
    opened.resolve(f"{registry.host}/x:1")
    registry.tokens.clear()
    registry.tokens["unused"] = set()
    opened.open(root).close()
    assert len(registry.requests("GET", "/token")) == 2


def test_a_token_that_ends_is_replaced_before_it_does(
    registry: Registry, transport: Transport
) -> None:
    now = [0.0]
    auth = Auth(transport, registry.url, lambda: None, clock=lambda: now[0])
    answer = type("Answer", (), {"header": lambda *_: f'Bearer realm="{registry.url}/token"'})()
    first = auth.challenged(answer, ["repository:x:pull"], None)
    assert auth.header(["repository:x:pull"]) == first
    now[0] = 291.0
    assert auth.header(["repository:x:pull"]) != first


def test_an_identity_token_is_posted(registry: Registry, repository: Open) -> None:
    root = with_image(registry)
    registry.challenge, registry.refresh = "bearer", "refresh-me"
    opened = repository(credential=Credential("ada", identity_token="refresh-me"))
    assert opened.resolve(f"{registry.host}/x:1") == root
    asked = registry.requests("POST", "/token")
    assert len(asked) == 1
    assert "refresh-me" not in asked[0].query


def test_an_identity_token_does_not_follow_a_redirect(registry: Registry, repository: Open) -> None:
    with_image(registry)
    registry.challenge, registry.refresh = "bearer", "refresh-me"
    with serving() as elsewhere:
        place = f"{elsewhere.url}/token"
        registry.faults.append(times(9, "/token", "POST", status(307, Location=place)))
        with pytest.raises(Exception, match="token server"):
            repository(credential=Credential(identity_token="refresh-me")).resolve(
                f"{registry.host}/x:1"
            )
        assert elsewhere.seen == []


def test_a_registry_token_goes_to_the_registry_as_it_is(
    registry: Registry, repository: Open
) -> None:
    root = with_image(registry)
    registry.challenge = "bearer"
    registry.tokens["mine"] = {"repository:x:pull"}
    opened = repository(credential=Credential(registry_token="mine"))
    assert opened.resolve(f"{registry.host}/x:1") == root
    assert not registry.requests("GET", "/token")


def test_a_registry_that_is_never_content_is_left(registry: Registry, repository: Open) -> None:
    header = f'Bearer realm="{registry.url}/token",service="x",scope="repository:x:more"'
    registry.faults.append(times(99, "/v2/x", "GET", status(401, WWW_Authenticate=header)))
    registry.faults.append(times(99, "/v2/x", "HEAD", status(401, WWW_Authenticate=header)))
    with pytest.raises(Denied, match="denies access"):
        repository().resolve(f"{registry.host}/x:1")
    assert len(registry.seen) < 16


def test_a_token_server_that_refuses_is_named_and_the_secret_is_not(
    registry: Registry, repository: Open
) -> None:
    registry.challenge, registry.user = "bearer", ("ada", "other")
    with pytest.raises(Denied, match="refuses the credentials") as caught:
        repository(credential=ADA).resolve(f"{registry.host}/x:1")
    assert "lamina login" in str(caught.value.hint)
    assert "s3cret" not in f"{caught.value}{caught.value.hint}"


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[]", b'{"token": 1}', b'{"token": "a\\nb"}', b"x" * (2 << 20)]
)
def test_an_answer_without_a_token_is_refused(
    registry: Registry, repository: Open, body: bytes
) -> None:
    registry.challenge = "bearer"
    registry.faults.append(times(9, "/token", "GET", status(200, body)))
    with pytest.raises(Corrupt):
        repository().resolve(f"{registry.host}/x:1")


def test_over_tls_no_token_is_fetched_without_it(transport: Transport) -> None:
    auth = Auth(transport, "https://registry.example", lambda: ADA)
    header = 'Bearer realm="http://registry.example/token"'
    answer = type("Answer", (), {"header": lambda *_: header})()
    with pytest.raises(Denied, match="wants tokens fetched from"):
        auth.challenged(answer, [], None)


def test_scopes_of_one_resource_are_one() -> None:
    assert merged(["repository:x:pull", "repository:x:push,pull", "other"]) == {
        "repository:x:pull,push",
        "other",
    }


def test_a_realm_elsewhere_gets_the_credentials_and_the_blob_store_does_not(
    registry: Registry, repository: Open
) -> None:
    descriptor = with_blob(registry)
    registry.challenge = "bearer"
    with serving() as tokens, serving() as store:
        tokens.user = ("ada", "s3cret")
        tokens.tokens = registry.tokens
        registry.user, registry.realm = tokens.user, f"{tokens.url}/token"
        store.blobs["s"] = registry.blobs["x"]
        place = f"{store.url}/v2/s/blobs/{descriptor.digest}?signature=secret"

        def redirect(handler: object) -> bool:
            if handler.headers.get("Authorization", "").startswith("Bearer"):
                handler.answer(307, headers={"Location": place})
                return True
            return False

        registry.faults.append(times(9, "blobs", "GET", redirect))
        with repository(credential=ADA).open(descriptor) as stream:
            assert stream.read() == DATA
        assert tokens.requests("GET")[0].headers["authorization"].startswith("Basic ")
        assert [one.query for one in store.seen] == ["signature=secret"]
        assert "authorization" not in store.seen[0].headers
        assert "account" not in store.seen[0].query


def test_what_a_redirect_leads_to_is_not_asked_for_proof(
    registry: Registry, repository: Open
) -> None:
    """A store of blobs that answers 401 must not get at the registry's credentials."""
    descriptor = with_blob(registry)
    registry.challenge, registry.user = "basic", ("ada", "s3cret")
    with serving() as store:
        store.challenge, store.user = "basic", ("ada", "s3cret")
        place = f"{store.url}/v2/s/blobs/{descriptor.digest}?signature=tell-nobody"

        def redirect(handler: object) -> bool:
            handler.answer(302, headers={"Location": place})
            return True

        registry.faults.append(times(9, "blobs", "GET", redirect))
        with pytest.raises(Denied) as caught:
            repository(credential=ADA).open(descriptor)
        assert all("authorization" not in one.headers for one in store.seen)
        assert "tell-nobody" not in f"{caught.value}{caught.value.hint}"
