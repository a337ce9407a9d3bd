"""Logging in, by password and by token, and what each may do then."""

from __future__ import annotations

import base64
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import bcrypt
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet
from tests.registries import Client, Reply, blob

from lamina.oci.distribution.challenge import parse_challenges
from lamina.registry import Registry
from lamina.serve.assemble import assembled
from lamina.serve.server import Running
from lamina.serve.settings import read

Serve = Callable[..., Client]
Log = Callable[[dict[str, object]], None]

RULES = """
[groups]
devs = ["alice", "bob"]

[[rights]]
who = ["@devs"]
repositories = ["team/**"]
actions = ["pull", "push"]

[[rights]]
who = ["alice"]
repositories = ["team/*"]
actions = ["delete"]

[[rights]]
who = ["anonymous"]
repositories = ["public/*"]
actions = ["pull"]

[[rights]]
who = ["admin"]
repositories = ["**"]
actions = ["pull", "push", "delete"]
"""


def hashed(password: str) -> str:
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()


@pytest.fixture
def serve(registry: Registry, tmp_path: Path) -> Iterator[Serve]:
    import tomllib
    from contextlib import ExitStack

    users = {"alice": "wonderland", "bob": "builder", "admin": "root", "eve": "apple"}
    htpasswd = tmp_path / "htpasswd"
    htpasswd.write_text("".join(f"{user}:{hashed(word)}\n" for user, word in users.items()))
    with ExitStack() as stack:

        def start(
            auth: str, log: Callable[[dict[str, object]], None] = lambda line: None
        ) -> Client:
            text = f"[auth]\nservice = 'registry.test'\nhtpasswd = 'htpasswd'\n{auth}\n{RULES}"
            settings = read(tomllib.loads(text), base=tmp_path)
            app = stack.enter_context(
                assembled(settings, registry, keys=tmp_path / "keys", log=log)
            )
            return Client(stack.enter_context(Running(app)).url)

        yield start


def basic(client: Client, user: str, password: str) -> Client:
    proof = base64.b64encode(f"{user}:{password}".encode()).decode()
    return Client(client.url, {"Authorization": f"Basic {proof}"})


def token(client: Client, user: str | None, password: str, *scopes: str) -> Client:
    """The client with a token for `scopes`, got as Docker does."""
    asker = basic(client, user, password) if user else client
    query = [("service", "registry.test"), *(("scope", scope) for scope in scopes)]
    found = asker("GET", "/token", query=query)
    assert found.status == 200, found
    assert found.json["token"] == found.json["access_token"]
    return Client(client.url, {"Authorization": f"Bearer {found.json['token']}"})


def challenge(reply: Reply) -> tuple[str, dict[str, str]]:
    assert (reply.status, reply.codes) == (401, ["UNAUTHORIZED"])
    (found,) = parse_challenges(reply.headers["www-authenticate"])
    return found.scheme, dict(found.parameters)


def test_a_password_opens_what_the_rules_say(serve: Serve) -> None:
    client = serve("mode = 'basic'")
    assert challenge(client("GET", "/v2/"))[0] == "basic"
    alice, bob, eve = (
        basic(client, "alice", "wonderland"),
        basic(client, "bob", "builder"),
        basic(client, "eve", "apple"),
    )
    assert alice("GET", "/v2/").status == 200
    digest, raw = alice.push("team/app", "x", blob())
    assert bob("GET", "/v2/team/app/manifests/x").body == raw
    refused = eve("GET", "/v2/team/app/manifests/x")
    assert (refused.status, refused.codes) == (403, ["DENIED"])
    assert challenge(client("GET", "/v2/team/app/manifests/x"))[0] == "basic"
    assert bob("DELETE", f"/v2/team/app/manifests/{digest}").status == 403
    assert alice("DELETE", f"/v2/team/app/manifests/{digest}").status == 202
    deep = "/v2/team/a/b/blobs/uploads/"
    assert (bob("POST", deep).status, eve("POST", deep).status) == (202, 403)


@pytest.mark.parametrize(
    ("user", "password"),
    [("alice", "wrong"), ("nobody", "x"), ("alice", ""), ("", "x"), ("alice", "w" * 100)],
)
def test_a_wrong_password_opens_nothing(serve: Serve, user: str, password: str) -> None:
    client = basic(serve("mode = 'basic'"), user, password)
    for _ in range(2):
        assert client("GET", "/v2/").status == 401
        assert client("GET", "/v2/public/x/tags/list").status == 401


@pytest.mark.parametrize("header", ["Basic", "Basic !", "Basic Og", "Bearer x", "Digest x", "x"])
def test_a_proof_that_is_none_is_refused(serve: Serve, header: str) -> None:
    client = serve("mode = 'basic'")
    assert client("GET", "/v2/", Authorization=header).status == 401


