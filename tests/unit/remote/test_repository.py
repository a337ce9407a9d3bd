"""A repository over loopback HTTP, with all that a registry may do to its client."""

from __future__ import annotations

import io
import json

import pytest
from tests import places
from tests.registry import (
    Registry,
    cut_after,
    hang_up,
    serving,
    status,
    times,
)
from tests.unit.remote.conftest import Open, session

from lamina.errors import Corrupt, Denied, Invalid, NotFound, Unavailable
from lamina.oci import media_type
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest
from lamina.remote.keychain import Credential
from lamina.remote.transport import Transport

DATA = bytes(range(256)) * 12_000  # 3 MB: more than goes in one piece


def blob(data: bytes = DATA) -> Descriptor:
    return Descriptor(media_type.OCI_LAYER, Digest.of(data), len(data))


def with_blob(registry: Registry, data: bytes = DATA) -> Descriptor:
    registry.blobs["x"] = {str(Digest.of(data)): data}
    return blob(data)


def with_image(registry: Registry, name: str = "x", tag: str = "1") -> Descriptor:
    memory = places.Memory()
    root = places.image(memory, places.tar(a=b"1"))
    registry.put(name, memory, root, tag)
    return root


# --- reading


def test_a_tag_is_resolved_with_head_alone(registry: Registry, repository: Open) -> None:
    root = with_image(registry)
    assert repository().resolve(f"{registry.host}/x:1") == root
    assert not registry.requests("GET", "manifests")


def test_a_digest_beats_a_tag(registry: Registry, repository: Open) -> None:
    root = with_image(registry)
    found = repository().resolve(f"{registry.host}/x:other@{root.digest}")
    assert found.digest == root.digest


def test_without_a_digest_in_the_header_the_manifest_is_hashed(
    registry: Registry, repository: Open
) -> None:
    root = with_image(registry)
    registry.faults.append(times(9, "manifests", "HEAD", status(405)))
    opened = repository()
    assert opened.resolve(f"{registry.host}/x:1") == root
    with opened.open(root) as stream:
        assert Digest.of(stream.read()) == root.digest
    assert len(registry.requests("GET", "manifests")) == 1


def test_a_manifest_of_another_digest_is_refused(registry: Registry, repository: Open) -> None:
    root = with_image(registry)
    kind, raw = registry.manifests["x"][str(root.digest)]
    registry.manifests["x"][str(root.digest)] = (kind, raw[:-1] + b" ")
    with pytest.raises(Corrupt):
        repository().open(root)


def test_a_manifest_without_end_is_refused(registry: Registry, repository: Open) -> None:
    registry.manifests["x"] = {"1": (media_type.OCI_MANIFEST, b"{" + b" " * (17 << 20))}
    registry.faults.append(times(9, "manifests", "HEAD", status(405)))
    with pytest.raises(Corrupt, match="more than"):
        repository().resolve(f"{registry.host}/x:1")


def test_a_broken_download_goes_on_where_it_broke(registry: Registry, repository: Open) -> None:
    descriptor = with_blob(registry)
    registry.faults.append(times(2, "blobs", "GET", cut_after(1_000_000)))
    with repository().open(descriptor) as stream:
        assert stream.read() == DATA
    asked = [one.headers.get("range") for one in registry.requests("GET", "blobs")]
    assert asked == [None, "bytes=1000000-", "bytes=2000000-"]


def test_where_ranges_are_not_spoken_it_goes_on_too(registry: Registry, repository: Open) -> None:
    descriptor = with_blob(registry)
    registry.ranges = False
    registry.faults.append(times(1, "blobs", "GET", cut_after(1_000_000)))
    with repository().open(descriptor) as stream:
        assert stream.read() == DATA


def test_a_download_that_never_goes_on_is_given_up(registry: Registry, repository: Open) -> None:
    descriptor = with_blob(registry)
    registry.faults.append(times(99, "blobs", "GET", cut_after(0)))
    with pytest.raises(Unavailable, match="broke off after 0 of"):
        with repository().open(descriptor) as stream:
            stream.read()


@pytest.mark.parametrize(
    ("there", "message"),
    [
        (DATA[:-1] + b"x", "have the digest"),
        (DATA[:-1], "would have 3071999 bytes"),
        (DATA + b"x", "would have 3072001 bytes"),
    ],
    ids=["other", "shorter", "longer"],
)
def test_a_blob_that_is_not_the_one_is_refused(
    registry: Registry, repository: Open, there: bytes, message: str
) -> None:
    registry.blobs["x"] = {str(Digest.of(DATA)): there}
    with pytest.raises(Corrupt, match=message):
        with repository().open(blob()) as stream:
            stream.read()


