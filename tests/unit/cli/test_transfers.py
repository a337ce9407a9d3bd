"""How transfers are shown: each change once, documents never, JSON for programs."""

from __future__ import annotations

import io
import json

import pytest

from lamina.cli.command import Args
from lamina.cli.transfers import WORDS, Bars, Lines, Quiet, RawJson, choose
from lamina.errors import Invalid
from lamina.oci import media_type
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest
from lamina.transfer.copy import Event, Outcome

LAYER = Descriptor(media_type.OCI_LAYER_GZIP, Digest.of(b"layer"), 100)
CONFIG = Descriptor(media_type.OCI_CONFIG, Digest.of(b"config"), 10)
STORY = [
    Event(CONFIG, Outcome.WAITING, 0),
    Event(LAYER, Outcome.WAITING, 0),
    Event(LAYER, Outcome.MOVING, 10),
    Event(LAYER, Outcome.MOVING, 100),
    Event(CONFIG, Outcome.DONE, 10),
    Event(LAYER, Outcome.DONE, 100),
    Event(LAYER, Outcome.UNPACKED, 100),
]


def args(**values: str) -> Args:
    return Args("pull", "", {name: (text,) for name, text in values.items()}, ())


def test_lines_say_each_change_once_in_dockers_words() -> None:
    out = io.StringIO()
    lines = Lines(out, WORDS["pull"])
    for event in STORY:
        lines.listen(event)
    short = LAYER.digest.short
    assert out.getvalue().splitlines() == [
        f"{short}: Pulling fs layer",
        f"{short}: Download complete",
        f"{short}: Pull complete",
    ]


def test_why_a_layer_begins_anew_is_said() -> None:
    out = io.StringIO()
    Lines(out, WORDS["pull"]).listen(Event(LAYER, Outcome.WAITING, 0, "it was damaged"))
    assert "Retrying: it was damaged" in out.getvalue()


def test_json_has_all_that_a_program_needs_and_no_flood() -> None:
    out, now = io.StringIO(), [1000.0]
    reader = RawJson(out, clock=lambda: now[0])
    for done in range(100):
        reader.listen(Event(LAYER, Outcome.MOVING, done))
    now[0] += 1
    reader.listen(Event(LAYER, Outcome.MOVING, 100))
    first, last = (json.loads(line) for line in out.getvalue().splitlines())
    assert first["current"] == 0
    assert last == {
        "digest": LAYER.digest,
        "mediaType": LAYER.media_type,
        "status": "moving",
        "current": 100,
        "total": 100,
        "time": 1001.0,
    }


def test_a_bar_is_as_long_as_what_has_come() -> None:
    out = io.StringIO()
    bars = Bars(out, WORDS["pull"])
    bars.listen(Event(LAYER, Outcome.MOVING, 50))
    bars.close()
    last = out.getvalue().splitlines()[-2]
    bar = last.partition("[")[2].rpartition("[")[2].partition("]")[0]
    assert bar.count("=") == len(bar) // 2
    assert "50B/100B" in last


@pytest.mark.parametrize(
    ("given", "environment", "kind"),
    [
        ({}, {}, Lines),
        ({"progress": "rawjson"}, {}, RawJson),
        ({"progress": "quiet"}, {}, Quiet),
        ({"progress": "plain", "quiet": "true"}, {}, Quiet),
        ({}, {"BUILDKIT_PROGRESS": "rawjson"}, RawJson),
    ],
)
def test_the_reader_is_chosen(
    given: dict[str, str], environment: dict[str, str], kind: type
) -> None:
    assert isinstance(choose(args(**given), "pull", environment), kind)


def test_an_unknown_reader_is_refused() -> None:
    with pytest.raises(Invalid, match='progress "loud"'):
        choose(args(progress="loud"), "pull", {})