def test_anonymous_pulls_what_is_public(serve: Serve) -> None:
    client = serve("mode = 'basic'")
    admin = basic(client, "admin", "root")
    _, raw = admin.push("public/x", "1", blob())
    admin.push("secret/y", "1", blob())
    assert client("GET", "/v2/public/x/manifests/1").body == raw
    assert client("GET", "/v2/public/x/manifests/1", Authorization="Basic Og==").body == raw
    assert client("PUT", "/v2/public/x/manifests/2", raw).status == 401
    assert client("GET", "/v2/_catalog").json == {"repositories": ["public/x"]}
    assert admin("GET", "/v2/_catalog").json == {"repositories": ["public/x", "secret/y"]}
    eve = basic(client, "eve", "apple")
    assert eve("GET", "/v2/_catalog").json == {"repositories": ["public/x"]}


def test_a_mount_needs_the_right_to_pull_from_the_source(serve: Serve) -> None:
    client = serve("mode = 'basic'")
    digest = basic(client, "admin", "root").upload("secret/y", blob())
    alice = basic(client, "alice", "wonderland")
    for query in [("from", "secret/y")], []:
        asked = [("mount", digest), *query]
        assert alice("POST", "/v2/team/app/blobs/uploads/", query=asked).status == 202
    assert alice("HEAD", f"/v2/team/app/blobs/{digest}").status == 404


def test_the_password_file_is_read_again(serve: Serve, tmp_path: Path) -> None:
    client = serve("mode = 'basic'")
    alice = basic(client, "alice", "wonderland")
    assert alice("GET", "/v2/").status == 200
    (tmp_path / "new").write_text(f"alice:{hashed('changed')}\ncarol:{hashed('new')}\n")
    os.replace(tmp_path / "new", tmp_path / "htpasswd")
    assert alice("GET", "/v2/").status == 401
    assert basic(client, "alice", "changed")("GET", "/v2/").status == 200
    assert basic(client, "carol", "new")("GET", "/v2/").status == 200
    (tmp_path / "new").write_text("broken")
    os.replace(tmp_path / "new", tmp_path / "htpasswd")
    assert basic(client, "carol", "new")("GET", "/v2/").status == 200


def test_a_token_is_got_by_following_the_challenge(serve: Serve) -> None:
    client = serve("mode = 'token'")
    scheme, asked = challenge(client("POST", "/v2/team/app/blobs/uploads/"))
    assert scheme == "bearer"
    assert asked["service"] == "registry.test"
    assert asked["scope"] == "repository:team/app:pull,push"
    assert asked["realm"] == f"{client.url}/token"
    alice = token(client, "alice", "wonderland", asked["scope"])
    alice.push("team/app", "x", blob())
    bare = challenge(client("GET", "/v2/"))[1]
    assert "scope" not in bare
    assert token(client, "alice", "wonderland")("GET", "/v2/").status == 200


def test_a_token_grants_what_was_asked_and_no_more(serve: Serve) -> None:
    client = serve("mode = 'token'")
    pulls = token(client, "alice", "wonderland", "repository:team/app:pull")
    refused = pulls("POST", "/v2/team/app/blobs/uploads/")
    assert challenge(refused)[1]["error"] == "insufficient_scope"
    assert challenge(pulls("GET", "/v2/team/other/tags/list"))[1]["scope"] == (
        "repository:team/other:pull"
    )
    eve = token(client, "eve", "apple", "repository:team/app:pull,push,delete")
    assert eve("GET", "/v2/team/app/tags/list").status == 403
    both = token(client, "alice", "wonderland", "repository:team/a:pull repository:team/b:*")
    assert both("GET", "/v2/team/a/tags/list").status == 404
    assert both("POST", "/v2/team/b/blobs/uploads/").status == 202
    anonymous = token(client, None, "", "repository:public/x:pull,push")
    assert anonymous("GET", "/v2/public/x/tags/list").status == 404
    assert anonymous("POST", "/v2/public/x/blobs/uploads/").status == 401


def test_no_token_for_a_wrong_password(serve: Serve) -> None:
    client = serve("mode = 'token'")
    assert basic(client, "alice", "wrong")("GET", "/token").status == 401
    for form in (
        {"grant_type": "password", "username": "alice", "password": "wrong"},
        {"grant_type": "refresh_token", "refresh_token": "x"},
        {"grant_type": "other"},
        {},
    ):
        refused = client("POST", "/token", urlencode(form))
        assert refused.status == 400
        assert refused.json["error"] in ("invalid_grant", "unsupported_grant_type")
    assert client("PUT", "/token").status == 405


