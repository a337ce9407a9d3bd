"""How registries are called in files of credentials."""

from __future__ import annotations

import pytest

from lamina.remote.keychain import names


@pytest.mark.parametrize(
    ("key", "normal"),
    [
        ("quay.io", "quay.io"),
        ("https://quay.io", "quay.io"),
        ("http://localhost:5000/v1/", "localhost:5000"),
        ("https://index.docker.io/v1/", "docker.io"),
        ("registry-1.docker.io", "docker.io"),
        ("quay.io/ns/repo", "quay.io/ns/repo"),
        ("quay.io/", "quay.io"),
        ("ftp://quay.io/x", "ftp://quay.io/x"),
    ],
)
def test_a_key_loses_its_scheme_and_with_it_its_path(key: str, normal: str) -> None:
    assert names.normal(key) == normal


def test_docker_hub_is_filed_under_a_url() -> None:
    for host in ("docker.io", "index.docker.io", "registry-1.docker.io", names.HUB):
        assert names.server(host) == "https://index.docker.io/v1/"


def test_the_longest_path_comes_first() -> None:
    assert names.candidates("r.io:5000", "a/b") == ["r.io:5000/a/b", "r.io:5000/a", "r.io:5000"]
    assert names.candidates("r.io", "") == ["r.io"]
