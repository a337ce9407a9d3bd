"""Requests: tried again or not, led elsewhere or not, and what errors may tell."""

from __future__ import annotations

import socket

import pytest
from tests.registry import Handler, Registry, hang_up, serving, status, times

from lamina.errors import Corrupt, Denied, Invalid, Unavailable
from lamina.remote.retry import Patience, wait_asked
from lamina.remote.transport import (
    Broken,
    NotSpoken,
    Options,
    Request,
    Transport,
    _redirected,
)
from lamina.remote.url import origin, shown


def get(registry: Registry, path: str = "/v2/", method: str = "GET") -> Request:
    return Request(method, registry.url + path, {"Authorization": "Bearer secret"})


def test_a_busy_registry_is_asked_again_when_it_says(
    registry: Registry, transport: Transport, pauses: list[float]
) -> None:
    registry.faults.append(times(2, "/v2/", "GET", status(429, Retry_After="7")))
    registry.faults.append(times(1, "/v2/", "GET", status(503)))
    assert transport.send(get(registry)).status == 200
    assert pauses == [7.0, 7.0, 2.0]


def test_a_registry_that_wants_too_long_is_not_waited_for(
    registry: Registry, transport: Transport, pauses: list[float]
) -> None:
    registry.faults.append(times(9, "/v2/", "GET", status(429, Retry_After="3600")))
    assert transport.send(get(registry)).status == 429
    assert pauses == []


def test_pauses_grow(registry: Registry, transport: Transport, pauses: list[float]) -> None:
    registry.faults.append(times(9, "/v2/", "GET", hang_up))
    with pytest.raises(Broken):
        transport.send(get(registry))
    assert pauses == [0.5, 1.0, 2.0, 4.0]


@pytest.mark.parametrize(("chance", "pause"), [(0.0, 2.0), (0.5, 3.0), (1.0, 4.0)])
def test_pauses_are_shaken(chance: float, pause: float) -> None:
    assert Patience().pause(4, chance) == pause
    assert Patience().pause(500, 1.0) == 60.0


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("", None),
        ("120", 120.0),
        ("soon", None),
        ("-1", None),
        ("Thu, 01 Jan 1970 00:01:40 GMT", 90.0),
        ("Thu, 01 Jan 1970 00:00:01 GMT", 0.0),
    ],
)
def test_retry_after_is_read(header: str, seconds: float | None) -> None:
    assert wait_asked(header, lambda: 10.0) == seconds


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_what_may_have_been_done_is_not_done_again(
    registry: Registry, transport: Transport, method: str
) -> None:
    registry.faults.append(times(9, "/v2/", method, hang_up))
    with pytest.raises(Broken):
        transport.send(get(registry, method=method))
    assert len(registry.seen) == 1


