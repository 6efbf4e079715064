"""Reading metrics: sums, labels, and the quantile of what happened between two readings."""

from __future__ import annotations

import math

from raftdoc.client.exposition import label, parse_metrics, quantile_between, total

TEXT = """\
# HELP raftdoc_log_fsync_total Fsyncs.
# TYPE raftdoc_log_fsync_total counter
raftdoc_log_fsync_total 41
raftdoc_data_info{filesystem="ext4",path="/data \\"x\\""} 1
raftdoc_sent_total{peer="n2"} 3
raftdoc_sent_total{peer="n3"} 4.5
this is no sample
raftdoc_loop_lag_seconds_bucket{le="0.001"} %d
raftdoc_loop_lag_seconds_bucket{le="0.01"} %d
raftdoc_loop_lag_seconds_bucket{le="+Inf"} %d
"""


def test_samples_are_found_by_name_and_label() -> None:
    metrics = parse_metrics(TEXT % (0, 0, 0))
    assert total(metrics, "raftdoc_log_fsync_total") == 41
    assert total(metrics, "raftdoc_sent_total") == 7.5
    assert label(metrics, "raftdoc_data_info", "filesystem") == "ext4"


def test_what_a_node_does_not_say_is_none() -> None:
    assert total({}, "raftdoc_log_fsync_total") is None
    assert label({}, "raftdoc_data_info", "filesystem") is None
    assert quantile_between({}, {}, "raftdoc_loop_lag_seconds", 0.5) is None


def test_quantile_is_of_what_happened_between_the_readings() -> None:
    before, after = parse_metrics(TEXT % (1000, 1000, 1000)), parse_metrics(TEXT % (1090, 1099, 1100))
    assert quantile_between(before, after, "raftdoc_loop_lag_seconds", 0.9) == 0.001
    assert quantile_between(before, after, "raftdoc_loop_lag_seconds", 0.99) == 0.01
    assert quantile_between(before, after, "raftdoc_loop_lag_seconds", 0.999) == math.inf
    assert quantile_between(after, after, "raftdoc_loop_lag_seconds", 0.5) is None
