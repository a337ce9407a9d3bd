from __future__ import annotations

import pytest

from lamina.serve.errors import TooMany
from lamina.serve.limits import Rates


def test_a_bucket_fills_at_its_rate() -> None:
    now = [0.0]
    rates = Rates(2, 3, clock=lambda: now[0])
    for _ in range(3):
        rates.take("a")
    with pytest.raises(TooMany) as error:
        rates.take("a")
    assert error.value.wait == 1
    rates.take("b")
    now[0] += 0.5
    rates.take("a")
    with pytest.raises(TooMany):
        rates.take("a")
    now[0] += 100
    for _ in range(3):
        rates.take("a")
    with pytest.raises(TooMany):
        rates.take("a")


def test_who_is_slow_is_told_how_long_to_wait() -> None:
    rates = Rates(0.01, 1, clock=lambda: 0.0)
    rates.take("a")
    with pytest.raises(TooMany) as error:
        rates.take("a")
    assert error.value.wait == 100


def test_without_a_rate_all_may() -> None:
    rates = Rates(0, 1)
    for _ in range(1000):
        rates.take("a")