def test_a_refresh_token_gives_others_until_the_password_changes(
    serve: Serve, tmp_path: Path
) -> None:
    client = serve("mode = 'token'")
    form = {
        "grant_type": "password",
        "username": "alice",
        "password": "wonderland",
        "access_type": "offline",
        "service": "registry.test",
    }
    refresh = client("POST", "/token", urlencode(form)).json["refresh_token"]
    direct = Client(client.url, {"Authorization": f"Bearer {refresh}"})
    assert direct("GET", "/v2/").status == 401
    again = {
        "grant_type": "refresh_token",
        "refresh_token": refresh,
        "scope": "repository:team/app:push",
    }
    found = client("POST", "/token", urlencode(again)).json
    assert found["scope"] == "repository:team/app:push"
    pusher = Client(client.url, {"Authorization": f"Bearer {found['access_token']}"})
    assert pusher("POST", "/v2/team/app/blobs/uploads/").status == 202
    (tmp_path / "htpasswd").write_text(f"alice:{hashed('changed')}\n")
    assert client("POST", "/token", urlencode(again)).json["error"] == "invalid_grant"
    offline = basic(client, "alice", "changed")("GET", "/token", query=[("offline_token", "true")])
    assert "refresh_token" in offline.json


def test_the_key_is_kept_and_nobody_elses(serve: Serve, tmp_path: Path) -> None:
    alice = token(serve("mode = 'token'"), "alice", "wonderland", "repository:team/app:pull")
    key = tmp_path / "keys" / "token.json"
    assert key.stat().st_mode & 0o777 == 0o600
    again = Client(serve("mode = 'token'").url, alice.headers)
    assert again("GET", "/v2/team/app/tags/list").status == 404


def forged(key: ECKey, **changes: Any) -> str:
    now = int(time.time())
    claims = {
        "iss": "https://issuer.test",
        "aud": "registry.test",
        "sub": "zoe",
        "nbf": now,
        "exp": now + 100,
        "access": [{"type": "repository", "name": "any/thing", "actions": ["pull", "push"]}],
        **changes,
    }
    header = {"alg": "ES256", "kid": key.kid}
    return jwt.encode(header, {k: v for k, v in claims.items() if v is not None}, key)


def test_tokens_of_another_issuer(serve: Serve, tmp_path: Path) -> None:
    key = ECKey.generate_key("P-256", auto_kid=True)
    stranger = ECKey.generate_key("P-256", {"kid": key.kid})
    keys = KeySet([ECKey.import_key(key.as_dict(private=False))])
    (tmp_path / "jwks.json").write_text(json.dumps(keys.as_dict()))
    client = serve(
        "mode = 'token'\nissuer = 'https://issuer.test'\njwks = 'jwks.json'\n"
        "realm = 'https://issuer.test/token'"
    )
    assert challenge(client("GET", "/v2/"))[1]["realm"] == "https://issuer.test/token"
    assert client("GET", "/token").status == 404

    def get(text: str, path: str = "/v2/any/thing/tags/list") -> int:
        return client("GET", path, Authorization=f"Bearer {text}").status

    good = forged(key)
    assert get(good) == 404
    assert get(good, "/v2/other/thing/tags/list") == 401
    assert get(good, "/v2/_catalog") == 200
    assert get(forged(key, aud=["x", "registry.test"])) == 404
    now = int(time.time())
    for bad in (
        forged(stranger),
        forged(key, iss="https://evil.test"),
        forged(key, aud="other"),
        forged(key, exp=now - 1000),
        forged(key, exp=None),
        forged(key, exp="soon"),
        forged(key, nbf=now + 1000),
        good[:-4],
        good.rpartition(".")[0] + ".",
        none_signed(),
        "x" * 70_000,
        "a.b.c",
        "",
    ):
        assert get(bad) in (401, 431), bad
    assert get(forged(key, access="all")) == 401
    assert get(forged(key, access=[7, {"type": "repository"}])) == 401


def none_signed() -> str:
    def part(found: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(found).encode()).decode().rstrip("=")

    claims = {"iss": "https://issuer.test", "aud": "registry.test", "exp": 9**11}
    return f"{part({'alg': 'none'})}.{part(claims)}."


def test_the_log_holds_no_secret(serve: Serve) -> None:
    lines: list[dict[str, object]] = []
    client = serve("mode = 'token'", lines.append)
    alice = token(client, "alice", "wonderland", "repository:team/app:pull,push")
    alice.push("team/app", "x", blob())
    form = {"grant_type": "password", "username": "alice", "password": "wonderland"}
    client("POST", "/token", urlencode(form))
    basic(client, "alice", "wonderland2")("GET", "/v2/")
    client("GET", "/v2/", query=[("token", "secret-in-query")])
    text = json.dumps(lines)
    secrets = ("wonderland", "secret-in-query", alice.headers["Authorization"].split()[1])
    for secret in (*secrets, base64.b64encode(b"alice:wonderland").decode()):
        assert secret not in text
    assert '"alice"' in text
