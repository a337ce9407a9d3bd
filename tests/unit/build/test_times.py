"""Times as documents hold them, beside the standard library's."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.build.times import rfc3339


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (5.5, "1970-01-01T00:00:05.500000Z"),
        (1e9 - 1e-7, "2001-09-09T01:46:40Z"),
        (-0.25, "1969-12-31T23:59:59.750000Z"),
    ],
)
def test_a_time_has_microseconds_where_there_are_any(seconds: float, text: str) -> None:
    assert rfc3339(seconds) == text


@given(st.floats(-1e9, 4e9) | st.integers(0, 4 * 10**9))
def test_a_time_is_what_the_standard_library_says(seconds: float) -> None:
    moment = datetime.fromtimestamp(seconds, UTC)
    assert rfc3339(seconds) == moment.isoformat().replace("+00:00", "Z")
