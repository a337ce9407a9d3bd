from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from lamina.errors import Invalid, NotFound, Unsupported
from lamina.serve.rights import Action, Rule
from lamina.serve.server import Address
from lamina.serve.settings import Settings, check_open, check_workers, load, read
from lamina.serve.table import BadSetting

DOCUMENT = Path(__file__).parents[3] / "docs" / "serve.md"


def reading(text: str) -> Settings:
    return read(tomllib.loads(text), base=Path("/etc/lamina"))


def test_nothing_set_is_what_is_usual() -> None:
    assert reading("") == Settings()


def test_what_is_set_is_taken() -> None:
    found = reading(
        """
        [server]
        address = "[::1]:443"
        warning = "moving soon"
        tls = { certificate = "cert.pem", key = "/keys/key.pem" }
        [registry]
        root = "data"
        sparse = true
        [gc]
        interval = "1h30m"
        grace = 60
        delete-untagged = true
        [auth]
        mode = "token"
        htpasswd = "users"
        [groups]
        devs = ["a", "b"]
        [[rights]]
        who = ["@devs", "anonymous"]
        repositories = ["x/**"]
        actions = ["pull"]
        [limits]
        blob = "5g"
        rate = 2.5
        [[events]]
        url = "https://x.test/"
        headers = { Authorization = "Bearer x" }
        timeout = "500ms"
        """
    )
    assert found.address == Address("::1", 443)
    assert found.root == Path("/etc/lamina/data")
    assert found.tls is not None and found.tls.key == Path("/keys/key.pem")
    assert (found.gc_interval, found.grace, found.delete_untagged) == (5400.0, 60.0, True)
    assert (found.limits.blob, found.limits.rate) == (5 << 30, 2.5)
    assert found.listeners[0].timeout == 0.5
    assert found.rights is not None
    who = frozenset({"@devs", "anonymous"})
    assert found.rights.rules == [Rule(who, ("x/**",), frozenset({Action.PULL}))]


@pytest.mark.parametrize(
    ("text", "culprit"),
    [
        ("speed = 1", '"speed"'),
        ("[server]\nport = 1", '"server.port"'),
        ("[server.tls]\nchain = ''", '"server.tls.chain"'),
        ("[[rights]]\nwho=[]\nrepositories=[]\nactions=[]\nwhy=1", r'"rights\[0\].why"'),
        ("[[events]]\nurl='http://x'\nurls=1", r'"events\[0\].urls"'),
    ],
)
def test_a_key_that_nobody_knows_is_refused_by_its_path(text: str, culprit: str) -> None:
    with pytest.raises(BadSetting, match=culprit):
        reading(text)


@pytest.mark.parametrize(
    ("text", "culprit"),
    [
        ("server = 1", '"server"'),
        ("[server]\naddress = 5000", '"server.address"'),
        ("[server]\naddress = 'x'", '"x" is not an address'),
        ("[server]\naccess-log = 1", '"server.access-log"'),
        ("[server]\nworkers = 1.5", '"server.workers"'),
        ("[server]\nwarning = 'a\"b'", '"server.warning"'),
        ("[server.tls]\nkey = 'k'", '"server.tls"'),
        ("[gc]\ngrace = 'long'", '"gc.grace"'),
        ("[gc]\ngrace = -1", '"gc.grace"'),
        ("[gc]\ngrace = '-1h'", '"gc.grace"'),
        ("[gc]\ngrace = true", '"gc.grace"'),
        ("[limits]\nblob = '5 x'", '"limits.blob"'),
        ("[limits]\nmanifest = '5m'", '"limits.manifest"'),
        ("[limits]\nburst = 0", '"limits.burst"'),
        ("[auth]\nmode = 'ldap'", '"auth.mode"'),
        ("[auth]\nmode = 'basic'", '"auth.htpasswd"'),
        ("[auth]\nmode = 'token'", '"auth.htpasswd"'),
        ("[auth]\njwks = 'x'", '"auth.realm"'),
        ("[groups]\na = 'b'", '"groups.a"'),
        ("[[rights]]\nwho=['@x']\nrepositories=[]\nactions=[]", '"@x"'),
        ("[[rights]]\nwho=['x']\nrepositories=[]\nactions=['read']", '"read"'),
        ("[[rights]]\nwho=['x']\nactions=[]", r'"rights\[0\].repositories" is missing'),
        ("rights = [1]", r'"rights\[0\]"'),
        ("[[events]]\nurl='ftp://x'", r'"events\[0\].url"'),
        ("[[events]]\nurl='http://x'\nheaders={a=1}", r'"events\[0\].headers"'),
    ],
)
def test_a_value_that_cannot_be_meant_is_refused(text: str, culprit: str) -> None:
    with pytest.raises(Invalid, match=culprit):
        reading(text)


def test_a_file_that_is_not_there_or_not_toml(tmp_path: Path) -> None:
    path = tmp_path / "serve.toml"
    with pytest.raises(NotFound):
        load(path)
    path.write_text("= 1")
    with pytest.raises(BadSetting, match="line 1"):
        load(path)


def test_the_network_is_not_let_in_without_a_login() -> None:
    check_open(reading("server.address = '127.0.0.1:1'"))
    check_open(reading("server.address = '0.0.0.0:1'\nserver.insecure-no-auth = true"))
    check_open(reading("server.address = '0.0.0.0:1'\nauth = {mode='basic', htpasswd='x'}"))
    for host in ("0.0.0.0", "10.0.0.1", "[::]", "registry.test", ""):
        with pytest.raises(Invalid, match="open to the network"):
            check_open(reading(f"server.address = '{host}:1'"))


def test_the_manual_knows_every_key_and_its_example_is_read() -> None:
    text = DOCUMENT.read_text()
    (example,) = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    found = reading(example)
    assert found.rights is not None and found.listeners
    source = (DOCUMENT.parents[1] / "src" / "lamina" / "serve" / "settings.py").read_text()
    keys = re.findall(r'(?:table|server|registry|gc|top)\.\w+\(\s*"([\w-]+)"', source)
    assert len(keys) > 30
    for key in keys:
        assert f"`{key}`" in text or f"`[{key}]`" in text or f"`[[{key}]]`" in text, key


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[server]\nworkers = 0", "0 workers"),
        ("[server]\nworkers = 65", "65 workers"),
        ("[server]\nworkers = 2\n[limits]\nrate = 5", '"limits.rate" with several workers'),
        ("[server]\nworkers = 2\n[[upstream]]\nregistry = 'x.io'", '"upstream" with several'),
    ],
)
def test_what_does_not_hold_across_processes_is_refused(text: str, told: str) -> None:
    with pytest.raises((Invalid, Unsupported), match=told):
        check_workers(reading(text))


def test_one_worker_may_have_it_all() -> None:
    check_workers(reading("[limits]\nrate = 5\n[[upstream]]\nregistry = 'x.io'"))
    check_workers(reading("[server]\nworkers = 64"))
