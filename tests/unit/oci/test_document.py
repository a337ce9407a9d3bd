import json

import pytest

from lamina.oci import document
from lamina.oci.document import BadDocument, Fields, Kind


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "is not JSON"),
        (b"[]", "is an array: expected an object"),
        (b"null", "is null: expected an object"),
        (b'"x"', 'is the string "x": expected an object'),
        (b'{"a":1', "is not JSON"),
        (b'{"a":1} x', "extra data at line 1 column 9"),
        (b'\xef\xbb\xbf{"a":1}', "is not JSON"),
        (b'{"a":"\xff"}', "is not UTF-8 at byte 6"),
        (b'{"a":1,"a":2}', '"a" appears twice'),
        (b'{"b":{"a":1,"a":1}}', '"a" appears twice'),
        (b'{"a":NaN}', '"NaN" is not JSON'),
        (b'{"a":-Infinity}', '"-Infinity" is not JSON'),
        (b'{"a":"\\ud800"}', "half of a surrogate pair"),
        (b'{"a":' + b"9" * 5000 + b"}", "is not JSON"),
        (b'{"a":' + b"[" * 200 + b"]" * 200 + b"}", "nests deeper than 100"),
        (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nests deeper than 100"),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_what_is_no_sound_document_is_refused(raw: bytes, message: str) -> None:
    with pytest.raises(BadDocument) as caught:
        document.load(raw, "manifest")
    assert message in str(caught.value)


def test_a_document_over_the_limit_is_refused_before_it_is_parsed() -> None:
    with pytest.raises(BadDocument, match="is 4194305 bytes long: expected at most 4194304"):
        document.load(b" " * (document.MANIFEST_LIMIT + 1), "manifest")


def test_whole_surrogate_pairs_and_broad_documents_are_fine() -> None:
    assert document.load(b'{"a":"\\ud83d\\ude00"}', "config") == {"a": "😀"}
    assert len(document.load(json.dumps({str(n): [] for n in range(500)}).encode(), "x")) == 500


def test_json_is_escaped_as_go_escapes_it() -> None:
    raw = document.dump({"b": "<a&b>", "a": "\u2028é\udcff\t"})
    assert raw == '{"b":"\\u003ca\\u0026b\\u003e","a":"\\u2028é\ufffd\\t"}'.encode()


@pytest.mark.parametrize(
    ("found", "kind"),
    [
        ({"schemaVersion": 2, "config": {}, "layers": []}, Kind.MANIFEST),
        ({"schemaVersion": 2, "manifests": []}, Kind.INDEX),
        ({"rootfs": {}, "config": {}}, Kind.CONFIG),
        ({"fsLayers": []}, Kind.SCHEMA1),
        ({"fsLayers": [], "signatures": []}, Kind.SCHEMA1_SIGNED),
        ({"schemaVersion": 3}, Kind.OTHER),
        ({}, Kind.OTHER),
    ],
)
def test_a_document_is_what_its_fields_are(found: dict[str, object], kind: Kind) -> None:
    assert document.kind(found) is kind


def test_a_wrong_field_is_named_by_its_path() -> None:
    fields = Fields({"a": [{"b": 1}]}, "")
    with pytest.raises(BadDocument) as caught:
        for one in fields.inners("a"):
            one.text("b")
    assert caught.value.field == "a[0].b"
    assert str(caught.value) == '"a[0].b" is the number 1: expected a string'


@pytest.mark.parametrize("value", [True, 1.0, "1", 1 << 63, -(1 << 63) - 1, [], {}])
def test_what_is_no_integer_of_64_bits_is_refused(value: object) -> None:
    with pytest.raises(BadDocument):
        Fields({"a": value}, "").need_integer("a")


def test_null_counts_as_absent_unless_the_schema_is_followed() -> None:
    assert Fields({"a": None}, "").text("a") == ""
    with pytest.raises(BadDocument, match="is null: expected a string"):
        Fields({"a": None}, "", strict=True).text("a")
