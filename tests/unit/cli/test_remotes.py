"""What the environment says of registries."""

from __future__ import annotations

from pathlib import Path

from lamina.cli import remotes
from lamina.remote.hosts import HostFiles
from lamina.remote.keychain import Place, Places


def places(said: dict[str, str]) -> Places:
    return remotes.from_environment(said).credentials


def files(said: dict[str, str], etc: Path) -> HostFiles:
    return remotes.from_environment(said, etc=etc).hosts


def test_credentials_are_where_docker_and_podman_keep_them() -> None:
    found = places({"HOME": "/h", "XDG_RUNTIME_DIR": "/run/user/7"})
    assert found.files == (
        Place(Path("/run/user/7/containers/auth.json")),
        Place(Path("/h/.config/containers/auth.json")),
        Place(Path("/h/.docker/config.json")),
        Place(Path("/h/.dockercfg"), is_old=True),
    )
    assert found.home == Path("/h/.docker/config.json")


def test_variables_move_the_files() -> None:
    said = {"HOME": "/h", "DOCKER_CONFIG": "/d", "XDG_CONFIG_HOME": "/c", "DOCKER_AUTH_CONFIG": "t"}
    found = places(said)
    assert [str(place.path) for place in found.files[1:]] == [
        "/c/containers/auth.json",
        "/d/config.json",
        "/h/.dockercfg",
    ]
    assert (found.home, found.text) == (Path("/d/config.json"), "t")


def test_one_chosen_file_stands_for_all() -> None:
    found = places({"HOME": "/h", "REGISTRY_AUTH_FILE": "/x/auth.json"})
    assert found.files == (Place(Path("/x/auth.json")),)
    assert found.home == Path("/x/auth.json")


def test_no_secret_of_the_environment_is_shown() -> None:
    said = {"HOME": "/h", "DOCKER_AUTH_CONFIG": "s3cret", "X": "s3cret"}
    said |= {"HTTP_PROXY": "http://u:s3cret@p"}
    assert "s3cret" not in repr(remotes.from_environment(said))


def test_the_users_registries_stand_for_the_machines(tmp_path: Path) -> None:
    said = {"HOME": str(tmp_path / "h")}
    machine = files(said, tmp_path)
    assert machine.registries == tmp_path / "etc/containers/registries.conf"
    assert machine.registries_more == (
        tmp_path / "etc/containers/registries.conf.d",
        tmp_path / "h/.config/containers/registries.conf.d",
    )
    own = tmp_path / "h/.config/containers"
    own.mkdir(parents=True)
    (own / "registries.conf").touch()
    users = files(said, tmp_path)
    assert users.registries == own / "registries.conf"
    assert users.registries_more == (own / "registries.conf.d",)
    assert users.certificates[0] == own / "certs.d"
    chosen = files(said | {"CONTAINERS_REGISTRIES_CONF": "/r.conf"}, tmp_path)
    assert chosen.registries == Path("/r.conf")


def test_proxies_in_upper_case_come_first() -> None:
    found = remotes.from_environment(
        {"HTTP_PROXY": "a", "http_proxy": "b", "https_proxy": "c"}
    ).proxies
    assert (found.http, found.https, found.all) == ("a", "c", "")


def test_certificates_are_those_of_the_variables() -> None:
    def bundle(**said: str) -> list[str]:
        found = remotes.from_environment({"HOME": "/h", **said}).hosts.bundle
        return [str(path) for path in found]

    assert bundle() == []
    assert bundle(REQUESTS_CA_BUNDLE="/b.pem") == ["/b.pem"]
    assert bundle(REQUESTS_CA_BUNDLE="/b.pem", SSL_CERT_FILE="/c.pem") == ["/c.pem"]
    assert bundle(SSL_CERT_FILE="/c.pem", SSL_CERT_DIR="/d:/e") == ["/c.pem", "/d", "/e"]
