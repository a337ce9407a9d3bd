"""The pytest plugin, used as another project would."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import urllib3

from lamina.oci.config import RunConfig
from lamina.oci.media_type import OCI_INDEX, OCI_MANIFEST
from lamina.testing.images import Made, index
from lamina.testing.registry import TestRegistry

Make = Callable[..., TestRegistry]
Images = Callable[..., Made]


def get(url: str, **headers: str) -> urllib3.BaseHTTPResponse:
    return urllib3.request("GET", url, headers=headers, retries=False, timeout=10)


def test_an_image_that_is_put_there_is_served(
    lamina_registry: TestRegistry, image_factory: Images
) -> None:
    made = image_factory({"/a": "1"}, {"/b": "2"}, config=RunConfig(cmd=("/a",)))
    reference = lamina_registry.push(made, "team/app:1")
    assert reference == f"{lamina_registry.address}/team/app:1"
    found = get(f"{lamina_registry.url}/v2/team/app/manifests/1", Accept=OCI_MANIFEST)
    assert found.data == made.raw
    for one in [json.loads(found.data)["config"], *json.loads(found.data)["layers"]]:
        assert get(f"{lamina_registry.url}/v2/team/app/blobs/{one['digest']}").status == 200
    assert lamina_registry.tags("team/app") == ["1"]


def test_an_index_is_served_with_its_images(
    lamina_registry: TestRegistry, image_factory: Images
) -> None:
    images = [image_factory({"/a": name}, platform=name) for name in ("linux/amd64", "linux/arm64")]
    lamina_registry.push(index(images), "app:all")
    found = get(f"{lamina_registry.url}/v2/app/manifests/all", Accept=OCI_INDEX)
    assert [one["digest"] for one in json.loads(found.data)["manifests"]] == [
        made.digest for made in images
    ]
    assert lamina_registry.tags("app") == ["all"]


def test_without_a_tag_it_is_named_by_its_digest(
    lamina_registry: TestRegistry, image_factory: Images
) -> None:
    made = image_factory({"/a": "1"})
    assert lamina_registry.push(made, "app").endswith(f"/app@{made.digest}")
    assert lamina_registry.tags("app") == []
    assert lamina_registry.tags("nothing") == []


def test_it_is_up_before_anybody_notices(tmp_path: Path) -> None:
    taken = []
    for number in range(5):
        begun = time.perf_counter()
        with TestRegistry(tmp_path / str(number)) as registry:
            assert get(f"{registry.url}/v2/").status == 200
            taken.append(time.perf_counter() - begun)
    assert min(taken) < 1  # measured in bench/start.py; here only that nothing waits for a timer


def test_faults_befall_clients_as_often_as_asked(
    lamina_registry: TestRegistry, image_factory: Images
) -> None:
    lamina_registry.push(image_factory({"/a": "1"}), "app:1")
    url = f"{lamina_registry.url}/v2/app/manifests/1"
    lamina_registry.faults.answer(429, path="/manifests/", retry_after=7)
    first, second = get(url), get(url)
    assert (first.status, first.headers["retry-after"]) == (429, "7")
    assert second.status == 200
    assert [one.path for one in lamina_registry.faults.seen] == ["/v2/app/manifests/1"] * 2


def test_a_download_breaks_off_at_the_byte(
    lamina_registry: TestRegistry, image_factory: Images
) -> None:
    made = image_factory({"/a": bytes(300_000)}, compression="none")
    lamina_registry.push(made, "app:1")
    layer = json.loads(made.raw)["layers"][0]
    lamina_registry.faults.drop_answer(100_000, path="/blobs/")
    url = f"{lamina_registry.url}/v2/app/blobs/{layer['digest']}"
    with pytest.raises(urllib3.exceptions.HTTPError):
        get(url)
    assert len(get(url).data) == layer["size"]


def test_an_upload_breaks_off_and_what_came_stays(lamina_registry: TestRegistry) -> None:
    begun = urllib3.request("POST", f"{lamina_registry.url}/v2/app/blobs/uploads/")
    url = lamina_registry.url + begun.headers["location"]
    lamina_registry.faults.drop_request(1000)
    with pytest.raises(urllib3.exceptions.HTTPError):
        urllib3.request("PATCH", url, body=bytes(5000), retries=False)
    assert get(url).headers["range"] == "0-999"


def test_it_asks_for_a_login_where_it_has_users(make_lamina_registry: Make) -> None:
    registry = make_lamina_registry(users={"me": "secret"})
    assert get(f"{registry.url}/v2/").status == 401
    right, wrong = (
        urllib3.make_headers(basic_auth=f"me:{password}")["authorization"]
        for password in ("secret", "guess")
    )
    assert get(f"{registry.url}/v2/", authorization=right).status == 200
    assert get(f"{registry.url}/v2/", authorization=wrong).status == 401


def test_it_gives_tokens_that_can_expire(make_lamina_registry: Make) -> None:
    registry = make_lamina_registry(users={"me": "secret"}, tokens=True)
    challenge = get(f"{registry.url}/v2/").headers["www-authenticate"]
    assert challenge.startswith("Bearer realm=")
    basic = urllib3.make_headers(basic_auth="me:secret")["authorization"]
    query = "service=lamina&scope=repository:app:pull"
    token = json.loads(get(f"{registry.url}/token?{query}", authorization=basic).data)["token"]
    bearer = f"Bearer {token}"
    registry.faults.expire_token()
    expired, fresh = (get(f"{registry.url}/v2/", authorization=bearer) for _ in range(2))
    assert 'error="invalid_token"' in expired.headers["www-authenticate"]
    assert (expired.status, fresh.status) == (401, 200)


def test_two_registries_know_nothing_of_each_other(
    make_lamina_registry: Make, image_factory: Images
) -> None:
    one, two = make_lamina_registry(), make_lamina_registry()
    one.push(image_factory({"/a": "1"}), "app:1")
    assert (one.tags("app"), two.tags("app")) == (["1"], [])