def test_a_body_without_length_ends_where_the_descriptor_says(
    registry: Registry, repository: Open
) -> None:
    def endless(handler: object) -> bool:
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(DATA + b"more")
        handler.close_connection = True
        return True

    registry.faults.append(times(1, "blobs", "GET", endless))
    with pytest.raises(Corrupt, match="more than"):
        with repository().open(blob()) as stream:
            while stream.read(1 << 16):
                pass


def test_what_is_not_there_is_not_found(registry: Registry, repository: Open) -> None:
    with pytest.raises(NotFound):
        repository().resolve(f"{registry.host}/x:1")
    with pytest.raises(NotFound):
        repository().open(blob())


def test_a_mirror_that_fails_is_passed_over(registry: Registry, transport: Transport) -> None:
    from lamina.oci import reference
    from lamina.remote.repository import Repository

    root = with_image(registry)
    with serving() as mirror:
        mirror.manifests["x"] = {"1": (media_type.OCI_MANIFEST, b"{}")}
        there = [session(mirror, transport, is_mirror=True), session(registry, transport)]
        opened = Repository(reference.parse(f"{registry.host}/x"), there)
        with opened.open(root) as stream:
            assert Digest.of(stream.read()) == root.digest
        assert mirror.requests("GET", str(root.digest))


# --- lists


def test_tags_come_page_by_page(registry: Registry, repository: Open) -> None:
    for tag in "abcde":
        with_image(registry, tag=tag)
    registry.per_page = 2
    assert list(repository().tags()) == list("abcde")
    assert len(registry.requests("GET", "tags/list")) == 3


def test_pages_that_lead_in_circles_end(registry: Registry, repository: Open) -> None:
    page = json.dumps({"tags": ["a"]}).encode()
    registry.faults.append(
        times(9, "tags/list", "GET", status(200, page, Link='</v2/x/tags/list?n=1>; rel="next"'))
    )
    with pytest.raises(Corrupt, match="without end"):
        list(repository().tags())


def test_the_next_page_is_not_elsewhere(registry: Registry, repository: Open) -> None:
    page = json.dumps({"tags": ["a"]}).encode()
    elsewhere = '<http://127.0.0.2:1/v2/x/tags/list>; rel="next"'
    registry.faults.append(times(9, "tags/list", "GET", status(200, page, Link=elsewhere)))
    with pytest.raises(Denied, match="another host"):
        list(repository().tags())


@pytest.mark.parametrize("listed", [True, False], ids=["by the API", "by a tag"])
def test_referrers_are_found(registry: Registry, repository: Open, listed: bool) -> None:
    registry.referrers = listed
    root = with_image(registry)
    opened = repository()
    for text in ("one", "two", "one"):
        document = {
            "schemaVersion": 2,
            "mediaType": media_type.OCI_MANIFEST,
            "artifactType": f"application/{text}",
            "config": places.Memory().put(b"{}", media_type.OCI_EMPTY).to_json(),
            "layers": [],
            "subject": root.to_json(),
        }
        raw = json.dumps(document).encode()
        opened.put_manifest(raw, media_type.OCI_MANIFEST, Digest.of(raw))
    found = repository().referrers(root.digest)
    assert sorted(one.artifact_type for one in found) == ["application/one", "application/two"]
    assert len(repository().referrers(root.digest, "application/two")) == 1


# --- writing


def test_a_broken_upload_goes_on_where_the_registry_says(
    registry: Registry, repository: Open
) -> None:
    registry.faults.append(times(2, "uploads", "PATCH", cut_after(1_000_000)))
    repository().push(blob(), io.BytesIO(DATA))
    assert registry.blobs["x"][str(Digest.of(DATA))] == DATA
    assert len(registry.requests("PATCH")) == 3
    assert registry.requests("PATCH")[-1].headers["content-range"].endswith(f"-{len(DATA) - 1}")


def test_a_forgotten_session_is_begun_anew(registry: Registry, repository: Open) -> None:
    registry.faults.append(times(1, "uploads", "PATCH", status(404)))
    repository().push(blob(), io.BytesIO(DATA))
    assert registry.blobs["x"][str(Digest.of(DATA))] == DATA
    assert len(registry.requests("POST")) == 2


