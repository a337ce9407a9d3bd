"""Manifests over HTTP: what is taken, what is refused, and how they are found again."""

from __future__ import annotations

import json
from urllib.parse import urlencode

import pytest
from tests.registries import Client, blob, descriptor, index, manifest

from lamina.oci import media_type as types
from lamina.oci.digest import Digest

NAME = "team/app"
ARTIFACT = "application/vnd.example.sbom.v1+json"
FOREIGN = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"


def check(client: Client, reference: str, raw: bytes, media_type: str = types.OCI_MANIFEST) -> None:
    """GET and HEAD answer `raw`, with all its headers."""
    digest = Digest.of(raw, reference.partition(":")[0] if ":" in reference else "sha256")
    for method in ("GET", "HEAD"):
        found = client(method, f"/v2/{NAME}/manifests/{reference}", Accept=types.OCI_INDEX)
        assert found.status == 200
        assert found.body == (raw if method == "GET" else b"")
        assert found.headers["content-type"] == media_type
        assert found.headers["content-length"] == str(len(raw))
        assert found.headers["docker-content-digest"] == digest
        assert found.headers["etag"] == f'"{digest}"'


def test_an_image_is_pushed_by_digest_and_by_tag(client: Client) -> None:
    digest, raw = client.push(NAME, None, blob(), blob())
    check(client, digest, raw)
    put = client("PUT", f"/v2/{NAME}/manifests/v1", raw, Content_Type=types.OCI_MANIFEST)
    assert (put.status, put.headers["docker-content-digest"]) == (201, digest)
    assert client("GET", put.location).body == raw
    check(client, "v1", raw)


def test_bytes_come_back_as_they_were_pushed(client: Client) -> None:
    client.upload(NAME, b"{}")
    raw = b"\n " + json.dumps(json.loads(manifest(b"{}")), indent=7).encode() + b"\n\n"
    client.put(NAME, "odd", raw)
    check(client, "odd", raw)


def test_a_large_manifest_is_taken_and_a_larger_one_is_not(client: Client) -> None:
    notes = {f"note-{number}": "A" * 10_000 for number in range(390)}
    _, raw = client.push(NAME, "large", blob(), annotations=notes)
    check(client, "large", raw)
    raw += b" " * ((4 << 20) - len(raw))
    client.put(NAME, "largest", raw)
    refused = client("PUT", f"/v2/{NAME}/manifests/larger", raw + b" ")
    assert (refused.status, refused.codes) == (413, ["SIZE_INVALID"])
    streamed = client("PUT", f"/v2/{NAME}/manifests/larger", iter([raw, b" "]))
    assert streamed.status == 413


@pytest.mark.parametrize("algorithm", ["sha384", "sha512"])
def test_other_algorithms_and_tags_for_them(client: Client, algorithm: str) -> None:
    for data in (b"{}", b"layer"):
        client.upload(NAME, data, algorithm)
    raw = manifest(b"{}", b"layer", algorithm=algorithm)
    digest = Digest.of(raw, algorithm)
    tags = [("tag", "one"), ("tag", "two"), ("tag", "one")]
    put = client("PUT", f"/v2/{NAME}/manifests/{digest}", raw, query=tags)
    assert put.status == 201
    assert put.headers["oci-tag"] == "one, two"
    assert put.headers["docker-content-digest"] == digest
    check(client, digest, raw)
    found = client("GET", f"/v2/{NAME}/manifests/two")
    assert (found.body, found.headers["docker-content-digest"]) == (raw, digest)


def test_too_many_tags_or_a_bad_one_leave_nothing(client: Client) -> None:
    client.upload(NAME, b"{}")
    raw = manifest(b"{}")
    path = f"/v2/{NAME}/manifests/{Digest.of(raw)}"
    many = client("PUT", path, raw, query=[("tag", f"t{number}") for number in range(101)])
    assert (many.status, many.codes) == (414, ["TAG_INVALID"])
    bad = client("PUT", path, raw, query=[("tag", "good"), ("tag", "-bad")])
    assert (bad.status, bad.codes) == (400, ["TAG_INVALID"])
    assert client("GET", path).status == 404
    assert client("GET", f"/v2/{NAME}/manifests/good").status == 404


