"""Links between nodes. What is sent may be lost or come in another order, and comes at most once.

    transport   the seam: Transport, and its contract
    handshake   who is at the other end of a connection, decided without I/O
    links       connections: asyncio protocols around handshake and frames
    sender      the sending end of one lane to one peer: queue, dialling, back-off
    roster      which life of which peer is the present one
    tcp         Transport over TCP
    memory      Transport inside one process, for tests and simulation: cuttable, deterministic
    metrics     what the TCP transport counts

The caller's duties:

1. `set_receiver` before `start`; both callbacks only take note, and never call back into the transport at once.
2. At most one `send` per peer and lane a turn: one call is one frame.
3. Never wait for an answer without a deadline. `on_unreachable` says that what was under way may be lost.

A node sends only on connections that it dialled, and receives only on those that others dialled: each
direction of each pair of nodes has its own, two of them, so that a cut in one direction is only that, and
heartbeats do not queue behind bulk data.

What this package does not do: repeat, order or acknowledge anything. Raft does.
"""
