"""Where references are looked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from lamina.errors import Denied
from lamina.oci.reference import parse
from lamina.remote.hosts import Endpoint, HostFiles, Hosts

DIGEST = "sha256:" + "a" * 64


def told(endpoints: list[Endpoint]) -> list[str]:
    return [f"{one.base(one.schemes[0])}/{one.repository}" for one in endpoints]


def hosts(tmp_path: Path, conf: str = "", daemon: str = "", **others: object) -> Hosts:
    (tmp_path / "registries.conf").write_text(conf)
    (tmp_path / "daemon.json").write_text(daemon)
    files = HostFiles(
        registries=tmp_path / "registries.conf",
        daemon=tmp_path / "daemon.json",
        certificates=(tmp_path / "certs.d",),
        **others,  # type: ignore[arg-type]
    )
    return Hosts(files)


def test_without_files_a_name_says_where(tmp_path: Path) -> None:
    (found,) = Hosts().endpoints(parse("quay.io:8443/ns/repo:1"))
    assert (found.host, found.port, found.repository) == ("quay.io", 8443, "ns/repo")
    assert found.schemes == ("https",)
    assert found.tls.verify
    assert not found.is_mirror


def test_docker_hub_lives_elsewhere_but_keeps_its_name() -> None:
    (found,) = Hosts().endpoints(parse("debian"))
    assert told([found]) == ["https://registry-1.docker.io/library/debian"]
    assert found.domain == "docker.io"


@pytest.mark.parametrize("name", ["localhost/x", "localhost:5000/x", "127.9.9.9:1/x", "[::1]:5/x"])
def test_this_machine_may_speak_plain_http(name: str) -> None:
    (found,) = Hosts().endpoints(parse(name))
    assert found.schemes == ("https", "http")
    assert not found.tls.verify
    assert found.base("http") == f"http://{name.removesuffix('/x')}"


@pytest.mark.parametrize("name", ["localhost.evil.io/x", "128.0.0.1/x", "[2001:db8::1]/x"])
def test_no_other_machine_may(name: str) -> None:
    (found,) = Hosts().endpoints(parse(name))
    assert found.schemes == ("https",)
    assert found.tls.verify


MIRRORS = """
[[registry]]
prefix = "a.io/ns"
location = "b.io/other"
[[registry.mirror]]
location = "m0.local/all"
insecure = true
[[registry.mirror]]
location = "m1.local:5000"
pull-from-mirror = "digest-only"
[[registry.mirror]]
location = "m2.local"
pull-from-mirror = "tag-only"
"""


def test_mirrors_come_first_and_the_location_last(tmp_path: Path) -> None:
    found = hosts(tmp_path, MIRRORS).endpoints(parse("a.io/ns/repo:1"))
    assert told(found) == [
        "https://m0.local/all/repo",
        "https://m2.local/repo",
        "https://b.io/other/repo",
    ]
    assert [one.is_mirror for one in found] == [True, True, False]
    assert [one.schemes for one in found] == [("https", "http"), ("https",), ("https",)]
    assert [one.domain for one in found] == ["m0.local", "m2.local", "b.io"]


def test_a_digest_asks_other_mirrors_than_a_tag(tmp_path: Path) -> None:
    found = hosts(tmp_path, MIRRORS).endpoints(parse(f"a.io/ns/repo@{DIGEST}"))
    assert told(found)[:2] == ["https://m0.local/all/repo", "https://m1.local:5000/repo"]


def test_a_push_goes_where_the_name_says(tmp_path: Path) -> None:
    found = hosts(tmp_path, MIRRORS).endpoints(parse("a.io/ns/repo:1"), for_push=True)
    assert told(found) == ["https://a.io/ns/repo"]


def test_a_wildcard_without_location_changes_how_but_not_where(tmp_path: Path) -> None:
    conf = '[[registry]]\nprefix = "*.a.io"\ninsecure = true'
    (found,) = hosts(tmp_path, conf).endpoints(parse("x.a.io/repo"))
    assert told([found]) == ["https://x.a.io/repo"]
    assert found.schemes == ("https", "http")
    assert not found.tls.verify


@pytest.mark.parametrize("for_push", [False, True])
def test_what_is_blocked_is_denied_by_the_file_that_says_so(tmp_path: Path, for_push: bool) -> None:
    conf = '[[registry]]\nlocation = "a.io/bad"\nblocked = true'
    with pytest.raises(Denied, match=r'"a.io/bad/x" is blocked by ".*/registries.conf"'):
        hosts(tmp_path, conf).endpoints(parse("a.io/bad/x"), for_push=for_push)
    assert hosts(tmp_path, conf).endpoints(parse("a.io/badly/x"))


def test_the_daemons_mirrors_are_for_docker_hub_only(tmp_path: Path) -> None:
    daemon = '{"registry-mirrors": ["http://m.local:5000"], "insecure-registries": ["a.io"]}'
    found = hosts(tmp_path, daemon=daemon).endpoints(parse("debian"))
    assert told(found) == [
        "http://m.local:5000/library/debian",
        "https://registry-1.docker.io/library/debian",
    ]
    assert found[0].schemes == ("http",)
    (plain,) = hosts(tmp_path, daemon=daemon).endpoints(parse("a.io/x"))
    assert plain.schemes == ("https", "http")
    assert len(hosts(tmp_path, daemon=daemon).endpoints(parse("debian"), for_push=True)) == 1


def test_certificates_and_the_bundle_go_with_an_endpoint(tmp_path: Path) -> None:
    place = tmp_path / "certs.d/a.io:1"
    place.mkdir(parents=True)
    (place / "ca.crt").touch()
    bundle = (tmp_path / "bundle.pem",)
    (found,) = hosts(tmp_path, bundle=bundle).endpoints(parse("a.io:1/x"))
    assert found.tls.ca_files == (place / "ca.crt",)
    assert found.tls.bundle == bundle


def test_hosts_named_insecure_by_the_caller_are(tmp_path: Path) -> None:
    (found,) = hosts(tmp_path, insecure=frozenset({"a.io:1"})).endpoints(parse("a.io:1/x"))
    assert not found.tls.verify


def test_a_registry_itself_is_an_endpoint_without_repository(tmp_path: Path) -> None:
    conf = '[[registry]]\nlocation = "a.io"\ninsecure = true\n[[registry]]\nlocation = "b.io"'
    found = hosts(tmp_path, conf + "\nblocked = true").registry("a.io")
    assert (found.authority, found.repository, found.tls.verify) == ("a.io", "", False)
    assert hosts(tmp_path).registry("docker.io").authority == "registry-1.docker.io"
    with pytest.raises(Denied, match="blocked"):
        hosts(tmp_path, conf + "\nblocked = true").registry("b.io")
