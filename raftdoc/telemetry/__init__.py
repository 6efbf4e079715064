"""What a running node tells its operator: numbers and lines.

    metrics     counters, gauges and histograms, and their text for Prometheus
    log         the lines of the standard library's logging, as key=value or as JSON

The caller's duties:

1. One Registry per node; each module declares what it counts in one place, when it is built.
2. Count by plain attribute increments (`turns.value += 1`): there is no lock, so all counting is done on the loop.
3. Log with the standard library, one template of words and then `key=%s` pairs; the formatter finds the pairs.
4. What may repeat for as long as a fault lasts goes through a RepeatGate.

Nothing here keeps state of its own at module level; that of `logging` belongs to the process.
"""
