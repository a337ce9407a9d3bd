"""Tags and repositories, page by page; health, metrics, and what is not there."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.registries import Client, Reply, blob

from lamina.registry import open_registry
from lamina.serve.app import App
from lamina.serve.server import Running

NAME = "team/app"


def following(client: Client, place: str | None, key: str) -> list[list[str]]:
    """All pages of a list, by their links."""
    pages = []
    while place:
        page = client("GET", place)
        assert page.status == 200
        pages.append(page.json[key])
        place = next_of(page)
    return pages


def next_of(page: Reply) -> str | None:
    link = page.headers.get("link")
    if link is None:
        return None
    assert link.endswith('>; rel="next"')
    return link[1:].partition(">")[0]


@pytest.fixture
def tags(client: Client) -> list[str]:
    _, raw = client.push(NAME, None, blob())
    for tag in ("b", "A", "c", "B", "a", "_1", "10", "9"):
        client.put(NAME, tag, raw)
    return ["10", "9", "_1", "A", "a", "B", "b", "c"]


def test_tags_come_in_the_order_of_the_spec(client: Client, tags: list[str]) -> None:
    found = client("GET", f"/v2/{NAME}/tags/list")
    assert found.json == {"name": NAME, "tags": tags}
    assert "link" not in found.headers


@pytest.mark.parametrize("number", [1, 3, 7, 8, 9])
def test_tags_come_in_pages(client: Client, tags: list[str], number: int) -> None:
    pages = following(client, f"/v2/{NAME}/tags/list?n={number}", "tags")
    assert [tag for page in pages for tag in page] == tags
    assert {len(page) for page in pages[:-1]} <= {number}


def test_tags_after_one(client: Client, tags: list[str]) -> None:
    for at, tag in enumerate(tags):
        found = client("GET", f"/v2/{NAME}/tags/list", query=[("last", tag)])
        assert found.json["tags"] == tags[at + 1 :]
        some = client("GET", f"/v2/{NAME}/tags/list", query=[("last", tag), ("n", "2")])
        assert some.json["tags"] == tags[at + 1 : at + 3]
    assert client("GET", f"/v2/{NAME}/tags/list?last=zzz").json["tags"] == []


def test_no_tags_where_none_are_asked_for(client: Client, tags: list[str]) -> None:
    none = client("GET", f"/v2/{NAME}/tags/list?n=0")
    assert (none.status, none.json["tags"], "link" in none.headers) == (200, [], False)


@pytest.mark.parametrize("number", ["-1", "x", "1.5", "", "٣", "9" * 40])
def test_a_number_of_tags_that_is_none_is_refused(
    client: Client, tags: list[str], number: str
) -> None:
    bad = client("GET", f"/v2/{NAME}/tags/list", query=[("n", number)])
    assert (bad.status, bad.codes) == (400, ["PAGINATION_NUMBER_INVALID"])


def test_the_tags_of_nothing(client: Client) -> None:
    missing = client("GET", "/v2/no/such/tags/list")
    assert (missing.status, missing.codes) == (404, ["NAME_UNKNOWN"])


def test_the_catalog_lists_repositories(client: Client) -> None:
    assert client("GET", "/v2/_catalog").json == {"repositories": []}
    names = ["a", "a/b", "a/b-c", "b", "z/y/x"]
    for name in reversed(names):
        client.push(name, "latest", blob())
    client.upload("only/blobs", blob())
    assert client("GET", "/v2/_catalog").json == {"repositories": names}
    assert following(client, "/v2/_catalog?n=2", "repositories") == [
        names[:2],
        names[2:4],
        ["z/y/x"],
    ]


def test_the_api_is_here(client: Client) -> None:
    for path in ("/v2/", "/v2"):
        found = client("GET", path)
        assert found.status == 200
        assert found.headers["docker-distribution-api-version"] == "registry/2.0"


def test_health_and_metrics(client: Client) -> None:
    assert client("GET", "/healthz").json == {"status": "ok"}
    client.push(NAME, "x", blob(1000))
    put = 'lamina_http_requests_total{endpoint="manifest",method="PUT",status="201"} 1'
    while put not in (text := client("GET", "/metrics").body.decode()):
        pass  # it is counted after it is answered
    assert 'lamina_http_request_seconds_count{endpoint="upload",method="PUT"} 2' in text
    received = next(line for line in text.splitlines() if line.startswith("lamina_http_received"))
    assert int(received.split()[1]) > 1000


def test_people_are_warned_and_proxies_believed_where_that_is_set(tmp_path: Path) -> None:
    lines: list[dict[str, object]] = []
    app = App(open_registry(tmp_path), warning="moving soon", forwarded=True, log=lines.append)
    with Running(app) as server:
        client = Client(server.url)
        assert client("GET", "/v2/").headers["warning"] == '299 - "moving soon"'
        assert client("GET", "/v2/a/tags/list").headers["warning"] == '299 - "moving soon"'
        assert "warning" not in client("GET", "/healthz").headers
        client("GET", "/v2/", X_Forwarded_For="6.6.6.6, 10.1.2.3", X_Forwarded_Proto="https")
    app.close()
    assert lines[-1]["client"] == "10.1.2.3"
