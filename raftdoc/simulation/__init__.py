"""Whole clusters from one seed, and the judges of what their clients saw.

    history      what clients did and were answered, one event a line
    checkers     pure functions: history in, verdict out
    cores        the consensus core, state machine and disk model of every node under one event heap
    nodes        whole nodes, as the server builds them, on an event loop of virtual time

The caller's duties:
1. A run is named by its seed and nothing else; code that is called from it asks no clock, no chance but the
   seed's, and never iterates over a set of strings.
2. A verdict `unknown` is a failure: a run in which nothing happened proves nothing.
3. A checker that raises makes the run invalid; nothing catches that.

It simulates no HTTP, no sockets and no threads.
"""