def test_an_index_its_children_and_an_index_of_indexes(client: Client) -> None:
    children = [client.push(NAME, None, blob())[1] for _ in range(2)]
    raw = index(*children)
    client.put(NAME, "multi", raw)
    check(client, "multi", raw, types.OCI_INDEX)
    nested = index(raw, index())
    assert client("PUT", f"/v2/{NAME}/manifests/nested", nested).codes == ["MANIFEST_BLOB_UNKNOWN"]
    client.put(NAME, "empty", index())
    client.put(NAME, "nested", nested)
    check(client, "nested", nested, types.OCI_INDEX)


@pytest.mark.parametrize(
    "fields",
    [
        {"layers": []},
        {"layers": None},
        {"org.example.custom": {"deep": [1, {"x": None}]}},
        {"artifactType": ARTIFACT},
        {"annotations": {"a": "ü"}},
    ],
    ids=["no layers", "null layers", "custom fields", "artifact", "annotations"],
)
def test_what_the_spec_allows_is_taken(client: Client, fields: dict[str, object]) -> None:
    _, raw = client.push(NAME, "x", **fields)
    check(client, "x", raw)


def test_data_in_a_descriptor_is_taken(client: Client) -> None:
    client.upload(NAME, b"{}")
    document = json.loads(manifest(b"{}"))
    document["config"]["data"] = "e30="
    raw = json.dumps(document).encode()
    client.put(NAME, "data", raw)
    check(client, "data", raw)


def test_layers_that_come_from_elsewhere_need_not_be_here(client: Client) -> None:
    client.upload(NAME, b"{}")
    layer = {**descriptor(b"x", FOREIGN), "urls": ["https://example.com/x"]}
    client.put(NAME, "foreign", manifest(b"{}", layers=[layer]))
    refused = client("PUT", f"/v2/{NAME}/manifests/y", manifest(b"{}", b"x", layer_type=FOREIGN))
    assert refused.codes == ["MANIFEST_BLOB_UNKNOWN"]


def test_a_manifest_of_a_media_type_that_nobody_knows(client: Client) -> None:
    kind = "application/vnd.example.thing.v7+json"
    raw = json.dumps({"hello": "world", "layers": "many", "config": 7}).encode()
    put = client("PUT", f"/v2/{NAME}/manifests/thing", raw, Content_Type=f"{kind}; charset=utf-8")
    assert put.status == 201
    check(client, "thing", raw, kind)
    document = {"blobs": [descriptor(b"absent", "text/plain")]}
    refused = client("PUT", f"/v2/{NAME}/manifests/thing", json.dumps(document), Content_Type=kind)
    assert refused.codes == ["MANIFEST_BLOB_UNKNOWN"]


def test_what_is_referred_to_must_be_in_this_repository(client: Client) -> None:
    layers = [blob(), blob()]
    client.push("other/place", "x", *layers)
    client.upload(NAME, b"{}")
    raw = manifest(b"{}", *layers)
    refused = client("PUT", f"/v2/{NAME}/manifests/x", raw)
    assert (refused.status, refused.codes) == (404, ["MANIFEST_BLOB_UNKNOWN"] * 2)
    missing = {error["detail"]["digest"] for error in refused.json["errors"]}
    assert missing == {Digest.of(layer) for layer in layers}
    assert client("GET", f"/v2/{NAME}/manifests/x").status == 404
    assert client("GET", f"/v2/{NAME}/manifests/{Digest.of(raw)}").status == 404