def test_nobody_there_is_said_at_once(transport: Transport, pauses: list[float]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    request = Request("GET", f"http://127.0.0.1:{port}/v2/", probing=True)
    with pytest.raises(NotSpoken, match="nobody listens"):
        transport.send(request)
    assert pauses == []


def test_plain_http_is_not_taken_for_tls(registry: Registry, transport: Transport) -> None:
    with pytest.raises(NotSpoken):
        transport.send(Request("GET", f"https://{registry.host}/v2/", probing=True))


def test_a_peer_that_says_nothing_is_given_up(registry: Registry) -> None:
    import threading

    done = threading.Event()

    def silent(handler: Handler) -> bool:
        done.wait(5)
        return hang_up(handler)

    registry.faults.append(times(9, "/v2/", "GET", silent))
    transport = Transport(Options(read_seconds=0.05, patience=Patience(tries=1)))
    with pytest.raises(Broken, match="nothing came"):
        transport.send(get(registry))
    done.set()
    transport.close()


# --- redirects


def redirecting(registry: Registry, target: str, code: int = 307) -> None:
    registry.faults.append(times(1, "/v2/", "GET", status(code, Location=target)))


def test_proof_stays_at_its_origin(registry: Registry, transport: Transport) -> None:
    with serving() as elsewhere:
        redirecting(registry, f"{elsewhere.url}/v2/")
        answer = transport.send(get(registry))
        assert answer.status == 200
        assert "authorization" not in elsewhere.seen[0].headers
        assert elsewhere.seen[0].headers["user-agent"] == "lamina"


def test_proof_does_not_come_back_by_a_detour(registry: Registry, transport: Transport) -> None:
    with serving() as elsewhere:
        redirecting(registry, f"{elsewhere.url}/v2/")
        redirecting(elsewhere, f"{registry.url}/v2/")
        transport.send(get(registry))
    assert "authorization" in registry.seen[0].headers
    assert "authorization" not in registry.seen[1].headers


def test_within_an_origin_proof_is_kept(registry: Registry, transport: Transport) -> None:
    redirecting(registry, "/v2/?other")
    transport.send(get(registry))
    assert registry.seen[1].headers["authorization"] == "Bearer secret"


def test_circles_end(registry: Registry, transport: Transport) -> None:
    registry.faults.append(times(99, "/v2/", "GET", status(302, Location="/v2/")))
    with pytest.raises(Invalid, match="redirects more than"):
        transport.send(get(registry))
    assert len(registry.seen) == 11


@pytest.mark.parametrize(
    "target", ["http://127.0.0.1:99999/", "http://[::1/", "http://127.0.0.1:x/", "//["]
)
def test_what_is_no_url_is_not_followed(
    registry: Registry, transport: Transport, target: str
) -> None:
    redirecting(registry, target)
    with pytest.raises(Invalid):
        transport.send(get(registry))


@pytest.mark.parametrize("target", ["ftp://127.0.0.1/x", "file:///etc/passwd", "javascript:1"])
def test_only_http_is_followed(registry: Registry, transport: Transport, target: str) -> None:
    redirecting(registry, target)
    with pytest.raises(Invalid, match="not HTTP"):
        transport.send(get(registry))


def test_from_tls_to_plain_is_not_followed() -> None:
    answer = type("Answer", (), {"status": 307})()
    with pytest.raises(Denied, match="from https"):
        _redirected(Request("GET", "https://a.example/x"), answer, "http://a.example/x")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://a.example/x", "https://A.example:443/y", True),
        ("https://a.example", "https://a.example:8443", False),
        ("https://a.example", "http://a.example", False),
        ("https://a.example", "https://b.a.example", False),
    ],
)
def test_an_origin_is_scheme_host_and_port(one: str, other: str, same: bool) -> None:
    assert (origin(one) == origin(other)) is same


def test_errors_show_no_query_and_no_user() -> None:
    url = "https://ada:secret@[::1]:8443/v2/x?X-Amz-Signature=secret#secret"
    assert shown(url) == "https://[::1]:8443/v2/x"


def test_an_error_of_the_network_tells_no_secret(registry: Registry, transport: Transport) -> None:
    registry.faults.append(times(9, "/v2/", "GET", hang_up))
    with pytest.raises(Unavailable) as caught:
        transport.send(get(registry, "/v2/?signature=secret"))
    shown_ = f"{caught.value!r}{caught.value}{caught.value.hint}"
    assert "secret" not in shown_


# --- limits


def test_headers_without_end_are_refused(registry: Registry, transport: Transport) -> None:
    def endless(handler: Handler) -> bool:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * (1 << 20) + b"\r\n\r\n")
        return True

    registry.faults.append(times(9, "/v2/", "GET", endless))
    with pytest.raises(Broken):
        transport.send(get(registry))


def test_a_body_is_read_to_its_limit(registry: Registry, transport: Transport) -> None:
    registry.faults.append(times(1, "/v2/", "GET", status(200, b"x" * 1001)))
    with pytest.raises(Corrupt, match="more than 1000"):
        transport.send(get(registry)).whole(1000)


def test_a_proxy_is_asked_and_gets_its_own_password(registry: Registry) -> None:
    proxy = f"http://ada:pass%20word@{registry.host}"
    transport = Transport(Options(proxy=lambda url: proxy))
    transport.send(Request("GET", "http://registry.example/v2/", {"Authorization": "Basic x"}))
    seen = registry.seen[0]
    assert seen.path == "/v2/"
    assert seen.headers["host"] == "registry.example"
    assert seen.headers["proxy-authorization"] == "Basic YWRhOnBhc3Mgd29yZA=="
    transport.close()
