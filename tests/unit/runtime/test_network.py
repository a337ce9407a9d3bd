from __future__ import annotations

import pytest

from lamina.errors import Unsupported
from lamina.runtime.network import Resolver, check_network, hosts_file, resolv_file


@pytest.mark.parametrize("name", ["bridge", "container:x", "mynet", ""])
def test_other_networks_are_refused_by_name(name: str) -> None:
    with pytest.raises(Unsupported, match=f'"{name}"'):
        check_network(name)


def test_hosts_name_the_loopback_the_container_and_what_was_added() -> None:
    text = hosts_file("box", [("db", "10.0.0.1"), ("v6", "::2")]).decode()
    assert "127.0.0.1\tlocalhost\n" in text
    assert "127.0.1.1\tbox\n" in text
    assert text.endswith("10.0.0.1\tdb\n::2\tv6\n")


def test_hosts_of_the_host_are_kept() -> None:
    assert hosts_file("", [("a", "1.1.1.1")], host=b"127.0.0.1 me") == (
        b"127.0.0.1 me\n1.1.1.1\ta\n"
    )


HOST = b"# made by hand\nnameserver 1.1.1.1\nsearch corp.example\noptions ndots:2\n"


def test_a_resolver_replaces_what_it_names_only() -> None:
    assert resolv_file(HOST) == HOST
    text = resolv_file(HOST, Resolver(servers=("9.9.9.9", "8.8.8.8"))).decode()
    assert "1.1.1.1" not in text
    assert "nameserver 9.9.9.9\nnameserver 8.8.8.8\n" in text
    assert "search corp.example\n" in text


def test_a_search_of_a_dot_is_none() -> None:
    assert b"search" not in resolv_file(HOST, Resolver(search=(".",)))
