"""Through which proxy a URL is asked for."""

from __future__ import annotations

import pytest

from lamina.errors import Invalid
from lamina.remote.proxies import Proxies, proxy_for

PROXY = "http://proxy:3128"


@pytest.mark.parametrize(
    ("no_proxy", "url", "direct"),
    [
        ("", "https://a.io/v2/", False),
        ("*", "https://a.io/v2/", True),
        ("a.io", "https://a.io/", True),
        ("a.io", "https://x.a.io/", True),
        ("a.io", "https://xa.io/", False),
        (".a.io", "https://a.io/", False),
        (".a.io", "https://x.a.io/", True),
        ("*.a.io", "https://x.y.a.io/", True),
        ("*.a.io", "https://a.io/", False),
        ("A.IO", "https://a.io/", True),
        (" b.io , a.io ", "https://a.io/", True),
        ("a.io:5000", "https://a.io:5000/", True),
        ("a.io:5000", "https://a.io/", False),
        ("a.io:443", "https://a.io/", True),
        ("a.io:80", "http://a.io/", True),
        (":443", "https://a.io/", False),
        ("10.0.0.0/8", "http://10.1.2.3:5000/", True),
        ("10.0.0.0/8", "http://11.1.2.3/", False),
        ("10.0.0.0/99", "http://10.1.2.3/", False),
        ("10.1.2.3", "http://10.1.2.3/", True),
        ("10.1.2.3:81", "http://10.1.2.3/", False),
        ("2001:db8::/32", "http://[2001:db8::7]/", True),
        ("2001:db8::7", "http://[2001:db8::7]:5000/", True),
        ("[2001:db8::7]:5000", "http://[2001:db8::7]:5000/", True),
        ("[2001:db8::7]:5001", "http://[2001:db8::7]:5000/", False),
        ("", "http://localhost:5000/", True),
        ("", "http://127.8.8.8/", True),
        ("", "http://[::1]:5000/", True),
        (",,", "https://a.io/", False),
    ],
)
def test_no_proxy_is_read_as_go_reads_it(no_proxy: str, url: str, direct: bool) -> None:
    found = proxy_for(url, Proxies(http=PROXY, https=PROXY, no_proxy=no_proxy))
    assert found == (None if direct else PROXY)


def test_each_scheme_has_its_own_proxy() -> None:
    proxies = Proxies(http="http://one:1", https="https://two:2")
    assert proxy_for("http://a.io/", proxies) == "http://one:1"
    assert proxy_for("https://a.io/", proxies) == "https://two:2"
    assert proxy_for("https://a.io/", Proxies(http="http://one:1")) is None
    assert proxy_for("https://a.io/", Proxies(all="http://all:1")) == "http://all:1"


def test_a_proxy_may_lack_its_scheme() -> None:
    assert proxy_for("http://a.io/", Proxies(http="proxy:3128")) == "http://proxy:3128"


@pytest.mark.parametrize("proxy", ["http://", "http://h:s3cret-port", "ftp://x", "http://[s3cret/"])
def test_a_proxy_that_is_no_url_is_refused_and_not_shown(proxy: str) -> None:
    with pytest.raises(Invalid, match='the proxy for "http" is not a URL') as caught:
        proxy_for("http://a.io/", Proxies(http=proxy))
    assert "s3cret" not in str(caught.value)


def test_passwords_are_not_shown() -> None:
    assert "s3cret" not in repr(Proxies(http="http://ada:s3cret@proxy"))
