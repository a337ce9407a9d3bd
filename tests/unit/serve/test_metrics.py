from __future__ import annotations

from lamina.serve.metrics import Counter, Gauge, Histogram, Metrics


def test_a_counter_counts_by_label() -> None:
    counter = Counter("x_total", "All x.", ("kind", "name"))
    counter.add(1, "a", 'quote " back \\ line \n')
    counter.add(2, "a", 'quote " back \\ line \n')
    counter.add(0.5, "b", "")
    assert counter.text() == (
        "# HELP x_total All x.\n# TYPE x_total counter\n"
        'x_total{kind="a",name="quote \\" back \\\\ line \\n"} 3\n'
        'x_total{kind="b",name=""} 0.5\n'
    )


def test_a_counter_without_labels_begins_at_nothing() -> None:
    assert Counter("x_total", "All x.").text().endswith("\nx_total 0\n")


def test_a_histogram_adds_up() -> None:
    histogram = Histogram("t", "Times.", ("kind",), (0.1, 1.0))
    for value in (0.1, 0.05, 0.5, 7.0):
        histogram.observe(value, "a")
    assert histogram.text().splitlines()[2:] == [
        't_bucket{kind="a",le="0.1"} 2',
        't_bucket{kind="a",le="1"} 3',
        't_bucket{kind="a",le="+Inf"} 4',
        't_sum{kind="a"} 7.65',
        't_count{kind="a"} 4',
    ]


def test_a_gauge_goes_up_and_down() -> None:
    gauge = Gauge("g", "Now.")
    for amount in (1, 3, -1):
        gauge.add(amount)
    assert gauge.text().endswith("\ng 3\n")


def test_everything_has_its_help() -> None:
    text = Metrics().text()
    assert text.count("# HELP") == text.count("# TYPE") == 7
