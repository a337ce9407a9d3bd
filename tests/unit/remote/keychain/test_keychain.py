"""The keychain: which place answers, and what a change leaves on disk."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest

from keeper import KEEPER, install
from lamina.errors import Invalid, NotFound, Unsupported
from lamina.remote.keychain import Credential, Keychain, Place, Places


class House:
    """A home with the usual files, and one helper called "keeper"."""

    def __init__(self, root: Path) -> None:
        self.runtime = root / "run/auth.json"
        self.docker = root / "docker/config.json"
        self.old = root / ".dockercfg"
        self.kept = root / "kept"
        (root / "bin").mkdir()
        self.environment = install(root / "bin", "keeper", KEEPER) | {"KEPT": str(self.kept)}

    def keychain(
        self, text: str = "", helpers: tuple[str, ...] = ("containers-auth.json",)
    ) -> Keychain:
        return Keychain(
            Places(
                text=text,
                files=(Place(self.runtime), Place(self.docker), Place(self.old, is_old=True)),
                home=self.docker,
                environment=self.environment,
            ),
            helpers=helpers,
        )


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def auth(pair: str) -> dict[str, str]:
    return {"auth": base64.b64encode(pair.encode()).decode()}


def put(path: Path, found: Mapping[str, object]) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(found))


def test_the_first_place_that_knows_answers(house: House) -> None:
    put(house.old, {"r.io": auth("old:1"), "only-old.io": auth("old:1")})
    put(house.docker, {"auths": {"r.io": auth("docker:2")}})
    assert house.keychain().credential("r.io") == Credential("docker", "2")
    put(house.runtime, {"auths": {"r.io": auth("runtime:3")}})
    assert house.keychain().credential("r.io") == Credential("runtime", "3")
    text = json.dumps({"auths": {"r.io": auth("variable:4")}})
    assert house.keychain(text).credential("r.io") == Credential("variable", "4")
    assert house.keychain(text).credential("only-old.io") == Credential("old", "1")
    assert house.keychain(text).credential("unknown.io") is None


def test_no_file_at_all_is_no_credential(house: House) -> None:
    assert house.keychain().credential("r.io", "a/b") is None


def test_a_damaged_variable_is_named(house: House) -> None:
    with pytest.raises(Invalid, match="DOCKER_AUTH_CONFIG"):
        house.keychain("{nonsense").credential("r.io")


def test_a_helper_of_the_host_has_the_last_word_in_its_file(house: House) -> None:
    put(house.docker, {"auths": {"r.io": auth("file:1")}, "credHelpers": {"r.io": "keeper"}})
    assert house.keychain().credential("r.io") is None
    house.kept.write_text(json.dumps({"r.io": {"Username": "kept", "Secret": "2"}}))
    assert house.keychain().credential("r.io", "any/path") == Credential("kept", "2")


def test_a_default_helper_is_asked_before_the_file(house: House) -> None:
    put(house.docker, {"auths": {"r.io": auth("file:1")}, "credsStore": "keeper"})
    assert house.keychain().credential("r.io") == Credential("file", "1")
    hub = "https://index.docker.io/v1/"
    kept = {"r.io": {"Username": "kept", "Secret": "2"}, hub: {"Username": "h", "Secret": "3"}}
    house.kept.write_text(json.dumps(kept))
    assert house.keychain().credential("r.io") == Credential("kept", "2")
    assert house.keychain().credential("docker.io", "library/x") == Credential("h", "3")


def test_a_helper_that_is_missing_is_an_error_and_not_silence(house: House) -> None:
    put(house.docker, {"credsStore": "desktop"})
    with pytest.raises(NotFound, match="docker-credential-desktop"):
        house.keychain().credential("r.io")


def test_what_is_stored_is_found_and_nobody_else_reads_it(house: House) -> None:
    assert house.keychain().store("r.io", Credential("ada", "pw")) == house.docker
    assert house.keychain().credential("r.io") == Credential("ada", "pw")
    assert house.docker.stat().st_mode & 0o777 == 0o600
    assert house.docker.parent.stat().st_mode & 0o777 == 0o700


def test_a_file_that_others_could_read_is_closed_to_them(house: House) -> None:
    put(house.docker, {"auths": {}, "psFormat": "x"})
    house.docker.chmod(0o644)
    house.keychain().store("r.io", Credential("ada", "pw"))
    assert house.docker.stat().st_mode & 0o777 == 0o600
    assert json.loads(house.docker.read_text())["psFormat"] == "x"


def test_a_credential_goes_where_it_will_be_found(house: House) -> None:
    put(house.runtime, {"auths": {"https://r.io": auth("old:1")}})
    assert house.keychain().store("r.io", Credential("new", "2")) == house.runtime
    assert house.keychain().credential("r.io") == Credential("new", "2")


def test_a_link_stays_a_link(house: House, tmp_path: Path) -> None:
    real = tmp_path / "dotfiles/config.json"
    put(real, {"auths": {}})
    house.docker.parent.mkdir()
    house.docker.symlink_to(real)
    house.keychain().store("r.io", Credential("ada", "pw"))
    assert house.docker.is_symlink()
    assert "r.io" in json.loads(real.read_text())["auths"]


def test_a_helper_keeps_what_is_stored(house: House) -> None:
    put(house.docker, {"credsStore": "keeper"})
    assert house.keychain().store("r.io", Credential("ada", "pw")) is None
    assert json.loads(house.docker.read_text())["auths"] == {"r.io": {}}
    assert json.loads(house.kept.read_text())["r.io"]["Secret"] == "pw"
    assert house.keychain().credential("r.io") == Credential("ada", "pw")
    with pytest.raises(Unsupported, match="docker-credential-keeper"):
        house.keychain().store("r.io", Credential(registry_token="bearer"))


def test_erasing_forgets_the_host_everywhere(house: House) -> None:
    put(house.old, {"https://r.io/v1/": auth("old:1")})
    put(house.runtime, {"auths": {"r.io": auth("a:1"), "r.io/ns": auth("ns:1")}})
    put(house.docker, {"auths": {"r.io": {}}, "credsStore": "keeper"})
    house.kept.write_text(json.dumps({"r.io": {"Username": "kept", "Secret": "2"}}))
    assert house.keychain().erase("r.io")
    assert house.keychain().credential("r.io") is None
    assert house.keychain().credential("r.io", "ns/x") == Credential("ns", "1")
    assert json.loads(house.kept.read_text()) == {}
    assert not house.keychain().erase("r.io")


def test_erasing_goes_on_past_a_broken_helper(house: House) -> None:
    put(house.runtime, {"auths": {"r.io": auth("a:1")}, "credHelpers": {"r.io": "gone"}})
    put(house.docker, {"auths": {"r.io": auth("b:1")}})
    with pytest.raises(NotFound, match="docker-credential-gone"):
        house.keychain().erase("r.io")
    assert json.loads(house.docker.read_text())["auths"] == {}


def test_many_writers_lose_nothing(house: House) -> None:
    hosts = [f"r{number}.io" for number in range(8)]

    def store(host: str) -> None:
        house.keychain().store(host, Credential(host, "pw"))

    threads = [threading.Thread(target=store, args=(host,)) for host in hosts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(json.loads(house.docker.read_text())["auths"]) == hosts


def test_helpers_for_all_hosts_are_asked_in_their_order(house: House) -> None:
    put(house.docker, {"auths": {"r.io": auth("file:1"), "only-file.io": auth("file:1")}})
    house.kept.write_text(json.dumps({"r.io": {"Username": "kept", "Secret": "2"}}))
    first = house.keychain(helpers=("keeper", "containers-auth.json"))
    last = house.keychain(helpers=("containers-auth.json", "keeper"))
    assert first.credential("r.io") == Credential("kept", "2")
    assert first.credential("only-file.io") == Credential("file", "1")
    assert last.credential("r.io") == Credential("file", "1")
    assert first.store("new.io", Credential("ada", "pw")) is None
    assert last.credential("new.io") == Credential("ada", "pw")
    assert first.erase("r.io")
    assert last.credential("r.io") is None
