"""Records of what a RUN opened survive the cache and the report."""

from __future__ import annotations

import json

from lamina.build.cache import Made
from lamina.build.recording import Record
from lamina.build.report import Report, StepReport
from lamina.oci import media_type
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import ChainID, DiffID, Digest
from lamina.values import replace

DIGEST = Digest.of(b"")
MADE = Made(
    Descriptor(media_type.OCI_LAYER, DIGEST, 0), DiffID(DIGEST), ChainID(DIGEST), "now", 1.0
)


def test_the_cache_keeps_a_record() -> None:
    for reads in (None, (), ("a", "b")):
        made = replace(MADE, reads=reads)
        assert Made.decode(made.encode()) == made


def test_a_layer_of_before_records_has_none() -> None:
    assert "reads" not in json.loads(MADE.encode())


def test_the_report_keeps_a_record() -> None:
    steps = [StepReport("a", 1, ()), StepReport("b", 2, (0,), reads=("x",))]
    report = Report("place", 1.0, steps=steps)
    assert Report.decode(report.encode()) == report
    old = json.loads(report.encode())
    for row in old["steps"]:
        del row["reads"]
    assert Report.decode(json.dumps(old).encode()).steps[1].reads is None


def test_only_what_is_wanted_is_kept() -> None:
    record = Record(frozenset(("app/a", "b")))
    for path in ("/app/a", "/b", "/etc/passwd", "/app"):
        record.hear(path)
    assert record.opened == {"app/a", "b"}
