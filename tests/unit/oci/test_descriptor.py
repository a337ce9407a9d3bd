import pytest

from lamina.oci import descriptor
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest
from lamina.oci.document import BadDocument
from lamina.oci.platform import Platform

DIGEST = Digest.of(b"")
SOUND = {"mediaType": "application/json", "digest": str(DIGEST), "size": 2}


def test_everything_survives_the_round_trip() -> None:
    full = Descriptor(
        "application/json",
        DIGEST,
        2,
        platform=Platform("windows", "amd64", "v2", "10.0", ("win32k",), ("sse4",)),
        annotations={"b": "1", "a": "2"},
        artifact_type="application/x",
        urls=("https://example.com/x",),
        data=b"{}",
    )
    assert descriptor.parse(full.to_json()) == full
    assert list(full.to_json()["annotations"]) == ["a", "b"]  # type: ignore[call-overload]


def test_a_descriptor_can_be_a_key() -> None:
    assert len({descriptor.parse(SOUND), descriptor.parse(SOUND)}) == 1


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"mediaType": None}, "x.mediaType"),
        ({"mediaType": "text"}, "x.mediaType"),
        ({"mediaType": "a/b;c=d"}, "x.mediaType"),
        ({"mediaType": "a/b\n"}, "x.mediaType"),
        ({"digest": None}, "x.digest"),
        ({"digest": "sha256:../../etc/passwd"}, "x.digest"),
        ({"digest": 1}, "x.digest"),
        ({"size": -1}, "x.size"),
        ({"size": "2"}, "x.size"),
        ({"size": True}, "x.size"),
        ({"size": None}, "x.size"),
        ({"urls": "https://example.com"}, "x.urls"),
        ({"urls": [1]}, "x.urls[0]"),
        ({"annotations": {"a": 1}}, "x.annotations.a"),
        ({"annotations": []}, "x.annotations"),
        ({"platform": {"os": "linux"}}, "x.platform.architecture"),
        ({"data": "%"}, "x.data"),
        ({"artifactType": "text"}, "x.artifactType"),
    ],
)
def test_a_wrong_descriptor_is_refused_by_the_path(change: dict[str, object], field: str) -> None:
    with pytest.raises(BadDocument) as caught:
        descriptor.parse(SOUND | change, "x")
    assert caught.value.field == field


def test_what_is_no_object_is_refused() -> None:
    with pytest.raises(BadDocument, match='"x" is an array: expected an object'):
        descriptor.parse([], "x")
