from __future__ import annotations

import pytest

from lamina.oci.distribution.fault import STATUSES, Code, Fault, decode, encode


def test_errors_and_their_body_are_inverses() -> None:
    faults = [Fault(Code.BLOB_UNKNOWN, "no blob", {"digest": "sha256:1"}), Fault(Code.DENIED)]
    assert decode(encode(faults)) == faults


def test_every_code_has_a_status() -> None:
    assert set(STATUSES) == set(Code)


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b'{"errors": 1}', b'{"errors": [1]}', b"["]
)
def test_another_body_tells_of_no_errors(body: bytes) -> None:
    assert decode(body) == []
