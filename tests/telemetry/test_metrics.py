"""Metrics count, and Prometheus can read them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raftdoc.telemetry.metrics import Declared, Histogram, Registry

from .exposition import parse


def test_a_counter_is_incremented_as_an_attribute() -> None:
    registry = Registry()
    turns = registry.counter("raftdoc_turns_total", "Turns.")
    turns.value += 1
    turns.value += 2
    assert registry.exposition() == (
        "# HELP raftdoc_turns_total Turns.\n# TYPE raftdoc_turns_total counter\nraftdoc_turns_total 3\n"
    )


def test_labels_are_bound_once_to_a_child() -> None:
    registry = Registry()
    sent = registry.counter_family("raftdoc_sent_bytes_total", "Bytes.", ("peer", "lane"))
    sent.bind(peer="n2", lane="bulk").value += 5
    assert sent.bind(peer="n2", lane="bulk").value == 5
    sent.bind(peer="n3", lane="bulk")
    samples = parse(registry.exposition()).samples
    assert samples == {
        ("raftdoc_sent_bytes_total", (("lane", "bulk"), ("peer", "n2"))): 5,
        ("raftdoc_sent_bytes_total", (("lane", "bulk"), ("peer", "n3"))): 0,
    }


def test_a_dropped_child_is_no_longer_shown() -> None:
    registry = Registry()
    connected = registry.gauge_family("raftdoc_connected", "Up.", ("peer",))
    connected.bind(peer="n2").value = 1
    connected.drop(peer="n2")
    connected.drop(peer="n2")
    assert parse(registry.exposition()).samples == {}


def test_a_gauge_is_set_or_asked() -> None:
    registry = Registry()
    registry.gauge("raftdoc_set", "Set.").value = -1.5
    values = iter([7, 8])
    registry.gauge("raftdoc_asked", "Asked.", lambda: next(values))
    assert parse(registry.exposition()).samples == {("raftdoc_set", ()): -1.5, ("raftdoc_asked", ()): 7}
    assert parse(registry.exposition()).samples[("raftdoc_asked", ())] == 8


def test_a_histogram_counts_up_to_and_including_each_bound() -> None:
    registry = Registry()
    lag = registry.histogram("raftdoc_lag_seconds", "Lag.", (0.1, 1))
    for value in (0, 0.1, 0.5, 1, 2):
        lag.observe(value)
    assert parse(registry.exposition()).samples == {
        ("raftdoc_lag_seconds_bucket", (("le", "0.1"),)): 2,
        ("raftdoc_lag_seconds_bucket", (("le", "1"),)): 4,
        ("raftdoc_lag_seconds_bucket", (("le", "+Inf"),)): 5,
        ("raftdoc_lag_seconds_sum", ()): 3.6,
        ("raftdoc_lag_seconds_count", ()): 5,
    }


@given(st.lists(st.floats(-10, 10)), st.lists(st.floats(-10, 10), min_size=1, unique=True).map(sorted))
def test_histogram_buckets_hold_what_a_count_of_the_values_gives(values: list[float], bounds: list[float]) -> None:
    histogram = Histogram(bounds)
    for value in values:
        histogram.observe(value)
    cumulative = [sample.value for sample in histogram.samples() if sample.suffix == "_bucket"]
    assert cumulative == [sum(value <= bound for value in values) for bound in (*bounds, float("inf"))]
    assert histogram.count == len(values)


@given(st.text(max_size=30), st.text(min_size=1, max_size=30).filter(str.strip))
def test_any_text_survives_in_labels_and_help(value: str, help_text: str) -> None:
    registry = Registry()
    registry.counter_family("raftdoc_odd_total", help_text, ("label",)).bind(label=value).value += 1
    parsed = parse(registry.exposition())
    assert parsed.samples == {("raftdoc_odd_total", (("label", value),)): 1}
    assert parsed.helps == {"raftdoc_odd_total": help_text}
    assert parsed.kinds == {"raftdoc_odd_total": "counter"}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (float("inf"), "+Inf"),
        (float("-inf"), "-Inf"),
        (float("nan"), "NaN"),
        (True, "1"),
        (1e-9, "1e-09"),
        (2**70, str(2**70)),
    ],
)
def test_numbers_are_written_as_prometheus_reads_them(value: float, text: str) -> None:
    registry = Registry()
    registry.gauge("raftdoc_number", "Number.").value = value
    assert registry.exposition().splitlines()[-1] == f"raftdoc_number {text}"


def test_every_declared_metric_is_listed_whether_bound_or_not() -> None:
    registry = Registry()
    registry.histogram("raftdoc_wait_seconds", "Wait.", (1,))
    registry.counter_family("raftdoc_read_bytes_total", "Read.", ("lane",))
    registry.gauge("raftdoc_groups", "Groups.")
    assert registry.declared() == [
        Declared("raftdoc_groups", "gauge", "Groups.", ()),
        Declared("raftdoc_read_bytes_total", "counter", "Read.", ("lane",)),
        Declared("raftdoc_wait_seconds", "histogram", "Wait.", ()),
    ]
    assert [declared.unit for declared in registry.declared()] == ["", "bytes", "seconds"]


def test_an_empty_registry_has_an_empty_exposition() -> None:
    assert Registry().exposition() == ""


@pytest.mark.parametrize("name", ["raftdoc_turns", "turns_total", "raftdoc_Turns_total", "raftdoc_a-b_total"])
def test_a_counter_with_a_wrong_name_is_a_bug(name: str) -> None:
    with pytest.raises(AssertionError):
        Registry().counter(name, "Wrong.")


def test_declaring_a_name_twice_is_a_bug() -> None:
    registry = Registry()
    registry.counter("raftdoc_turns_total", "Turns.")
    with pytest.raises(AssertionError, match="declared twice"):
        registry.counter("raftdoc_turns_total", "Turns.")


def test_binding_other_labels_than_declared_is_a_bug() -> None:
    family = Registry().counter_family("raftdoc_sent_total", "Sent.", ("lane",))
    with pytest.raises(AssertionError):
        family.bind(peer="n2")