GOOD = json.loads(manifest(b"{}"))


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (b"", types.OCI_MANIFEST),
        (b"not json", types.OCI_MANIFEST),
        (b"[]", types.OCI_MANIFEST),
        (b"null", "application/x"),
        (b'{"a":1,"a":2}', "application/x"),
        (b"[" * 100_000, types.OCI_MANIFEST),
        (b'{"a":' * 5000 + b"1" + b"}" * 5000, "application/x"),
        (b'{"mediaType": NaN}', "application/x"),
        (b"\xff\xfe", types.OCI_MANIFEST),
        (json.dumps({**GOOD, "schemaVersion": 1}).encode(), types.OCI_MANIFEST),
        (json.dumps({**GOOD, "manifests": []}).encode(), types.OCI_MANIFEST),
        (json.dumps(GOOD).encode(), types.OCI_INDEX),
        (json.dumps({**GOOD, "config": None}).encode(), types.OCI_MANIFEST),
        (json.dumps({**GOOD, "layers": [{"digest": "../../x"}]}).encode(), types.OCI_MANIFEST),
        (json.dumps({"fsLayers": [], "schemaVersion": 1}).encode(), types.SCHEMA1),
        (b"{}", None),
    ],
)
def test_what_is_no_manifest_is_refused(client: Client, raw: bytes, kind: str | None) -> None:
    client.upload(NAME, b"{}")
    headers = {"Content_Type": kind} if kind else {}
    refused = client("PUT", f"/v2/{NAME}/manifests/x", raw, **headers)
    assert (refused.status, refused.codes) == (400, ["MANIFEST_INVALID"])
    assert client("GET", f"/v2/{NAME}/tags/list").json["tags"] == []


def test_a_digest_that_does_not_fit_is_refused(client: Client) -> None:
    _, raw = client.push(NAME, None, blob())
    for digest in (Digest.of(b"other"), "sha256:baddigeststring", "sha256:" + "A" * 64):
        refused = client("PUT", f"/v2/{NAME}/manifests/{digest}", raw + b"  ")
        assert (refused.status, refused.codes) == (400, ["DIGEST_INVALID"])
    assert client("GET", f"/v2/{NAME}/manifests/sha256:baddigeststring").status == 400


def test_what_is_not_there_is_not_found(client: Client) -> None:
    client.push(NAME, "x", blob())
    for reference in ("missing", Digest.of(b"missing")):
        missing = client("GET", f"/v2/{NAME}/manifests/{reference}")
        assert (missing.status, missing.codes) == (404, ["MANIFEST_UNKNOWN"])
        missing = client("GET", f"/v2/no/such/manifests/{reference}")
        assert (missing.status, missing.codes) == (404, ["NAME_UNKNOWN"])
        assert client("DELETE", f"/v2/{NAME}/manifests/{reference}").status == 404


def test_a_deleted_tag_leaves_the_manifest(client: Client) -> None:
    digest, raw = client.push(NAME, "x", blob())
    assert client("DELETE", f"/v2/{NAME}/manifests/x").status == 202
    assert client("HEAD", f"/v2/{NAME}/manifests/x").status == 404
    assert client("GET", f"/v2/{NAME}/manifests/{digest}").body == raw


def test_a_deleted_manifest_takes_its_tags_along(client: Client) -> None:
    digest, _ = client.push(NAME, "x", blob())
    client.put(NAME, "y", client("GET", f"/v2/{NAME}/manifests/x").body)
    assert client("DELETE", f"/v2/{NAME}/manifests/{digest}").status == 202
    for reference in (digest, "x", "y"):
        assert client("HEAD", f"/v2/{NAME}/manifests/{reference}").status == 404


def test_a_change_may_depend_on_what_a_tag_means(client: Client) -> None:
    first, raw = client.push(NAME, "x", blob())
    _, other = client.push(NAME, None, blob())
    path = f"/v2/{NAME}/manifests/x"
    assert client("PUT", path, other, If_None_Match="*").status == 412
    assert client("PUT", path, other, If_Match='"sha256:other"').status == 412
    assert client("GET", path).body == raw
    assert client("PUT", path, other, If_Match=f'"{first}"').status == 201
    assert client("PUT", f"/v2/{NAME}/manifests/new", raw, If_None_Match="*").status == 201
    assert client("PUT", f"/v2/{NAME}/manifests/newer", raw, If_Match="*").status == 412