@pytest.mark.parametrize("data", [b"small", DATA], ids=["small", "large"])
def test_a_commit_whose_answer_was_lost_is_looked_for(
    registry: Registry, repository: Open, data: bytes
) -> None:
    registry.faults.append(times(1, "uploads", "PUT", lost_answer))
    repository().push(blob(data), io.BytesIO(data))
    assert registry.blobs["x"][str(Digest.of(data))] == data
    assert len(registry.requests("PUT")) == 1
    assert registry.requests("HEAD", "blobs")[-1].status == 200


def lost_answer(handler: object) -> bool:
    """Do what was asked, and hang up instead of saying so."""
    handler.send_response = handler.send_header = lambda *_: None
    handler.end_headers = hang_up_now
    handler.route()
    return True


def hang_up_now() -> None:
    hang_up(None)


def test_a_commit_that_was_not_heard_is_made_again(registry: Registry, repository: Open) -> None:
    registry.faults.append(times(1, "uploads", "PUT", hang_up))
    repository().push(blob(), io.BytesIO(DATA))
    assert registry.blobs["x"][str(Digest.of(DATA))] == DATA
    assert len(registry.requests("PUT")) == 2


def test_what_is_there_is_not_sent(registry: Registry, repository: Open) -> None:
    with_blob(registry)
    repository().push(blob(), io.BytesIO(DATA))
    assert not registry.requests("POST")


def test_a_blob_of_another_repository_is_mounted(registry: Registry, repository: Open) -> None:
    registry.blobs["other"] = {str(Digest.of(DATA)): DATA}
    repository(origins=("other",)).push(blob(), io.BytesIO(DATA))
    assert registry.blobs["x"][str(Digest.of(DATA))] == DATA
    assert not registry.requests("PATCH")


def test_where_nothing_is_mounted_it_is_sent(registry: Registry, repository: Open) -> None:
    repository(origins=("other",)).push(blob(), io.BytesIO(DATA))
    assert registry.blobs["x"][str(Digest.of(DATA))] == DATA
    assert not registry.uploads


@pytest.mark.parametrize("given", [DATA[:-1], DATA + b"x", DATA[:-1] + b"x"])
def test_a_stream_that_is_not_as_described_is_not_committed(
    registry: Registry, repository: Open, given: bytes
) -> None:
    with pytest.raises(Corrupt):
        repository().push(blob(), io.BytesIO(given))
    assert not registry.blobs
    assert not registry.requests("PUT")
    assert not registry.uploads


def test_a_name_with_a_digest_cannot_be_given(registry: Registry, repository: Open) -> None:
    root = with_image(registry)
    with pytest.raises(Invalid):
        repository().tag(f"{registry.host}/x@{root.digest}", root)


def test_what_is_deleted_is_gone(registry: Registry, repository: Open) -> None:
    root = with_image(registry)
    repository().delete(root.digest)
    with pytest.raises(NotFound):
        repository().delete(root.digest)


# --- proof


def test_a_refusal_says_what_the_registry_says(registry: Registry, repository: Open) -> None:
    body = json.dumps({"errors": [{"code": "DENIED", "message": "not\x1b[31m you"}]}).encode()
    registry.faults.append(times(9, "manifests", "GET", status(403, body)))
    registry.faults.append(times(9, "manifests", "HEAD", status(403)))
    with pytest.raises(Denied, match=r"not \[31m you"):
        repository(credential=Credential("ada", "s3cret")).resolve(f"{registry.host}/x:1")


def test_basic_is_spoken(registry: Registry, repository: Open) -> None:
    root = with_image(registry)
    registry.challenge, registry.user = "basic", ("ada", "s3cret")
    found = repository(credential=Credential("ada", "s3cret")).resolve(f"{registry.host}/x:1")
    assert found == root


@pytest.mark.parametrize("challenge", ["basic", "bearer"])
def test_a_wrong_secret_is_denied_and_never_shown(
    registry: Registry, repository: Open, challenge: str
) -> None:
    with_image(registry)
    registry.challenge, registry.user = challenge, ("ada", "right")
    with pytest.raises(Denied) as caught:
        repository(credential=Credential("ada", "wr0ng")).resolve(f"{registry.host}/x:1")
    assert "wr0ng" not in f"{caught.value}{caught.value.hint}{caught.value!r}"
    assert len(registry.seen) < 10