def test_referrers_are_listed_and_filtered(client: Client) -> None:
    subject, raw = client.push(NAME, "image", blob())
    about = descriptor(raw, types.OCI_MANIFEST)
    notes = {"org.example": "hello ü"}
    plain = client.push(NAME, None, blob(), subject=about)
    sbom = client.push(NAME, None, blob(), subject=about, artifactType=ARTIFACT, annotations=notes)
    listed = index(subject=about, annotations=notes)
    put = client("PUT", f"/v2/{NAME}/manifests/{Digest.of(listed)}", listed)
    assert put.headers["oci-subject"] == subject

    found = client("GET", f"/v2/{NAME}/referrers/{subject}")
    assert found.headers["content-type"] == types.OCI_INDEX
    assert "oci-filters-applied" not in found.headers
    assert (found.json["schemaVersion"], found.json["mediaType"]) == (2, types.OCI_INDEX)
    shown = {each["digest"]: each for each in found.json["manifests"]}
    assert set(shown) == {plain[0], sbom[0], Digest.of(listed)}
    assert shown[plain[0]]["artifactType"] == types.OCI_CONFIG
    assert shown[sbom[0]] == {
        "mediaType": types.OCI_MANIFEST,
        "digest": sbom[0],
        "size": len(sbom[1]),
        "artifactType": ARTIFACT,
        "annotations": notes,
    }
    assert "artifactType" not in shown[Digest.of(listed)]

    some = client("GET", f"/v2/{NAME}/referrers/{subject}", query=[("artifactType", ARTIFACT)])
    assert [each["digest"] for each in some.json["manifests"]] == [sbom[0]]
    assert some.headers["oci-filters-applied"] == "artifactType"

    client("DELETE", f"/v2/{NAME}/manifests/{sbom[0]}")
    left = client("GET", f"/v2/{NAME}/referrers/{subject}").json["manifests"]
    assert {each["digest"] for each in left} == {plain[0], Digest.of(listed)}


def test_a_subject_may_come_later(client: Client) -> None:
    subject = Digest.of(b"missing content")
    about = {"mediaType": types.OCI_MANIFEST, "digest": subject, "size": 123}
    client.upload(NAME, b"{}")
    raw = manifest(b"{}", subject=about)
    put = client("PUT", f"/v2/{NAME}/manifests/tagged", raw)
    assert (put.status, put.headers["oci-subject"]) == (201, subject)
    found = client("GET", f"/v2/{NAME}/referrers/{subject}").json["manifests"]
    assert [each["digest"] for each in found] == [Digest.of(raw)]


def test_there_are_always_referrers_if_only_none(client: Client) -> None:
    none = client("GET", f"/v2/no/such/referrers/{Digest.of(b'x')}")
    assert (none.status, none.json["manifests"]) == (200, [])
    assert client("GET", f"/v2/{NAME}/referrers/sha256:x").codes == ["DIGEST_INVALID"]


def test_many_referrers_come_in_pages_by_size(client: Client) -> None:
    _, raw = client.push(NAME, "image", blob())
    about = descriptor(raw, types.OCI_MANIFEST)
    digests = {
        client.push(
            NAME,
            None,
            subject=about,
            annotations={"n": str(number), "long": "x" * 1_000_000},
            artifactType=ARTIFACT,
        )[0]
        for number in range(9)
    }
    found: list[str] = []
    query = urlencode({"artifactType": ARTIFACT})
    place: str | None = f"/v2/{NAME}/referrers/{Digest.of(raw)}?{query}"
    pages = 0
    while place:
        page = client("GET", place)
        assert len(page.body) < (4 << 20) + 1000
        assert page.headers["oci-filters-applied"] == "artifactType"
        found += [each["digest"] for each in page.json["manifests"]]
        link = page.headers.get("link")
        place = link.partition(">")[0][1:] if link else None
        pages += 1
    assert (set(found), len(found), pages) == (digests, 9, 3)
